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
mod tests {
    use super::*;

    /// A field that holds bytes.
    fn field(number: u8, inner: &[u8]) -> Vec<u8> {
        let mut bytes = vec![(number << 3) | 2];
        prost::encoding::encode_varint(inner.len() as u64, &mut bytes);
        bytes.extend_from_slice(inner);
        bytes
    }

    /// Fields in fields, the outermost first.
    fn within(numbers: &[u8], innermost: &[u8]) -> Vec<u8> {
        let each = numbers.iter().rev();
        each.fold(innermost.to_vec(), |inner, number| field(*number, &inner))
    }

    /// Less than the limit in production, so that the tests are fast.
    const MOST: usize = 10_000;

    /// A list: its name, the message that it is in, the fields above it, its own field, and with how many empty
    /// elements it is full.
    type List = (&'static str, MessageKind, &'static [u8], u8, usize);

    const LISTS: &[List] = &[
        ("resources", MessageKind::Traces, &[], 1, MOST / 500),
        ("scopes", MessageKind::Traces, &[1], 2, MOST / 500),
        ("scopes of logs", MessageKind::Logs, &[1], 2, MOST / 500),
        ("spans", MessageKind::Traces, &[1, 2], 2, MOST / 8),
        ("logs", MessageKind::Logs, &[1, 2], 2, MOST / 8),
        (
            "attributes of a resource",
            MessageKind::Traces,
            &[1, 1],
            1,
            MOST,
        ),
        ("entities", MessageKind::Traces, &[1, 1], 3, MOST),
        (
            "keys of an entity",
            MessageKind::Traces,
            &[1, 1, 3],
            3,
            MOST,
        ),
        (
            "keys about an entity",
            MessageKind::Logs,
            &[1, 1, 3],
            4,
            MOST,
        ),
        (
            "attributes of a scope",
            MessageKind::Traces,
            &[1, 2, 1],
            3,
            MOST,
        ),
        (
            "attributes of a span",
            MessageKind::Traces,
            &[1, 2, 2],
            9,
            MOST,
        ),
        ("events", MessageKind::Traces, &[1, 2, 2], 11, MOST),
        (
            "attributes of an event",
            MessageKind::Traces,
            &[1, 2, 2, 11],
            3,
            MOST,
        ),
        ("links", MessageKind::Traces, &[1, 2, 2], 13, MOST),
        (
            "attributes of a link",
            MessageKind::Traces,
            &[1, 2, 2, 13],
            4,
            MOST,
        ),
        (
            "attributes of a log",
            MessageKind::Logs,
            &[1, 2, 2],
            6,
            MOST,
        ),
        (
            "values of a list",
            MessageKind::Logs,
            &[1, 2, 2, 5, 5],
            1,
            MOST,
        ),
        (
            "entries of a map",
            MessageKind::Logs,
            &[1, 2, 2, 5, 6],
            1,
            MOST,
        ),
    ];

    #[test]
    fn each_element_of_a_list_weighs_something() {
        let measure = |message: &[u8], kind| {
            let mut left = MOST;
            walk(message, kind, MAX_DEPTH, &mut left)
        };
        for (what, kind, above, number, most) in LISTS {
            let full = field(*number, &[]).repeat(most + 1);
            let message = within(above, &full);
            assert_eq!(
                measure(&message, *kind),
                Err(DecodeError::TooMany),
                "{what}"
            );
            let few = within(above, &field(*number, &[]).repeat(most / 2));
            assert_eq!(measure(&few, *kind), Ok(()), "{what}");
        }
    }

    #[test]
    fn text_is_not_taken_for_messages() {
        // As a message this would be truncated.
        let key = within(&[1, 1, 3, 3], b"\x0a\xff");
        assert_eq!(measure(&key, MessageKind::Traces), Ok(()));
    }
}
