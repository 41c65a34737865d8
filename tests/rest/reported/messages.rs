//! Messages that are refused, or taken in part.

use super::*;

type Headers = &'static [(&'static str, &'static str)];

const BINARY: (&str, &str) = ("content-type", PROTOBUF);
const JSON: (&str, &str) = ("content-type", "application/json");
const PLAIN: (&str, &str) = ("content-type", "text/plain");
const GZIP: (&str, &str) = ("content-encoding", "gzip");
const BROTLI: (&str, &str) = ("content-encoding", "br");

/// A million spans of two bytes each.
fn too_many_spans() -> Vec<u8> {
    let spans: Vec<u8> = [0x12, 0x00].repeat(1_000_000);
    let scope = ScopeSpans::default().encode_to_vec();
    assert!(scope.is_empty());
    let wrap = |inner: &[u8], tag: u8| {
        let mut outer = vec![tag];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend_from_slice(inner);
        outer
    };
    wrap(&wrap(&spans, 0x12), 0x0a)
}

/// Values within values, without end.
fn nested_values() -> Vec<u8> {
    let mut deep = Any::IntValue(1);
    for _ in 0..40 {
        let values = vec![AnyValue { value: Some(deep) }];
        deep = Any::ArrayValue(ArrayValue { values });
    }
    let mut nested = span(1, 9);
    nested.attributes.push(attribute("deep", deep));
    request(vec![nested]).encode_to_vec()
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_the_next_one_is_taken() {
    let intake = Intake::new().await;
    let whole = request(vec![span(1, 1)]).encode_to_vec();
    let mut broken = whole.clone();
    broken.pop();
    let mut not_utf8 = whole.clone();
    let name = not_utf8.windows(6).position(|w| w == b"span 1").unwrap();
    not_utf8[name] = 0xff;
    let part = b"{\"resourceSpans\": [".to_vec();
    let no_list = b"{\"resourceSpans\": 7}".to_vec();
    let bomb = packed(&vec![0; 65 << 20]);
    let deep = nested_values();
    let cases: Vec<(&str, Headers, Vec<u8>, u16)> = vec![
        ("truncated", &[BINARY], broken, 400),
        ("no protobuf", &[BINARY], b"{}".to_vec(), 400),
        ("not UTF-8", &[BINARY], not_utf8, 400),
        ("no JSON", &[JSON], part, 400),
        ("ids of no length", &[JSON], no_list, 400),
        ("wrong content type", &[PLAIN], whole.clone(), 415),
        ("no content type", &[], whole.clone(), 415),
        ("unknown encoding", &[BINARY, BROTLI], whole.clone(), 415),
        ("no gzip", &[BINARY, GZIP], whole.clone(), 400),
        ("a bomb", &[BINARY, GZIP], bomb, 413),
        ("too many parts", &[BINARY], too_many_spans(), 413),
        ("values without end", &[BINARY], deep, 413),
    ];
    for (what, headers, body, status) in cases {
        let got = intake.status(headers, body).await;
        // Values as deep as that are more than some readers take.
        assert!(
            got == status || (what == "values without end" && got == 400),
            "{what}: {got}"
        );
    }
    // The server need not hear all of it before it says no.
    let large = intake.status(&[BINARY], vec![0; 100 << 20]).await;
    assert!(matches!(large, 413 | 0), "100 MB: {large}");
    let stranger = Intake {
        token: "tollgate_0_0".into(),
        client: intake.client.clone(),
        url: intake.url.clone(),
        store: intake.store.clone(),
        gate: intake.gate.clone(),
        _world: World::new(""),
    };
    assert_eq!(stranger.status(&[BINARY], whole.clone()).await, 401);
    assert_eq!(intake.kept(1), []);
    assert_eq!(intake.status(&[BINARY, GZIP], packed(&whole)).await, 200);
    assert_eq!(intake.kept(1).len(), 1);
}

#[tokio::test]
async fn what_is_odd_is_kept_or_refused_by_name() {
    let intake = Intake::new().await;
    let none = Span {
        trace_id: Vec::new(),
        ..span(1, 1)
    };
    let zero = Span {
        span_id: vec![0; 8],
        ..span(1, 1)
    };
    let short = Span {
        trace_id: vec![1; 8],
        ..span(1, 1)
    };
    let (refused, why) = intake.send(vec![none, zero, short, span(1, 2)]).await;
    assert_eq!(refused, 3);
    assert!(why.contains("2: no trace id of 16 bytes"), "{why}");
    assert!(why.contains("1: no span id of 8 bytes"), "{why}");
    assert_eq!(intake.kept(1).len(), 1);

    // Parents in a circle, an unknown parent, and times of other centuries.
    let mut circle = [span(2, 1), span(2, 2), span(2, 3)];
    circle[0].parent_span_id = vec![2; 8];
    circle[1].parent_span_id = vec![1; 8];
    circle[2].parent_span_id = vec![99; 8];
    circle[0].start_time_unix_nano = 0;
    circle[1].start_time_unix_nano = 4_102_444_800_000_000_000;
    circle[2].start_time_unix_nano = u64::MAX;
    assert_eq!(intake.send(circle.to_vec()).await, (0, String::new()));
    let kept = intake.kept(2);
    assert_eq!(kept.len(), 3);
    assert_eq!(kept[0].start.0, 0);
    assert_eq!(kept[1].start.0, 4_102_444_800_000_000);

    // More spans than a trace may have.
    let many = (0..=200).map(|n| span(4, n)).collect();
    let (refused, why) = intake.send(many).await;
    assert_eq!(refused, 151, "{why}");
    assert_eq!(intake.kept(4).len(), 50);

    // A later version takes the place of the earlier one.
    let mut late = span(1, 2);
    late.name = "late".into();
    intake.send(vec![late]).await;
    assert_eq!(intake.kept(1)[0].name, "late");

    // The gate's own export comes back.
    let mut own = request(vec![span(5, 1)]);
    own.resource_spans[0].scope_spans[0].scope = Some(InstrumentationScope {
        name: tollgate_trace::SCOPE.into(),
        ..InstrumentationScope::default()
    });
    let body = own.encode_to_vec();
    let (_, body) = intake
        .post(TRACES, &[("content-type", PROTOBUF)], body)
        .await
        .unwrap();
    let answer = ExportTraceServiceResponse::decode(body.as_slice()).unwrap();
    assert_eq!(answer.partial_success.unwrap().rejected_spans, 1);
    assert_eq!(intake.kept(5), []);
}

#[tokio::test]
async fn attributes_without_end_are_cut_and_that_is_said() {
    let intake = Intake::new().await;
    let mut bomb = span(3, 1);
    let text = "x".repeat(1 << 20);
    bomb.attributes = (0..2_000)
        .map(|n| attribute(&format!("a{n}"), Any::StringValue("y".into())))
        .collect();
    bomb.attributes
        .insert(0, attribute("long", Any::StringValue(text)));
    bomb.attributes.insert(
        1,
        attribute("tollgate.run.id", Any::StringValue("mine".into())),
    );
    let (refused, why) = intake.send(vec![bomb]).await;
    assert_eq!((refused, why.is_empty()), (0, false));
    let kept = &intake.kept(3)[0].body;
    assert!(kept.attributes.len() <= 128 && kept.dropped > 1_800);
    assert!(kept.attributes["long"].as_str().unwrap().len() < 40_000);
    assert_eq!(kept.attributes["reported.tollgate.run.id"], "mine");
    assert!(!kept.attributes.contains_key("tollgate.run.id"));
}

#[tokio::test]
async fn json_says_what_protobuf_does() {
    let intake = Intake::new().await;
    let id = "01".repeat(16);
    let body = |span: Value| {
        json!({"resourceSpans": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "bot"}}]},
            "scopeSpans": [{"scope": {"name": "s"}, "spans": [span]}],
            "aFieldOfTheFuture": 1,
        }]})
    };
    let span = json!({
        "traceId": id, "spanId": "0202020202020202", "name": "chat", "kind": 3,
        "startTimeUnixNano": "1795428000000000000", "endTimeUnixNano": 1_795_428_000_500_000_000_u64,
        "attributes": [
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}},
            {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
        ],
        "status": {"code": 2, "message": "no"},
    });
    let headers = [("content-type", "application/json; charset=utf-8")];
    let send = |value: Value| intake.post(TRACES, &headers, value.to_string().into_bytes());
    let (status, answer) = send(body(span)).await.unwrap();
    assert_eq!(
        (status, String::from_utf8(answer).unwrap().as_str()),
        (200, "{}")
    );
    let kept = &intake.kept(1)[0];
    assert_eq!(
        (kept.kind.as_str(), kept.error.as_deref()),
        ("client", Some("_OTHER"))
    );
    assert_eq!(kept.usage.unwrap().input_tokens, 12);
    assert_eq!(kept.reporter, Uid::new(Kind::Agent, "support").to_string());
    let (status, answer) = send(body(json!({"traceId": "", "spanId": ""})))
        .await
        .unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(
        (status, &answer["partialSuccess"]["rejectedSpans"]),
        (200, &json!("1"))
    );
}

#[tokio::test]
async fn everything_left_out_is_named() {
    let intake = Intake::new().await;
    let mut odd = span(1, 1);
    odd.links = vec![Link::default()];
    odd.events = vec![Event {
        name: "tollgate.approval.resolved".into(),
        ..Event::default()
    }];
    let mut all = request(vec![odd]);
    let many = |n: usize| (0..n).map(|n| text(&format!("a{n}"), "y".into())).collect();
    all.resource_spans[0].resource = Some(Resource {
        attributes: many(200),
        ..Resource::default()
    });
    all.resource_spans[0].scope_spans[0].scope = Some(InstrumentationScope {
        name: "s".repeat(20_000),
        ..InstrumentationScope::default()
    });
    // The span, the resource and the scope.
    let (refused, why) = intake.send_all(all).await;
    assert_eq!(
        (refused, why.as_str()),
        (0, "3: kept without what is too long or too much")
    );
    let kept = &intake.kept(1)[0];
    assert_eq!(kept.resource.len(), 128);
    assert!(kept.scope["name"].as_str().unwrap().len() < 17_000);
    assert_eq!(kept.body.dropped, 1);
    assert_eq!(
        kept.body.events[0]["name"],
        "reported.tollgate.approval.resolved"
    );
}

#[tokio::test]
async fn metrics_are_taken_and_said_to_be_dropped() {
    let intake = Intake::new().await;
    let metrics = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "claude_code.token.usage", "sum": {"dataPoints": [{"asDouble": 1200}]}}
    ]}]}]});
    let json = [("content-type", "application/json")];
    let sent = metrics.to_string().into_bytes();
    let (status, body) = intake.post("/v1/metrics", &json, sent).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(body["partialSuccess"]["rejectedDataPoints"], "1");
}

#[tokio::test]
async fn nothing_is_answered_as_stored_that_is_not() {
    let intake = Intake::new().await;
    let json = [("content-type", "application/json")];
    let snake = r#"{"resource_spans":[{"scope_spans":[{"spans":[{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"APBnqgupArc=","name":"chat","kind":"SPAN_KIND_CLIENT"}]}]}]}"#;
    let answer = intake.post(TRACES, &json, snake.into()).await.unwrap();
    assert_eq!(answer, (200, b"{}".to_vec()));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap();
    let spans = intake.store.reader().spans("default", trace, None);
    assert_eq!(spans.unwrap().len(), 1);
    for (body, named) in [
        (r#"{"resourceLogs":[]}"#, "/v1/logs"),
        (r#"{"spans":[]}"#, "resourceSpans"),
        (
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":"zz"}]}]}]}"#,
            "/resourceSpans/0/scopeSpans/0/spans/0/spanId",
        ),
    ] {
        let (status, answer) = intake.post(TRACES, &json, body.into()).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(status, 400, "{body}");
        assert!(answer.contains(named), "{answer}");
    }
}
