use proptest::prelude::*;

use super::*;

/// A number in the form that an agent sends.
fn written(n: u64, as_text: bool) -> Value {
    match as_text {
        true => Value::StringValue(n.to_string()),
        false => Value::IntValue(i64::try_from(n).unwrap()),
    }
}

fn record(name: &str, attributes: Vec<KeyValue>) -> LogRecord {
    let event = attribute("event.name", Value::StringValue(name.into()));
    LogRecord {
        time_unix_nano: 5_000_000_000,
        attributes: attributes.into_iter().chain([event]).collect(),
        ..LogRecord::default()
    }
}

fn call(record: &LogRecord) -> Option<Span> {
    let (trace, span) = (RunId::from_bytes([1; 16]), SpanId::from_bytes([1; 8]));
    model_call(record, trace, span, "s", &PricesConfig::default())
}

proptest! {
    #[test]
    fn tokens_of_claude_code_are_counted_once(
        [input, output, cached, written_to] in prop::array::uniform4(0..100_000_u64),
        as_text: bool,
        long_name: bool,
    ) {
        let name = if long_name { "claude_code.api_request" } else { "api_request" };
        let numbers = [
            ("input_tokens", input),
            ("output_tokens", output),
            ("cache_read_tokens", cached),
            ("cache_creation_tokens", written_to),
            ("duration_ms", 2_000),
        ];
        let attributes = numbers.map(|(name, n)| attribute(name, written(n, as_text)));
        let span = call(&record(name, attributes.to_vec())).unwrap();
        let total = whole(&span.attributes, "gen_ai.usage.input_tokens");
        prop_assert_eq!(total, Some(input + cached + written_to));
        prop_assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 2_000_000_000);
    }
}

#[test]
fn tokens_of_codex_are_read_from_the_end_of_a_response() {
    let attributes = |kind: &str| {
        vec![
            attribute("event.kind", Value::StringValue(kind.into())),
            attribute("model", Value::StringValue("gpt-5-codex".into())),
            attribute("input_token_count", Value::IntValue(900)),
            attribute("cached_token_count", Value::IntValue(800)),
        ]
    };
    let done = call(&record("codex.sse_event", attributes("response.completed"))).unwrap();
    assert_eq!(done.name, "chat gpt-5-codex");
    assert_eq!(
        whole(&done.attributes, "gen_ai.usage.input_tokens"),
        Some(900)
    );
    assert!(call(&record("codex.sse_event", attributes("response.created"))).is_none());
    assert!(
        call(&record(
            "codex.user_prompt",
            attributes("response.completed")
        ))
        .is_none()
    );
}

#[test]
fn a_failed_request_is_an_error_with_its_text() {
    let attributes = vec![
        attribute("error", Value::StringValue("overloaded".into())),
        attribute("status_code", Value::StringValue("529".into())),
    ];
    let span = call(&record("claude_code.api_error", attributes)).unwrap();
    assert_eq!(span.status.unwrap().message, "overloaded");
    assert_eq!(text(&span.attributes, "error.type"), Some("529"));
}

#[test]
fn a_session_is_found_under_each_of_its_names() {
    for name in SESSIONS {
        let attributes = [attribute(name, Value::StringValue("s".into()))];
        assert_eq!(session(&attributes), Some("s"), "{name}");
    }
    let long = [attribute("session.id", Value::StringValue("s".repeat(300)))];
    assert_eq!(session(&long), None);
    assert_eq!(session(&[]), None);
}
