//! How many parts a protobuf message has, found without making any: an empty part takes two bytes on the
//! wire and some hundred in memory.

use super::DecodeError;

/// What all parts of a message weigh at most; a span or log weighs eight, anything else one.
const MAX_WEIGHT: usize = 2_000_000;
/// How deep values are nested; what reads them goes as deep.
const MAX_DEPTH: usize = 64;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request with spans.
    Traces,
    /// A request with logs.
    Logs,
    /// Spans of a resource.
    ResourceSpans,
    /// Logs of a resource.
    ResourceLogs,
    /// Spans of a scope.
    ScopeSpans,
    /// Logs of a scope.
    ScopeLogs,
    /// A span.
    Span,
    /// A log.
    Log,
    /// A resource.
    Resource,
    /// A scope.
    Scope,
    /// An event of a span.
    Event,
    /// A link of a span.
    Link,
    /// An attribute.
    Attribute,
    /// A value.
    Value,
    /// A list of values.
    List,
    /// A list of attributes.
    Map,
}

impl Kind {
    /// What the field of this number holds, if that is a message (opentelemetry/proto/*.proto).
    fn field(self, number: u64) -> Option<Self> {
        use Kind as K;
        Some(match (self, number) {
            (K::Traces, 1) => K::ResourceSpans,
            (K::Logs, 1) => K::ResourceLogs,
            (K::ResourceSpans | K::ResourceLogs, 1) => K::Resource,
            (K::ResourceSpans, 2) => K::ScopeSpans,
            (K::ResourceLogs, 2) => K::ScopeLogs,
            (K::ScopeSpans | K::ScopeLogs, 1) => K::Scope,
            (K::ScopeSpans, 2) => K::Span,
            (K::ScopeLogs, 2) => K::Log,
            (K::Span, 11) => K::Event,
            (K::Span, 13) => K::Link,
            (K::Span, 9)
            | (K::Log, 6)
            | (K::Resource, 1)
            | (K::Scope | K::Event, 3)
            | (K::Link, 4)
            | (K::Map, 1) => K::Attribute,
            (K::Log, 5) | (K::Attribute, 2) | (K::List, 1) => K::Value,
            (K::Value, 5) => K::List,
            (K::Value, 6) => K::Map,
            _ => return None,
        })
    }

    fn weight(self) -> usize {
        match self {
            Self::Span | Self::Log => 8,
            _ => 1,
        }
    }
}

/// That a message is not too much.
///
/// # Errors
/// [`DecodeError::TooMany`]; or [`DecodeError::Malformed`] if it is none.
pub(super) fn measure(message: &[u8], kind: Kind) -> Result<(), DecodeError> {
    let mut left = MAX_WEIGHT;
    walk(message, kind, MAX_DEPTH, &mut left)
}

fn walk(mut bytes: &[u8], kind: Kind, depth: usize, left: &mut usize) -> Result<(), DecodeError> {
    let broken = || DecodeError::Malformed("protobuf", "it is malformed or broke off".into());
    let Some(deeper) = depth.checked_sub(1) else {
        return Err(DecodeError::TooMany);
    };
    while !bytes.is_empty() {
        let key = varint(&mut bytes).ok_or_else(broken)?;
        let length = match key & 7 {
            0 => {
                varint(&mut bytes).ok_or_else(broken)?;
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes).ok_or_else(broken)?,
            5 => 4,
            // Groups have been gone from protobuf for long.
            _ => return Err(broken()),
        };
        let length = usize::try_from(length).map_err(|_| broken())?;
        let (field, rest) = bytes.split_at_checked(length).ok_or_else(broken)?;
        bytes = rest;
        if let (2, Some(inner)) = (key & 7, kind.field(key >> 3)) {
            *left = left
                .checked_sub(inner.weight())
                .ok_or(DecodeError::TooMany)?;
            walk(field, inner, deeper, left)?;
        }
    }
    Ok(())
}

/// A number in groups of seven bits, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
