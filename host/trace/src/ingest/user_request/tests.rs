use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, ScopeSpans},
};

use super::*;

fn span(trace: u8, value: Value) -> Span {
    Span {
        trace_id: vec![trace; 16],
        parent_span_id: vec![3; 8],
        attributes: vec![KeyValue {
            key: USER_REQUEST.into(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        }],
        ..Span::default()
    }
}

fn message(scope: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope {
        name: scope.into(),
        ..InstrumentationScope::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

#[test]
fn a_span_tells_what_the_user_asks_for_in_its_trace() {
    let text = || Value::StringValue("Pay Ann".into());
    let told = user_requests(&message("host", vec![Span::default(), span(1, text())]));
    let expected = ReportedRequest {
        trace: RunId::from_bytes([1; 16]),
        parent: Some(SpanId::from_bytes([3; 8])),
        text: "Pay Ann".into(),
    };
    assert_eq!(told, [expected]);
    // The gate's own spans come back from a collector, with texts of components in them.
    assert_eq!(
        user_requests(&message("dev.tollgate", vec![span(1, text())])),
        []
    );
}

#[test]
fn what_is_no_whole_text_in_a_trace_is_left_out() {
    for (trace, value) in [
        (0, Value::StringValue("Pay Ann".into())),
        (1, Value::StringValue(String::new())),
        (1, Value::StringValue("x".repeat(MAX_TEXT + 1))),
        (1, Value::IntValue(7)),
    ] {
        assert_eq!(
            user_requests(&message("host", vec![span(trace, value)])),
            []
        );
    }
    let many = vec![span(1, Value::StringValue("Pay Ann".into())); 500];
    assert_eq!(user_requests(&message("host", many)).len(), MAX_REQUESTS);
}
