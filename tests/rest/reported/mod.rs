//! What comes in by OTLP and should not, or should and is odd: bounded, answered, and nothing that was
//! acknowledged is lost.

mod messages;
mod runs;

use std::{io::Write as _, time::Duration};

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
    net::TcpStream,
};
use tollgate::gate::Gate;
use tollgate_ledger::Batch;
use tollgate_model::{
    entity::{Kind, Uid},
    ids::{RunId, SpanId},
    record::{self, Origin, Record, RunStarted},
    time::Timestamp,
};
use tollgate_server::auth::token::{self, Purpose};
use tollgate_testkit::{
    rest::HttpGate,
    world::{World, call, denied_by, is_released},
};
use tollgate_trace::{
    projector,
    search::{self, RunSearch},
    store::{Facet, SpanOrigin, Store, StoredSpan, TraceFilter},
};

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
        let world = World::new("");
        let more = format!("[trace]\nspans = 50\n{more}\n[policies]");
        world.configure("[policies]", &more);
        let http = HttpGate::at(world, "192.0.2.1:443").await;
        let token = http.agent("support").await;
        let store = http.server.trace().unwrap();
        let url = format!("http://{}", http.address);
        let HttpGate { world, gate, .. } = http;
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
        makers: Default::default(),
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
async fn requests_without_credentials_do_not_block_reporters() {
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

/// Senders that are slow with their bodies take no place of others.
#[tokio::test(flavor = "multi_thread")]
async fn half_sent_reports_of_one_sender_hold_up_no_other() {
    let intake = Intake::new().await;
    let other = token_of(&intake.gate, Uid::new(Kind::Agent, "other")).await;
    let address = intake.url.strip_prefix("http://").unwrap();
    let mut half_sent = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {TRACES} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
             content-type: {PROTOBUF}\r\ncontent-length: 100\r\n\r\nhalf",
            intake.token
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        half_sent.push(stream);
    }
    let empty = async |token: &str| {
        let request = intake.client.post(format!("{}{TRACES}", intake.url));
        let request = request.bearer_auth(token).header("content-type", PROTOBUF);
        request.send().await.unwrap().status().as_u16()
    };
    // Until the server has read the heads.
    let mut own = 200;
    for _ in 0..1_000 {
        own = empty(&intake.token).await;
        if own != 200 {
            break;
        }
    }
    assert_eq!(own, 503, "a sender has four requests at once");
    assert_eq!(empty(&other).await, 200);
}
