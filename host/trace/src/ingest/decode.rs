//! A request's message, read: how much memory it takes is known before any of it is taken.

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use prost::Message;
use serde::de::DeserializeOwned;

use super::{
    lenient,
    weight_limit::{self, Kind, MAX_GROUPS},
};

/// Objects and lists that a JSON message has at most: three bytes of text become some hundred in memory.
const MAX_OBJECTS: usize = 600_000;
/// And elements of those, of which each may take as much as a value does.
const MAX_ELEMENTS: usize = 4_000_000;

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Protocol Buffers.
    Protobuf,
    /// The JSON of OTLP, with ids in hexadecimal digits.
    Json,
}

impl Format {
    /// As `Content-Type` names it.
    #[must_use]
    pub fn from_content_type(name: &str) -> Option<Self> {
        let name = name.split(';').next().unwrap_or_default().trim();
        match name.to_ascii_lowercase().as_str() {
            "application/x-protobuf" | "application/protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Why a message is not read. Without what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// More than anybody needs at once.
    #[error("the message has too many parts; send less at once")]
    TooMany,
    /// It is no message of this kind.
    #[error("the body is no {0} message of OTLP: {1}")]
    Malformed(&'static str, String),
}

/// What is sent in a request.
pub trait Signal: Message + DeserializeOwned + Default {
    /// What the outermost message is.
    #[doc(hidden)]
    const KIND: Kind;

    /// Resources and scopes.
    #[doc(hidden)]
    fn groups(&self) -> usize;
}

impl Signal for ExportTraceServiceRequest {
    const KIND: Kind = Kind::Traces;

    fn groups(&self) -> usize {
        let each = self.resource_spans.iter();
        each.map(|r| r.scope_spans.len().saturating_add(1)).sum()
    }
}

impl Signal for ExportLogsServiceRequest {
    const KIND: Kind = Kind::Logs;

    fn groups(&self) -> usize {
        let each = self.resource_logs.iter();
        each.map(|r| r.scope_logs.len().saturating_add(1)).sum()
    }
}

/// Read a message.
///
/// # Errors
/// [`DecodeError`]: it will never be read, so trying again is of no use.
pub fn decode<S: Signal>(message: &[u8], format: Format) -> Result<S, DecodeError> {
    match format {
        Format::Protobuf => {
            weight_limit::measure(message, S::KIND)?;
            S::decode(message).map_err(|e| DecodeError::Malformed("protobuf", e.to_string()))
        }
        Format::Json => {
            measure(message)?;
            let read: S = serde_json::from_slice(message).or_else(|error| {
                lenient::read(message).ok_or_else(|| {
                    let place = format!("line {}, column {}", error.line(), error.column());
                    DecodeError::Malformed("JSON", place)
                })
            })?;
            match read.groups() > MAX_GROUPS {
                true => Err(DecodeError::TooMany),
                false => Ok(read),
            }
        }
    }
}

/// That a JSON message has not too many parts: whatever its reader makes of them, be it only to skip them.
fn measure(message: &[u8]) -> Result<(), DecodeError> {
    let (mut objects, mut elements) = (0_usize, 0_usize);
    let mut bytes = message.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => loop {
                match bytes.next() {
                    Some(b'\\') => drop(bytes.next()),
                    Some(b'"') | None => break,
                    Some(_) => {}
                }
            },
            b'{' | b'[' => objects += 1,
            b',' => elements += 1,
            _ => {}
        }
    }
    match objects > MAX_OBJECTS || elements > MAX_ELEMENTS {
        true => Err(DecodeError::TooMany),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ExportTraceServiceRequest, DecodeError> {
        decode(json.as_bytes(), Format::Json)
    }

    #[test]
    fn what_is_small_and_grows_is_refused() {
        let many = |what: &str, n: usize| vec![what; n].join(",");
        for (what, json) in [
            (
                "objects",
                format!(r#"{{"resourceSpans":[{}]}}"#, many("{}", MAX_OBJECTS)),
            ),
            (
                "lists in the place of objects",
                format!(
                    r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#,
                    many("[]", MAX_OBJECTS)
                ),
            ),
            (
                "values that nobody knows",
                format!(
                    r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"a","value":{{"x":[{}]}}}}]}}}}]}}"#,
                    many("1", MAX_ELEMENTS + 2)
                ),
            ),
            (
                "scopes",
                format!(
                    r#"{{"resourceSpans":[{{"scopeSpans":[{}]}}]}}"#,
                    many("{}", MAX_GROUPS)
                ),
            ),
        ] {
            assert_eq!(read(&json), Err(DecodeError::TooMany), "{what}");
        }
    }

    #[test]
    fn what_is_said_in_a_text_counts_for_nothing() {
        let text = "{[,\\\"".repeat(MAX_ELEMENTS / 4);
        let json = format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"a","value":{{"stringValue":"{text}"}}}}]}}}}]}}"#
        );
        assert_eq!(read(&json).unwrap().resource_spans.len(), 1);
    }

    #[test]
    fn what_senders_leave_out_or_write_as_words_is_read() {
        let value = |json: &str| {
            let json = format!(
                r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"a","value":{json}}}]}}}}]}}"#
            );
            let mut read = read(&json).unwrap();
            let resource = read.resource_spans.remove(0).resource.unwrap();
            let value = resource.attributes.into_iter().next().unwrap().value;
            format!("{:?}", value.unwrap().value)
        };
        for (json, expected) in [
            (
                r#"{"arrayValue":{}}"#,
                "Some(ArrayValue(ArrayValue { values: [] }))",
            ),
            (
                r#"{"arrayValue":{"values":null}}"#,
                "Some(ArrayValue(ArrayValue { values: [] }))",
            ),
            (
                r#"{"kvlistValue":{}}"#,
                "Some(KvlistValue(KeyValueList { values: [] }))",
            ),
            (r#"{"doubleValue":"NaN"}"#, r#"Some(StringValue("NaN"))"#),
            (
                r#"{"doubleValue":"-Infinity"}"#,
                r#"Some(StringValue("-Infinity"))"#,
            ),
            (r#"{"doubleValue":"1.5"}"#, "Some(DoubleValue(1.5))"),
        ] {
            assert_eq!(value(json), expected, "{json}");
        }
        for wrong in [
            r#"{"resourceSpans":7}"#,
            r#"{"resourceSpans":["#,
            r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":{"doubleValue":"x"}}]}}]}"#,
        ] {
            assert!(
                matches!(read(wrong), Err(DecodeError::Malformed("JSON", _))),
                "{wrong}"
            );
        }
    }
}
