//! Decodes the message of a request. Its memory use is bounded before anything is allocated.

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use prost::Message;
use serde::de::DeserializeOwned;

use super::{
    DecodeError, lenient,
    weight_limit::{self, MAX_GROUPS, MessageKind},
};

/// The most objects and lists in a JSON message: three bytes of text become about a hundred in memory.
const MAX_OBJECTS: usize = 600_000;
/// The most elements of those, each of which may take as much memory as a value.
const MAX_ELEMENTS: usize = 4_000_000;

/// The format of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Protocol Buffers.
    Protobuf,
    /// The JSON of OTLP, with ids in hexadecimal digits.
    Json,
}

impl Format {
    /// The format of a `Content-Type`.
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

/// A signal of OTLP: the message type of a request.
pub trait Signal: Message + DeserializeOwned + Default {
    /// The type of the outermost message.
    #[doc(hidden)]
    const KIND: MessageKind;

    /// The outermost JSON member.
    #[doc(hidden)]
    const MEMBER: &'static str;

    /// The number of resources and scopes.
    #[doc(hidden)]
    fn groups(&self) -> usize;
}

impl Signal for ExportTraceServiceRequest {
    const KIND: MessageKind = MessageKind::Traces;
    const MEMBER: &'static str = "resourceSpans";

    fn groups(&self) -> usize {
        let each = self.resource_spans.iter();
        each.map(|r| r.scope_spans.len().saturating_add(1)).sum()
    }
}

impl Signal for ExportLogsServiceRequest {
    const KIND: MessageKind = MessageKind::Logs;
    const MEMBER: &'static str = "resourceLogs";

    fn groups(&self) -> usize {
        let each = self.resource_logs.iter();
        each.map(|r| r.scope_logs.len().saturating_add(1)).sum()
    }
}

/// Decodes a message.
///
/// # Errors
/// [`DecodeError`], which is final: a retry has the same result.
pub fn decode<S: Signal>(message: &[u8], format: Format) -> Result<S, DecodeError> {
    match format {
        Format::Protobuf => {
            let hint = |error| match message.trim_ascii_start().first() {
                Some(b'{') => DecodeError::Malformed(
                    "protobuf",
                    "it looks like JSON; send it with `Content-Type: application/json`".into(),
                ),
                _ => error,
            };
            weight_limit::measure(message, S::KIND).map_err(hint)?;
            S::decode(message).map_err(|e| hint(DecodeError::Malformed("protobuf", e.to_string())))
        }
        Format::Json => {
            let spelling = measure(message)?;
            let read = match (spelling, serde_json::from_slice::<S>(message)) {
                // A message without groups may be one of another signal.
                (Spelling::AsSpecified, Ok(read)) if read.groups() > 0 => read,
                _ => mended(message)?,
            };
            match read.groups() > MAX_GROUPS {
                true => Err(DecodeError::TooMany),
                false => Ok(read),
            }
        }
    }
}

/// Decodes a JSON message that deviates from the specification.
fn mended<S: Signal>(message: &[u8]) -> Result<S, DecodeError> {
    let mended = lenient::read::<S>(message).map_err(|why| DecodeError::Malformed("JSON", why))?;
    let is_known = mended.members.iter().any(|member| member == S::MEMBER);
    match mended.members.into_iter().next() {
        Some(found) if !is_known => Err(DecodeError::Unexpected {
            expected: S::MEMBER,
            found: tollgate_model::text::printable(&found, 80),
        }),
        _ => Ok(mended.message),
    }
}

/// The spelling of members in a JSON message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// `lowerCamelCase`, with current names.
    AsSpecified,
    /// Any other spelling, which the decoder would skip.
    Otherwise,
}

/// Checks that a JSON message does not have too many parts, including those that the decoder would skip.
fn measure(message: &[u8]) -> Result<Spelling, DecodeError> {
    let (mut objects, mut elements) = (0_usize, 0_usize);
    let mut spelling = Spelling::AsSpecified;
    let mut rest = message;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => {
                let (text, after) = string(rest);
                rest = after;
                let is_member = rest.trim_ascii_start().first() == Some(&b':');
                if is_member && (text.contains(&b'_') || text.starts_with(b"instrumentation")) {
                    spelling = Spelling::Otherwise;
                }
            }
            b'{' | b'[' => objects += 1,
            b',' => elements += 1,
            _ => {}
        }
    }
    match objects > MAX_OBJECTS || elements > MAX_ELEMENTS {
        true => Err(DecodeError::TooMany),
        false => Ok(spelling),
    }
}

/// The contents of a string after its opening quote, and the rest after its closing quote.
fn string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'"' => break,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    let end = end.min(bytes.len());
    let (text, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    (text, rest.get(1..).unwrap_or_default())
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
                "lists instead of objects",
                format!(
                    r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#,
                    many("[]", MAX_OBJECTS)
                ),
            ),
            (
                "values of an unknown type",
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
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"not an id"}]}]}]}"#,
            r#"{"resourceSpans":["#,
            r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":{"doubleValue":"x"}}]}}]}"#,
        ] {
            assert!(
                matches!(read(wrong), Err(DecodeError::Malformed("JSON", _))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let why = |json: &str| read(json).unwrap_err().to_string();
        assert_eq!(
            why(r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":"zz"}]}]}]}"#),
            "the body is not an OTLP message in JSON: \
             `/resourceSpans/0/scopeSpans/0/spans/0/spanId` must be 16 hexadecimal digits"
        );
        assert_eq!(
            why(r#"{"resourceLogs":[]}"#),
            "the message has no `resourceSpans`, but `resourceLogs`; send it to /v1/logs"
        );
        assert!(why(r#"{"spans":[]}"#).contains("has no `resourceSpans`, but `spans`"));
        assert!(read("{}").unwrap().resource_spans.is_empty());
        let json = decode::<ExportTraceServiceRequest>(b"{\"resourceSpans\":[]}", Format::Protobuf);
        assert!(json.unwrap_err().to_string().contains("application/json"));
    }

    mod written_by_others {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        use opentelemetry_proto::tonic::{
            common::v1::{AnyValue, KeyValue, any_value},
            trace::v1::{
                ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode,
            },
        };
        use proptest::prelude::*;
        use serde_json::{Map, Value, json};

        use super::*;

        fn attribute() -> impl Strategy<Value = KeyValue> {
            let value = prop_oneof![
                "[a-z_ ]{0,8}".prop_map(any_value::Value::StringValue),
                any::<bool>().prop_map(any_value::Value::BoolValue),
                any::<i64>().prop_map(any_value::Value::IntValue),
                (-4000..4000_i32).prop_map(|n| any_value::Value::DoubleValue(f64::from(n) / 4.0)),
            ];
            ("[a-z_.]{1,12}", value).prop_map(|(key, value)| KeyValue {
                key,
                value: Some(AnyValue { value: Some(value) }),
                ..KeyValue::default()
            })
        }

        fn span() -> impl Strategy<Value = Span> {
            let ids = (any::<[u8; 16]>(), any::<[u8; 8]>(), any::<[u8; 8]>());
            let attributes = prop::collection::vec(attribute(), 0..4);
            (
                ids,
                "[a-z _]{0,8}",
                1..6_i32,
                0..3_i32,
                any::<[u64; 2]>(),
                attributes,
            )
                .prop_map(
                    |((trace, span, parent), name, kind, code, [start, end], attributes)| Span {
                        trace_id: trace.to_vec(),
                        span_id: span.to_vec(),
                        parent_span_id: parent.to_vec(),
                        name,
                        kind,
                        start_time_unix_nano: start,
                        end_time_unix_nano: end,
                        attributes,
                        status: Some(Status {
                            code,
                            message: String::new(),
                        }),
                        ..Span::default()
                    },
                )
        }

        fn request() -> impl Strategy<Value = ExportTraceServiceRequest> {
            prop::collection::vec(span(), 1..4).prop_map(|spans| ExportTraceServiceRequest {
                resource_spans: vec![ResourceSpans {
                    scope_spans: vec![ScopeSpans {
                        spans,
                        ..ScopeSpans::default()
                    }],
                    ..ResourceSpans::default()
                }],
            })
        }

        /// Deviations of senders from the specification.
        #[derive(Debug, Clone, Copy)]
        struct Style {
            snake_case: bool,
            enum_names: bool,
            base64_ids: bool,
            numbers: bool,
            old_names: bool,
        }

        fn style() -> impl Strategy<Value = Style> {
            any::<[bool; 5]>().prop_map(
                |[snake_case, enum_names, base64_ids, numbers, old_names]| Style {
                    snake_case,
                    enum_names,
                    base64_ids,
                    numbers,
                    old_names,
                },
            )
        }

        fn rewrite(value: Value, style: Style) -> Value {
            match value {
                Value::Array(all) => all.into_iter().map(|one| rewrite(one, style)).collect(),
                Value::Object(members) => {
                    let members = members.into_iter().map(|(name, value)| {
                        let value = rewrite(scalar(&name, value, style), style);
                        (member(&name, style), value)
                    });
                    Value::Object(members.collect::<Map<_, _>>())
                }
                other => other,
            }
        }

        fn scalar(name: &str, value: Value, style: Style) -> Value {
            match (name, &value) {
                ("kind", Value::Number(n)) if style.enum_names => {
                    let kind = SpanKind::try_from(n.as_i64().unwrap() as i32).unwrap();
                    json!(kind.as_str_name())
                }
                ("code", Value::Number(n)) if style.enum_names => {
                    let code = StatusCode::try_from(n.as_i64().unwrap() as i32).unwrap();
                    json!(code.as_str_name())
                }
                ("traceId" | "spanId" | "parentSpanId", Value::String(hex)) if style.base64_ids => {
                    let bytes: Vec<u8> = (0..hex.len() / 2)
                        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
                        .collect();
                    json!(STANDARD.encode(bytes))
                }
                ("startTimeUnixNano" | "endTimeUnixNano" | "intValue", Value::String(text))
                    if style.numbers =>
                {
                    serde_json::from_str(text).unwrap()
                }
                _ => value,
            }
        }

        fn member(name: &str, style: Style) -> String {
            let name = match name {
                "scopeSpans" if style.old_names => "instrumentationLibrarySpans",
                other => other,
            };
            if !style.snake_case {
                return name.to_owned();
            }
            let mut snake = String::new();
            for c in name.chars() {
                if c.is_uppercase() {
                    snake.push('_');
                }
                snake.extend(c.to_lowercase());
            }
            snake
        }

        proptest! {
            #[test]
            fn a_message_means_the_same_in_every_style(request in request(), style in style()) {
                let json = serde_json::to_value(&request).unwrap();
                let rewritten = rewrite(json, style).to_string();
                let read: ExportTraceServiceRequest =
                    decode(rewritten.as_bytes(), Format::Json).unwrap();
                prop_assert_eq!(read, request);
            }

            #[test]
            fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,_a-zA-Z0-9 ]{0,120}") {
                let _ = decode::<ExportTraceServiceRequest>(&bytes, Format::Json);
                let _ = decode::<ExportTraceServiceRequest>(&bytes, Format::Protobuf);
                let _ = decode::<ExportTraceServiceRequest>(text.as_bytes(), Format::Json);
            }
        }
    }
}
