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
        trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode},
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
        any::<[bool; 5]>().prop_map(|[snake_case, enum_names, base64_ids, numbers, old_names]| {
            Style {
                snake_case,
                enum_names,
                base64_ids,
                numbers,
                old_names,
            }
        })
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
