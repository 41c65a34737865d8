//! What comes in by OTLP and should not, or should and is odd: bounded, answered, and nothing that was
//! acknowledged is lost.

use std::{io::Write as _, sync::Arc, time::Duration};

use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
        trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    },
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value as Any},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span,
        span::{Event, Link},
    },
};
use prost::Message as _;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tollgate::gate::Gate;
use tollgate_ledger::Batch;
use tollgate_model::{
    entity::{Kind, Uid},
    ids::{RunId, SpanId},
    record::{self, Origin, Record, RunStarted},
    time::Timestamp,
};
use tollgate_server::{
    auth::{
        Auth,
        token::{self, Purpose},
    },
    http, mcp,
};
use tollgate_trace::{
    projector,
    search::{self, RunSearch},
    store::{Facet, SpanOrigin, Store, StoredSpan, TraceFilter},
};

use crate::world::{World, call, denied_by, is_released};

const PROTOBUF: &str = "application/x-protobuf";
const TRACES: &str = "/v1/traces";

struct Intake {
    _world: World,
    gate: Gate,
    store: Store,
    url: String,
    token: String,
    client: Client,
}

impl Intake {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With more in the configuration.
    async fn with(more: &str) -> Self {
        // Another test of this process may have done so before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let world = World::new("");
        let more = format!("[trace]\nspans = 50\n{more}\n[policies]");
        world.configure("[policies]", &more);
        let gate = world.open().await;
        let token = token_of(&gate, Uid::new(Kind::Agent, "support")).await;
        let address = "192.0.2.1:443".parse().unwrap();
        let auth = Auth::new(&gate, address, None, Arc::default());
        let server = mcp::Server::new(gate.clone());
        let store = server.trace().unwrap();
        let app = http::router(&server, auth, address).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            _world: world,
            gate,
            store,
            url,
            token,
            client: Client::builder()
                .timeout(Duration::from_secs(60))
                .build()
                .unwrap(),
        }
    }

    /// Status and body of the answer; nothing if the connection ended before there was one.
    async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Option<(u16, Vec<u8>)> {
        let mut request = self.client.post(format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.bearer_auth(&self.token).send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.bytes().await.ok()?.to_vec()))
    }

    async fn status(&self, headers: &[(&str, &str)], body: Vec<u8>) -> u16 {
        self.post(TRACES, headers, body)
            .await
            .map_or(0, |got| got.0)
    }

    /// Send spans; how many were refused, and what was said about it.
    async fn send(&self, spans: Vec<Span>) -> (i64, String) {
        self.send_all(request(spans)).await
    }

    async fn send_all(&self, request: ExportTraceServiceRequest) -> (i64, String) {
        let body = request.encode_to_vec();
        let (status, body) = self
            .post(TRACES, &[("content-type", PROTOBUF)], body)
            .await
            .unwrap();
        assert_eq!(status, 200);
        let answer = ExportTraceServiceResponse::decode(body.as_slice()).unwrap();
        answer
            .partial_success
            .map_or_else(Default::default, |partial| {
                (partial.rejected_spans, partial.error_message)
            })
    }

    fn kept(&self, trace: u8) -> Vec<StoredSpan> {
        let trace = RunId::from_bytes([trace; 16]);
        self.store.reader().spans("default", trace, None).unwrap()
    }
}

async fn token_of(gate: &Gate, principal: Uid) -> String {
    let purpose = Purpose {
        principal,
        on_behalf_of: None,
        name: "test".into(),
        expires: None,
    };
    token::create(gate, purpose, false).await.unwrap().1
}

fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

fn span(trace: u8, id: u8) -> Span {
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        name: format!("span {id}"),
        start_time_unix_nano: 1_795_428_000_000_000_000,
        end_time_unix_nano: 1_795_428_000_500_000_000,
        ..Span::default()
    }
}

fn attribute(name: &str, value: Any) -> KeyValue {
    KeyValue {
        key: name.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_the_next_one_is_taken() {
    let intake = Intake::new().await;
    let whole = request(vec![span(1, 1)]).encode_to_vec();
    let protobuf = ("content-type", PROTOBUF);
    let gzip = ("content-encoding", "gzip");
    let mut broken = whole.clone();
    broken.pop();
    let mut not_utf8 = whole.clone();
    let name = not_utf8.windows(6).position(|w| w == b"span 1").unwrap();
    not_utf8[name] = 0xff;
    // A million spans of two bytes each.
    let many = {
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
    };
    // Values within values, without end.
    let mut deep = Any::IntValue(1);
    for _ in 0..40 {
        let values = vec![AnyValue { value: Some(deep) }];
        deep = Any::ArrayValue(ArrayValue { values });
    }
    let mut nested = span(1, 9);
    nested.attributes.push(attribute("deep", deep));

    for (what, headers, body, status) in [
        ("truncated", vec![protobuf], broken, 400),
        ("no protobuf", vec![protobuf], b"{}".to_vec(), 400),
        ("not UTF-8", vec![protobuf], not_utf8, 400),
        (
            "no JSON",
            vec![("content-type", "application/json")],
            b"{\"resourceSpans\": [".to_vec(),
            400,
        ),
        (
            "ids of no length",
            vec![("content-type", "application/json")],
            b"{\"resourceSpans\": 7}".to_vec(),
            400,
        ),
        (
            "wrong content type",
            vec![("content-type", "text/plain")],
            whole.clone(),
            415,
        ),
        ("no content type", vec![], whole.clone(), 415),
        (
            "unknown encoding",
            vec![protobuf, ("content-encoding", "br")],
            whole.clone(),
            415,
        ),
        ("no gzip", vec![protobuf, gzip], whole.clone(), 400),
        (
            "a bomb",
            vec![protobuf, gzip],
            packed(&vec![0; 65 << 20]),
            413,
        ),
        ("too many parts", vec![protobuf], many, 413),
        (
            "values without end",
            vec![protobuf],
            request(vec![nested]).encode_to_vec(),
            413,
        ),
    ] {
        let got = intake.status(&headers, body).await;
        // Values as deep as that are more than some readers take.
        assert!(
            got == status || (what == "values without end" && got == 400),
            "{what}: {got}"
        );
    }
    // The server need not hear all of it before it says no.
    let large = intake.status(&[protobuf], vec![0; 100 << 20]).await;
    assert!(matches!(large, 413 | 0), "100 MB: {large}");
    let stranger = Intake {
        token: "tollgate_0_0".into(),
        client: intake.client.clone(),
        url: intake.url.clone(),
        store: intake.store.clone(),
        gate: intake.gate.clone(),
        _world: World::new(""),
    };
    assert_eq!(stranger.status(&[protobuf], whole.clone()).await, 401);
    assert_eq!(intake.kept(1), []);
    assert_eq!(intake.status(&[protobuf, gzip], packed(&whole)).await, 200);
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

    // Parents in a circle, a parent that nobody knows, and times of other centuries.
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

    // Attributes without end are cut, and that is said.
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
async fn logs_belong_to_spans() {
    let intake = Intake::new().await;
    let log = |trace: Vec<u8>| LogRecord {
        trace_id: trace,
        span_id: vec![1; 8],
        time_unix_nano: 1_795_428_000_000_000_000,
        severity_number: 13,
        event_name: "tollgate.approval.resolved".into(),
        body: Some(AnyValue {
            value: Some(Any::IntValue(7)),
        }),
        ..LogRecord::default()
    };
    let body = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: vec![log(vec![1; 16]), log(Vec::new())],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    let (status, answer) = intake
        .post(
            "/v1/logs",
            &[("content-type", PROTOBUF)],
            body.encode_to_vec(),
        )
        .await
        .unwrap();
    let answer = ExportLogsServiceResponse::decode(answer.as_slice()).unwrap();
    assert_eq!(
        (status, answer.partial_success.unwrap().rejected_log_records),
        (200, 1)
    );
    let logs = intake
        .store
        .reader()
        .logs("default", RunId::from_bytes([1; 16]));
    let logs = logs.unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].severity, "WARN");
    assert_eq!(
        logs[0].event.as_deref(),
        Some("reported.tollgate.approval.resolved")
    );
}

#[tokio::test]
async fn the_gates_own_spans_lie_beside_and_are_never_replaced() {
    let intake = Intake::new().await;
    let answer = call(
        &intake.gate,
        "monday",
        "files__read",
        r#"{"path":"none.txt"}"#,
    )
    .await;
    let ledger = intake.gate.ledger().reader();
    assert!(projector::catch_up(&intake.store, ledger).await.unwrap() > 0);
    assert_eq!(projector::catch_up(&intake.store, ledger).await.unwrap(), 0);
    let reader = intake.store.reader();
    let by_tool = TraceFilter {
        tenant: "default".into(),
        runs: true,
        has: vec![(Facet::Tool, "files__read".into())],
        ..TraceFilter::default()
    };
    let found = reader.find(&by_tool).unwrap();
    assert_eq!(found.len(), 1);
    let run = answer.run.unwrap();
    assert_eq!(found[0].trace, run);
    let own = reader
        .spans("default", run, Some(SpanOrigin::Gate))
        .unwrap();
    let root = own.iter().find(|s| s.parent.is_none()).unwrap();
    let tool = own.iter().find(|s| s.kind == "execute_tool").unwrap();
    assert_eq!(tool.parent, Some(root.span));
    let version = tool.body.attributes["tollgate.tool.version"].as_str();
    let by_version = TraceFilter {
        tenant: "default".into(),
        has: vec![(Facet::Version, format!("tool:{}", version.unwrap()))],
        ..TraceFilter::default()
    };
    assert_eq!(reader.find(&by_version).unwrap().len(), 1);

    // Its id, and one that is new, under the run's trace.
    let mut forged = span(1, 1);
    forged.trace_id = run.as_bytes().to_vec();
    forged.span_id = tool.span.as_bytes().to_vec();
    let mut new = span(1, 2);
    new.trace_id = run.as_bytes().to_vec();
    let (refused, why) = intake.send(vec![forged, new]).await;
    assert_eq!(refused, 1);
    assert!(why.contains("the gate's own span"), "{why}");
    assert_eq!(
        reader
            .spans("default", run, Some(SpanOrigin::Gate))
            .unwrap(),
        own
    );
    let reported = reader.spans("default", run, Some(SpanOrigin::Reported));
    assert_eq!(reported.unwrap().len(), 1);
}

fn text(name: &str, text: String) -> KeyValue {
    attribute(name, Any::StringValue(text))
}

#[tokio::test]
async fn no_secret_is_left_of_where_a_text_is_cut() {
    let intake = Intake::new().await;
    let secret = format!("ghp_{}", "A1b2C3d4".repeat(5));
    let mut long = span(1, 1);
    let cut =
        |most: usize, kept: usize| format!("{} {secret} and more", "x".repeat(most - 1 - kept));
    long.attributes = (1..40)
        .map(|kept| text(&format!("a{kept}"), cut(32 << 10, kept)))
        .take(7)
        .collect();
    long.attributes.push(text("last", cut(32 << 10, 20)));
    long.name = cut(1 << 10, 20);
    long.trace_state = cut(512, 20);
    intake.send(vec![long]).await;
    let kept = &intake.kept(1)[0];
    assert!(kept.body.attributes["last"].as_str().unwrap().len() > 30_000);
    let whole = serde_json::to_string(kept).unwrap();
    assert!(!whole.contains("ghp_"), "a part of a secret is kept");
}

#[tokio::test]
async fn whatever_is_left_out_is_said() {
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
async fn a_log_without_times_that_is_sent_again_is_the_same_log() {
    let intake = Intake::new().await;
    let log = LogRecord {
        trace_id: vec![1; 16],
        severity_text: "INFO".into(),
        ..LogRecord::default()
    };
    let body = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: vec![log],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    for _ in 0..2 {
        let sent = intake.post(
            "/v1/logs",
            &[("content-type", PROTOBUF)],
            body.encode_to_vec(),
        );
        assert_eq!(sent.await.unwrap().0, 200);
        intake._world.pass(1);
    }
    let run = RunId::from_bytes([1; 16]);
    assert_eq!(intake.store.reader().logs("default", run).unwrap().len(), 1);
}

#[tokio::test]
async fn who_is_not_known_keeps_nobody_from_reporting() {
    let intake = Intake::new().await;
    let address = intake.url.trim_start_matches("http://");
    let mut strangers = Vec::new();
    for _ in 0..20 {
        // A body that never comes.
        let mut stranger = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {TRACES} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 99\r\n\r\n"
        );
        stranger.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stranger.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 401");
        strangers.push(stranger);
    }
    assert_eq!(intake.send(vec![span(1, 1)]).await, (0, String::new()));
}

#[tokio::test]
async fn what_is_reported_of_a_run_changes_neither_its_time_nor_what_it_is_found_by() {
    let intake = Intake::new().await;
    let answer = call(
        &intake.gate,
        "monday",
        "files__read",
        r#"{"path":"none.txt"}"#,
    )
    .await;
    let run = answer.run.unwrap();
    let ledger = intake.gate.ledger().reader();
    projector::catch_up(&intake.store, ledger).await.unwrap();
    let reader = intake.store.reader();
    let before = reader.trace("default", run).unwrap().unwrap();
    let mut early = span(1, 1);
    early.trace_id = run.as_bytes().to_vec();
    early.start_time_unix_nano = 0;
    early.end_time_unix_nano = u64::MAX;
    intake.send(vec![early]).await;
    let after = reader.trace("default", run).unwrap().unwrap();
    assert_eq!((before.started, before.last), (after.started, after.last));
    assert_eq!(after.reported, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_are_spent_by_what_was_reported_soon_after_it_was() {
    let intake = Intake::with("[budgets.run]\ntokens = 1000").await;
    let quote = || {
        call(
            &intake.gate,
            "monday",
            "payments__quote",
            r#"{"amount":1,"currency":"EUR"}"#,
        )
    };
    let first = quote().await;
    assert!(is_released(&first));
    let mut used = span(1, 1);
    used.trace_id = first.run.unwrap().as_bytes().to_vec();
    used.attributes = vec![attribute("gen_ai.usage.input_tokens", Any::IntValue(1_000))];
    assert_eq!(intake.send(vec![used]).await, (0, String::new()));
    let denied = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let answer = quote().await;
            if !is_released(&answer) {
                return answer;
            }
        }
    });
    assert_eq!(denied_by(&denied.await.unwrap()), ["budget/run/tokens"]);
}

/// A call of a model in a run's trace, with this many tokens.
fn chat(run: RunId, id: u8, tokens: i64) -> Span {
    let mut chat = span(1, id);
    chat.trace_id = run.as_bytes().to_vec();
    chat.name = "chat gpt".into();
    chat.attributes = vec![
        attribute("gen_ai.request.model", Any::StringValue("gpt".into())),
        attribute("gen_ai.usage.input_tokens", Any::IntValue(tokens)),
    ];
    chat
}

#[tokio::test]
async fn a_run_is_shown_with_what_its_own_agent_reported() {
    let mut intake = Intake::new().await;
    let answer = call(&intake.gate, "monday", "files__read", r#"{"path":"x"}"#).await;
    let run = answer.run.unwrap();
    assert_eq!(intake.send(vec![chat(run, 2, 70)]).await.0, 0);
    let log = LogRecord {
        trace_id: run.as_bytes().to_vec(),
        span_id: vec![2; 8],
        severity_text: "INFO".into(),
        ..LogRecord::default()
    };
    let logs = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: vec![log],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    let protobuf = [("content-type", PROTOBUF)];
    let posted = intake.post("/v1/logs", &protobuf, logs.encode_to_vec());
    assert_eq!(posted.await.unwrap().0, 200);

    // Somebody else reports something of the same trace.
    let support = intake.token.clone();
    let other = Uid::new(Kind::Agent, "other");
    intake.token = token_of(&intake.gate, other.clone()).await;
    assert_eq!(intake.send(vec![chat(run, 3, 1_000)]).await.0, 0);

    let shown = async |token: &str| -> (u16, Value) {
        let request = intake.client.get(format!("{}/v1/runs/{run}", intake.url));
        let response = request.bearer_auth(token).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    };
    assert_eq!(shown(&intake.token).await.0, 404, "it is not the other's");
    let (_, own) = shown(&support).await;
    let reported = own["reported"].as_array().unwrap();
    assert_eq!(reported.len(), 1, "{own}");
    assert_eq!(reported[0]["origin"], "reported");
    assert_eq!(reported[0]["name"], "chat gpt");
    assert_eq!(own["logs"][0]["severity"], "INFO");
    assert_eq!(own["usage"]["input_tokens"], 70);
    assert_eq!(own["more_reported"], false);
    let alice = token_of(&intake.gate, Uid::new(Kind::User, "alice")).await;
    let (_, seen) = shown(&alice).await;
    assert_eq!(seen["reported"].as_array().unwrap().len(), 2, "{seen}");
    assert_eq!(seen["usage"]["input_tokens"], 70, "{seen}");

    // What is recalled after a restart, and what statistics sum up.
    let reader = intake.store.reader();
    let support = Uid::new(Kind::Agent, "support").to_string();
    let hours = reader.usage_by_hour("default", &support, Timestamp(0));
    let hours = hours.unwrap();
    assert_eq!(hours.len(), 1);
    assert_eq!(hours[0].1.usage.input_tokens, 70);
    let hour = 3_600_000_000;
    let now = intake.gate.now();
    assert_eq!(hours[0].0.0 / hour, now.0 / hour, "by the gate's clock");
    let later = reader.usage_by_hour("default", &support, now.plus(2 * 3_600_000_000));
    assert_eq!(later.unwrap(), []);
    let other = reader.usage_by_hour("default", &other.to_string(), Timestamp(0));
    assert_eq!(other.unwrap(), [], "it was not the other's run");
    let sums = reader.usage_of_runs("default", [run, RunId::from_bytes([9; 16])]);
    let sums = sums.unwrap();
    assert_eq!((sums.len(), sums[0].0), (1, run));
    assert_eq!(sums[0].2.usage.input_tokens, 70);
}

#[tokio::test]
async fn a_search_finds_the_oldest_of_many_runs_that_began_at_once() {
    const RUNS: usize = 2_500;
    let intake = Intake::new().await;
    let now = intake.gate.now();
    let id = |n: usize| {
        let mut bytes = [7; 16];
        bytes[8..].copy_from_slice(&(n as u64).to_be_bytes());
        RunId::from_bytes(bytes)
    };
    let begun = |n: usize| {
        let started = RunStarted {
            inherited: Default::default(),
            key: None,
            on_behalf_of: Uid::new(Kind::User, "alice"),
            origin: Origin::default(),
            principal: Uid::new(Kind::Agent, "support"),
            span: SpanId::from_bytes((n as u64 + 1).to_be_bytes()),
        };
        Record::new(
            "default",
            Some(id(n)),
            now,
            record::Event::RunStarted(started),
        )
    };
    for from in (0..RUNS).step_by(500) {
        let batch = Batch {
            records: (from..from + 500).map(begun).collect(),
            ..Batch::default()
        };
        intake.gate.ledger().commit(batch).await.unwrap();
    }
    let ledger = intake.gate.ledger().reader();
    projector::catch_up(&intake.store, ledger).await.unwrap();
    let reader = intake.store.reader();
    let all = RunSearch {
        tenant: "default".into(),
        principal: Some("support".into()),
        limit: 900,
        ..RunSearch::default()
    };
    let (found, _) = search::runs(reader, ledger, &all, |run| run.id == id(0)).unwrap();
    assert_eq!(found.len(), 1, "what others may not see is passed over");
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let page = RunSearch {
            before,
            ..all.clone()
        };
        let (found, next) = search::runs(reader, ledger, &page, |_| true).unwrap();
        pages.extend(found.into_iter().map(|run| run.id));
        match next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    let newest_first: Vec<RunId> = (0..RUNS).rev().map(id).collect();
    assert_eq!(pages, newest_first);
}

/// Logs as Claude Code writes them: no trace id, numbers as text.
fn claude_code_logs(session: &str) -> Value {
    let attribute = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
    json!({"resourceLogs": [{
        "resource": {"attributes": [attribute("service.name", "claude-code")]},
        "scopeLogs": [{"logRecords": [{
            "timeUnixNano": "1795800000000000000",
            "severityNumber": "SEVERITY_NUMBER_INFO",
            "body": {"stringValue": "claude_code.api_request"},
            "attributes": [
                attribute("session.id", session),
                attribute("event.name", "api_request"),
                attribute("model", "claude-x"),
                attribute("input_tokens", "12"),
                attribute("output_tokens", "300"),
                attribute("cache_read_tokens", "48000"),
                attribute("cache_creation_tokens", "1500"),
                attribute("cost_usd", "0.0231"),
                attribute("duration_ms", "2100"),
            ],
        }]}],
    }]})
}

#[tokio::test]
async fn logs_of_a_session_count_for_the_run_of_its_hook() {
    let intake = Intake::new().await;
    let json = [("content-type", "application/json")];
    let logs = claude_code_logs("s1").to_string().into_bytes();
    // Sent twice, as a sender does that has not heard the answer.
    for _ in 0..2 {
        let answer = intake.post("/v1/logs", &json, logs.clone()).await.unwrap();
        assert_eq!(answer, (200, b"{}".to_vec()));
    }
    let trace = tollgate_trace::session::session_trace("default", "s1");
    let reader = intake.store.reader();
    assert_eq!(reader.logs("default", trace).unwrap().len(), 1);
    let spans = reader.spans("default", trace, None).unwrap();
    let [span] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    let usage = span.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (49_512, 300));
    assert_eq!(usage.cost_nano, Some(23_100_000));
    let row = reader.trace("default", trace).unwrap().unwrap();
    assert_eq!(row.conversation.as_deref(), Some("s1"));
    // Without a session nothing says where it belongs.
    let lost = claude_code_logs("").to_string().into_bytes();
    let (status, body) = intake.post("/v1/logs", &json, lost).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(body["partialSuccess"]["rejectedLogRecords"], "1");
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
