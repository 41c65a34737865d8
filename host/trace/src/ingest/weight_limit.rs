//! Counts the parts of a protobuf message without decoding it: an empty part takes two bytes on the wire and
//! some hundred in memory.

use super::DecodeError;

/// The largest weight of a message, as the sum over its parts. A span or log weighs eight. A resource or scope
/// weighs `MAX_WEIGHT / MAX_GROUPS`, so that there are at most `MAX_GROUPS`. Any other part weighs one.
const MAX_WEIGHT: usize = 2_000_000;
/// The most resources and scopes in a message. Their attributes are stored once for each of them.
pub(super) const MAX_GROUPS: usize = 4_000;
/// The deepest nesting of values, which is also that of the decoder.
const MAX_DEPTH: usize = 64;

/// The type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// A request with spans.
    Traces,
    /// A request with logs.
    Logs,
    /// A request with metrics.
    Metrics,
    /// Metrics of a resource.
    ResourceMetrics,
    /// Metrics of a scope.
    ScopeMetrics,
    /// A metric.
    Metric,
    /// Data points of a metric.
    Points,
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
    /// An entity of a resource.
    Entity,
    /// An element of a list of texts.
    Text,
}

impl MessageKind {
    /// The message type of a field, if it holds a message (opentelemetry/proto/*.proto).
    fn field(self, number: u64) -> Option<Self> {
        use MessageKind as K;
        Some(match (self, number) {
            (K::Traces, 1) => K::ResourceSpans,
            (K::Logs, 1) => K::ResourceLogs,
            (K::Metrics, 1) => K::ResourceMetrics,
            (K::ResourceMetrics, 2) => K::ScopeMetrics,
            (K::ScopeMetrics, 2) => K::Metric,
            (K::Metric, 5 | 7 | 9 | 10 | 11) => K::Points,
            (K::ResourceSpans | K::ResourceLogs, 1) => K::Resource,
            (K::ResourceSpans, 2) => K::ScopeSpans,
            (K::ResourceLogs, 2) => K::ScopeLogs,
            (K::ScopeSpans | K::ScopeLogs, 1) => K::Scope,
            (K::ScopeSpans, 2) => K::Span,
            (K::ScopeLogs, 2) => K::Log,
            (K::Resource, 3) => K::Entity,
            (K::Entity, 3 | 4) => K::Text,
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
            Self::Span | Self::Log | Self::Metric => 8,
            Self::ResourceSpans
            | Self::ResourceLogs
            | Self::ResourceMetrics
            | Self::ScopeSpans
            | Self::ScopeLogs
            | Self::ScopeMetrics => MAX_WEIGHT / MAX_GROUPS,
            _ => 1,
        }
    }
}

/// Checks the weight of a message.
///
/// # Errors
/// [`DecodeError::TooMany`]; [`DecodeError::Malformed`] if it is not protobuf.
pub(super) fn measure(message: &[u8], kind: MessageKind) -> Result<(), DecodeError> {
    let mut left = MAX_WEIGHT;
    walk(message, kind, MAX_DEPTH, &mut left)
}

fn walk(
    mut bytes: &[u8],
    kind: MessageKind,
    depth: usize,
    left: &mut usize,
) -> Result<(), DecodeError> {
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
            // Groups are deprecated in protobuf, and OTLP does not use them.
            _ => return Err(broken()),
        };
        let length = usize::try_from(length).map_err(|_| broken())?;
        let (field, rest) = bytes.split_at_checked(length).ok_or_else(broken)?;
        bytes = rest;
        if let (2, Some(inner)) = (key & 7, kind.field(key >> 3)) {
            *left = left
                .checked_sub(inner.weight())
                .ok_or(DecodeError::TooMany)?;
            // A text may look like a message.
            if inner != MessageKind::Text {
                walk(field, inner, deeper, left)?;
            }
        }
    }
    Ok(())
}

/// A varint: groups of seven bits, the lowest first.
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

#[cfg(test)]
mod tests;
