//! How fast reported spans are stored, and how fast runs are shown and found, compared with the bare work
//! measured in the same run.
//!
//! Prints JSON lines `{name, value, unit, floor, ratio}`.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot be set up ends, and prints what it found"
)]

use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value as Any},
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message as _;
use reqwest::Client;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use tollgate::{
    enforce::CallRequest, gate::Gate, gate::GateOptions, identity::Caller, identity::RunKey,
};
use tollgate_ledger::{RunFilter, Sync};
use tollgate_server::{auth::Auth, http, mcp};
use tollgate_testkit::{
    measure::{configured, folder, line, median, micros, runtime},
    process::ChildProcess,
    repository,
    web::free_port,
};
use tollgate_trace::store::{Facet, Store, TraceFilter};

/// Spans of one request; the SDKs send 512.
const BATCH: u64 = 512;
/// Requests that are measured.
const BATCHES: u64 = 400;
/// Requests to Phoenix, and its time limit.
const PHOENIX_BATCHES: u64 = 20;
const PATIENCE: Duration = Duration::from_secs(300);
/// Concurrent senders.
const SENDERS: u64 = 4;
/// Spans of one trace.
const TRACE: u64 = 64;
/// Spans that are searched.
const SEARCHED: u64 = 1_000_000;
/// Spans of a run that is shown.
const SHOWN: u64 = 10_000;

fn main() {
    let runtime = runtime();
    let measured = runtime.spawn(async {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let floor = bare_rows();
        let config = configured("trace");
        let file = config.file.clone();
        let options = GateOptions {
            sync: Sync::Full,
            by: "bench".into(),
            ..GateOptions::default()
        };
        let gate = Gate::open(config, options).await.unwrap();
        let server = mcp::Server::new(gate.clone());
        let store = server.trace().unwrap();
        let url = served(&gate, &server).await;
        let speed = ingest(&url).await;
        line("trace.ingest", speed, "spans/s", Some(floor));
        if let Some(phoenix) = phoenix().await {
            line("trace.ingest.phoenix", speed, "spans/s", Some(phoenix));
        }
        fill(&url).await;
        filter(&store);
        let run = run_of(&gate, &url).await;
        server.close_trace().await;
        gate.close().await;
        drop(server);
        show(&file, &run);
    });
    runtime.block_on(measured).unwrap();
}

/// The gate on a socket of its own, for its only agent.
async fn served(gate: &Gate, server: &mcp::Server) -> String {
    let agent = Caller::Agent {
        name: "support".into(),
        on_behalf_of: None,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let auth = Auth::new(gate, address, Some(agent), Arc::default());
    let router = http::router(server, auth, address).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}/v1/traces")
}

/// Ten attributes, as on a call of a model.
fn span(trace: [u8; 16], n: u64) -> Span {
    let text = |key: &str, value: String| KeyValue {
        key: key.into(),
        value: Some(AnyValue {
            value: Some(Any::StringValue(value)),
        }),
        ..KeyValue::default()
    };
    let number = |key: &str, value: u64| KeyValue {
        key: key.into(),
        value: Some(AnyValue {
            value: Some(Any::IntValue(i64::try_from(value).unwrap())),
        }),
        ..KeyValue::default()
    };
    let start = 1_795_249_800_000_000_000 + n * 1_000_000;
    Span {
        trace_id: trace.to_vec(),
        span_id: (n + 1).to_be_bytes().to_vec(),
        parent_span_id: if n.is_multiple_of(TRACE) {
            Vec::new()
        } else {
            (n / TRACE * TRACE + 1).to_be_bytes().to_vec()
        },
        name: "chat gpt-5".into(),
        kind: 3,
        start_time_unix_nano: start,
        end_time_unix_nano: start + 800_000,
        attributes: vec![
            text("gen_ai.operation.name", "chat".into()),
            text("gen_ai.provider.name", "openai".into()),
            text("gen_ai.request.model", "gpt-5".into()),
            text("gen_ai.response.model", "gpt-5-2026-08-07".into()),
            text("gen_ai.agent.name", format!("agent-{}", n / TRACE % 50)),
            text("gen_ai.tool.name", format!("tool-{}", n / TRACE % 1_000)),
            text("gen_ai.conversation.id", format!("c-{}", n / TRACE)),
            number("gen_ai.usage.input_tokens", 1_000 + n % 100),
            number("gen_ai.usage.output_tokens", 50),
            text("server.address", "api.example.com".into()),
        ],
        ..Span::default()
    }
}

fn request(spans: Vec<Span>) -> Vec<u8> {
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    request.encode_to_vec()
}

fn batch(number: u64) -> Vec<u8> {
    let spans = (number * BATCH..(number + 1) * BATCH)
        .map(|n| span((u128::from(n / TRACE) + 1).to_be_bytes(), n))
        .collect();
    request(spans)
}

/// Sends until it is acknowledged.
async fn post(client: &Client, url: &str, body: Vec<u8>) {
    let sent = client
        .post(url)
        .header("content-type", "application/x-protobuf")
        .body(body);
    let response = sent.send().await.unwrap();
    assert_eq!(response.status(), 200);
    // Nothing was refused.
    assert_eq!(response.bytes().await.unwrap().len(), 0);
}

/// Acknowledged spans per second; the senders share the two cores.
async fn ingest(url: &str) -> f64 {
    let mut bodies: Vec<Vec<Vec<u8>>> = (0..SENDERS).map(|_| Vec::new()).collect();
    for number in 0..BATCHES {
        let sender = usize::try_from(number % SENDERS).unwrap();
        bodies.get_mut(sender).unwrap().push(batch(number));
    }
    let begun = Instant::now();
    let mut senders = JoinSet::new();
    for bodies in bodies {
        let (client, url) = (Client::new(), url.to_owned());
        senders.spawn(async move {
            for body in bodies {
                post(&client, &url, body).await;
            }
        });
    }
    senders.join_all().await;
    #[expect(clippy::cast_precision_loss, reason = "it is small")]
    let spans = (BATCHES * BATCH) as f64;
    spans / begun.elapsed().as_secs_f64()
}

/// One table, one index, the same bytes: rows per second in synced transactions of one request each.
fn bare_rows() -> f64 {
    let dir = folder("bare_rows");
    let mut database = Connection::open(dir.join("bare.db")).unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    database.pragma_update(None, "synchronous", "FULL").unwrap();
    database
        .execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, trace INTEGER, span INTEGER, body TEXT, UNIQUE (trace, span))",
        )
        .unwrap();
    let body = "x".repeat(500);
    let begun = Instant::now();
    for number in 0..BATCHES {
        let transaction = database.transaction().unwrap();
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO t (trace, span, body) VALUES (?1, ?2, ?3)")
                .unwrap();
            for n in number * BATCH..(number + 1) * BATCH {
                let (trace, span) = (i64::try_from(n / TRACE), i64::try_from(n));
                insert
                    .execute((trace.unwrap(), span.unwrap(), &body))
                    .unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "it is small")]
    let rows = (BATCHES * BATCH) as f64;
    rows / begun.elapsed().as_secs_f64()
}

/// Arize Phoenix, if `cargo xtask clients` has installed it: similar spans per second until it shows them
/// all. It acknowledges before it stores.
async fn phoenix() -> Option<f64> {
    let program = repository().join("target/clients/arize_phoenix/bin/phoenix");
    if !program.exists() {
        return None;
    }
    let (port, grpc) = (free_port(), free_port());
    let mut phoenix = Command::new(program);
    phoenix
        .arg("serve")
        .env("PHOENIX_HOST", "127.0.0.1")
        .env("PHOENIX_PORT", port.to_string())
        .env("PHOENIX_GRPC_PORT", grpc.to_string())
        .env("PHOENIX_WORKING_DIR", folder("phoenix"))
        .env("PHOENIX_TELEMETRY_ENABLED", "false")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _phoenix = ChildProcess::start(&mut phoenix);
    let url = format!("http://127.0.0.1:{port}");
    let speed = tokio::time::timeout(PATIENCE, to_phoenix(&url)).await;
    speed.ok().flatten()
}

/// `None` if it does not report a count.
async fn to_phoenix(url: &str) -> Option<f64> {
    let client = Client::new();
    let pause = || tokio::time::sleep(Duration::from_millis(100));
    while client.get(format!("{url}/healthz")).send().await.is_err() {
        pause().await;
    }
    let bodies: Vec<Vec<u8>> = (0..PHOENIX_BATCHES).map(batch).collect();
    let begun = Instant::now();
    for body in bodies {
        let sent = client
            .post(format!("{url}/v1/traces"))
            .header("content-type", "application/x-protobuf")
            .body(body);
        assert!(sent.send().await.unwrap().status().is_success());
    }
    let query = json!({"query": "{ projects { edges { node { recordCount } } } }"});
    loop {
        let asked = client.post(format!("{url}/graphql")).json(&query).send();
        let answer: Value = asked.await.unwrap().json().await.unwrap();
        let projects = answer.pointer("/data/projects/edges");
        let projects = projects.and_then(Value::as_array)?;
        let counts = projects.iter().map(|p| p.pointer("/node/recordCount"));
        let count: u64 = counts.flatten().filter_map(Value::as_u64).sum();
        if count >= PHOENIX_BATCHES * BATCH {
            #[expect(clippy::cast_precision_loss, reason = "it is small")]
            let spans = (PHOENIX_BATCHES * BATCH) as f64;
            return Some(spans / begun.elapsed().as_secs_f64());
        }
        pause().await;
    }
}

/// Sends more, until there are as many as are searched.
async fn fill(url: &str) {
    let client = Client::new();
    for number in BATCHES..SEARCHED.div_ceil(BATCH) {
        post(&client, url, batch(number)).await;
    }
}

/// By tool, by text and time, and without a filter: the slowest of the three.
fn filter(store: &Store) {
    let all = TraceFilter {
        tenant: "default".into(),
        limit: Some(50),
        ..TraceFilter::default()
    };
    let by_tool = TraceFilter {
        has: vec![
            (Facet::Tool, "tool-7".into()),
            (Facet::Agent, "agent-7".into()),
        ],
        ..all.clone()
    };
    let by_text = TraceFilter {
        text: Some("gpt-5".into()),
        since: Some(tollgate_model::time::Timestamp(1_795_249_800_000_000)),
        ..all.clone()
    };
    let slowest = [all, by_tool, by_text].into_iter().map(|filter| {
        let samples = (0..11).map(|_| {
            let begun = Instant::now();
            let found = store.reader().find(&filter).unwrap();
            assert!(!found.is_empty());
            micros(begun) / 1e3
        });
        median(samples.collect())
    });
    line("trace.filter", slowest.fold(0.0, f64::max), "ms", None);
}

/// A run with one call, and what its agent reported of it.
async fn run_of(gate: &Gate, url: &str) -> String {
    let agent = Caller::Agent {
        name: "support".into(),
        on_behalf_of: None,
    };
    let request_ = CallRequest {
        tool: "payments__quote".into(),
        arguments: r#"{"amount":4999,"currency":"EUR"}"#.into(),
    };
    gate.call(&agent, &RunKey::Named("shown".into()), request_)
        .await;
    let latest = RunFilter {
        limit: Some(1),
        ..RunFilter::default()
    };
    let runs = gate.ledger().reader().runs(&latest).unwrap();
    let run = runs.first().unwrap().id;
    let client = Client::new();
    for first in (0..SHOWN).step_by(1_000) {
        let spans = (first..first + 1_000).map(|n| span(*run.as_bytes(), n));
        post(&client, url, request(spans.collect())).await;
    }
    run.to_string()
}

/// The installed program, from its start to its end.
fn show(config: &std::path::Path, run: &str) {
    let show = |run: &str| {
        let begun = Instant::now();
        let shown = Command::new(repository().join("target/release/tollgate"))
            .args(["runs", "show", run, "--config"])
            .arg(config)
            .output()
            .unwrap();
        assert!(shown.status.success());
        let spans = shown.stdout.split(|b| *b == b'\n').count() as u64;
        assert!(spans > SHOWN);
        micros(begun) / 1e3
    };
    let took = median((0..11).map(|_| show(run)).collect());
    line("trace.show", took, "ms", None);
}
