//! OTLP as its senders write it.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::gate::{Answer, Gate, Served};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const JSON: (&str, &str) = ("content-type", "application/json");

fn gate() -> Gate {
    let gate = Gate::with_tools(&json!([{"name": "echo", "inputSchema": {"type": "object"}}]));
    gate.configure("[prices]\ncurrency = \"USD\"\n[prices.models.\"m-1\"]\ninput = 1.0\ncached_input = 0.1\noutput = 5.0\n");
    gate
}

fn post(served: &Served, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    served.ask("POST", path, headers, body)
}

fn attribute(key: &str, value: Value) -> Value {
    json!({"key": key, "value": value})
}

/// A span of a trace whose last digits are `n`.
fn span(n: u8, more: Value) -> Value {
    let mut span = json!({"traceId": format!("{}{n:02x}", &TRACE[..30]), "spanId": "00f067aa0ba902b7", "name": "chat m-1",
        "kind": 3, "startTimeUnixNano": "1795800000000000000", "endTimeUnixNano": "1795800001000000000",
        "attributes": [attribute("gen_ai.request.model", json!({"stringValue": "m-1"})),
            attribute("gen_ai.usage.input_tokens", json!({"intValue": "1200"}))]});
    if let Value::Object(more) = more {
        span.as_object_mut().unwrap().extend(more);
    }
    span
}

fn message(span: Value) -> Value {
    json!({"resourceSpans": [{"resource": {"attributes": [attribute("service.name", json!({"stringValue": "desk"}))]},
        "scopeSpans": [{"scope": {"name": "s"}, "spans": [span]}]}]})
}

#[test]
fn every_spelling_of_a_sender_is_taken() {
    let gate = gate();
    let served = gate.serve();
    let old = json!({"resourceSpans": [{"instrumentationLibrarySpans": [{"instrumentationLibrary": {"name": "old"},
        "spans": [span(6, Value::Null)]}]}]});
    let snake = json!({"resource_spans": [{"scope_spans": [{"spans": [{"trace_id": format!("{}05", &TRACE[..30]),
        "span_id": "00f067aa0ba902b7", "name": "chat", "kind": "SPAN_KIND_CLIENT",
        "start_time_unix_nano": "1795800000000000000", "end_time_unix_nano": "1795800001000000000"}]}]}]});
    let nameless = {
        let mut message = message(span(8, Value::Null));
        message["resourceSpans"][0]["resource"]["attributes"] = json!([]);
        message
    };
    let bodies = [
        (1, message(span(1, Value::Null))),
        // 4bf9…4703 and the span's id, in base64.
        (
            3,
            message(span(
                0,
                json!({"traceId": "S/kvNXezTaajzpKdDg5HAw==", "spanId": "APBnqgupArc="}),
            )),
        ),
        (
            4,
            message(span(
                4,
                json!({"kind": "SPAN_KIND_CLIENT", "status": {"code": "STATUS_CODE_ERROR"}}),
            )),
        ),
        (5, snake),
        (6, old),
        (
            7,
            message(span(
                7,
                json!({"attributes": [attribute("n", json!({"intValue": 1200})),
            attribute("big", json!({"intValue": "9223372036854775807"}))]}),
            )),
        ),
        (8, nameless),
        (
            9,
            message(span(
                9,
                json!({"flags": 257, "traceState": "v=1", "newMember": {"a": 1}, "droppedAttributesCount": 0,
            "events": [{"timeUnixNano": "1795800000500000000", "name": "e", "attributes": []}], "links": []}),
            )),
        ),
        (
            10,
            message(span(10, json!({"endTimeUnixNano": "1795799999000000000"}))),
        ),
    ];
    for (n, body) in bodies {
        let answer = post(&served, "/v1/traces", &[JSON], body.to_string().as_bytes());
        assert_eq!(
            (answer.status, answer.body.trim()),
            (200, "{}"),
            "{n}: {body}"
        );
    }
}

#[test]
fn what_cannot_be_used_is_named() {
    let gate = gate();
    let served = gate.serve();
    for (body, words) in [
        (message(span(20, json!({"spanId": "zz"}))), "spans/0/spanId"),
        (json!({"resourceLogs": []}), "/v1/logs"),
        (json!({"spans": []}), "resourceSpans"),
        (message(span(21, json!({"kind": "SPAN_KIND_ODD"}))), "kind"),
    ] {
        let answer = post(&served, "/v1/traces", &[JSON], body.to_string().as_bytes());
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(answer.body.contains(words), "{words}: {answer:?}");
    }
}

#[test]
fn packing_and_types_are_taken_as_they_are_named() {
    let gate = gate();
    let served = gate.serve();
    let body = message(span(1, Value::Null)).to_string();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let gzip = ("content-encoding", "gzip");
    for kind in ["application/json; charset=utf-8", "APPLICATION/JSON"] {
        assert_eq!(
            post(
                &served,
                "/v1/traces",
                &[("content-type", kind)],
                body.as_bytes()
            )
            .status,
            200,
            "{kind}"
        );
    }
    assert_eq!(
        post(&served, "/v1/traces", &[JSON, gzip], &packed).status,
        200
    );
    let protobuf = ("content-type", "application/x-protobuf");
    assert_eq!(post(&served, "/v1/traces", &[protobuf], b"").status, 200);
    for (path, headers, status) in [
        ("/v1/traces", &[][..], 415),
        ("/v1/traces", &[JSON, gzip], 400),
        ("/v1/traces", &[JSON, ("content-encoding", "zstd")], 415),
        ("/", &[JSON], 404),
    ] {
        let answer = post(&served, path, headers, body.as_bytes());
        assert_eq!(answer.status, status, "{path} {headers:?}: {answer:?}");
    }
    let slash = post(&served, "/v1/traces/", &[JSON], body.as_bytes());
    assert!(matches!(slash.status, 200 | 404 | 307 | 308), "{slash:?}");
    let mistaken = post(&served, "/v1/traces", &[protobuf], body.as_bytes());
    assert!(
        mistaken.status == 400 && mistaken.body.contains("application/json"),
        "{mistaken:?}"
    );
}

#[test]
fn metrics_and_logs_without_a_trace_are_taken() {
    let gate = gate();
    let served = gate.serve();
    let metrics = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "tokens", "sum": {"dataPoints": [{"asInt": "12"}, {"asDouble": 1.5}]}}]}]}]});
    let answer = post(
        &served,
        "/v1/metrics",
        &[JSON],
        metrics.to_string().as_bytes(),
    );
    assert!(
        answer.status == 200 && answer.body.contains("\"2\""),
        "{answer:?}"
    );

    let log = |attributes: Value| {
        json!({"resourceLogs": [{"resource": {"attributes": [
        attribute("service.name", json!({"stringValue": "claude-code"}))]}, "scopeLogs": [{"logRecords": [
        {"timeUnixNano": "1795800000000000000", "body": {"stringValue": "claude_code.api_request"}, "attributes": attributes}]}]}]})
    };
    let text = |key: &str, value: &str| attribute(key, json!({"stringValue": value}));
    let request = log(json!([
        text("session.id", "c0ffee00-0000-4000-8000-000000000002"),
        text("event.name", "api_request"),
        text("model", "m-1"),
        text("input_tokens", "30"),
        text("output_tokens", "7"),
        text("cache_read_tokens", "0"),
        text("cost_usd", "0.25")
    ]));
    let answer = post(&served, "/v1/logs", &[JSON], request.to_string().as_bytes());
    assert_eq!(
        (answer.status, answer.body.trim()),
        (200, "{}"),
        "{answer:?}"
    );
}
