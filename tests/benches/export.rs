//! How many governed calls per second an exporter sends to a collector, over HTTP with gzip, compared with
//! sending as many plain requests of the same size to the same collector in the same run.
//!
//! Prints JSON lines `{name, value, unit, floor, ratio}`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement that cannot be set up ends, and prints what it found"
)]

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use tollgate::{
    config::Config, enforce::CallRequest, enforce::Verdict, gate::Gate, gate::GateOptions,
    identity::Caller, identity::RunKey, ids::Clock,
};
use tollgate_ledger::Sync;
use tollgate_server::export::source_of_gate;
use tollgate_testkit::{
    measure::{configured, line, runtime},
    web::serve_router,
};
use tollgate_trace::export::{Exporter, Step};

/// Calls that are exported.
const CALLS: u64 = 20_000;
/// Concurrent calls while the ledger is filled.
const CLIENTS: u64 = 64;

#[derive(Clone, Default)]
struct Collector {
    bytes: Arc<AtomicU64>,
    largest: Arc<Mutex<Bytes>>,
}

fn main() {
    let runtime = runtime();
    runtime.block_on(measured());
}

async fn measured() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let collector = Collector::default();
    let router = Router::new()
        .route("/v1/traces", post(take))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(collector.clone());
    let url = format!("http://{}", serve_router(router).await);

    let config = configured("export");
    let text = fs::read_to_string(&config.file).unwrap();
    let text = format!("{text}\n[export.up]\nurl = \"{url}\"\n");
    fs::write(&config.file, text).unwrap();
    let config = Config::read(&config.file).unwrap();
    let gate = filled(config).await;

    let source = Arc::new(source_of_gate(&gate));
    let mut exporter = Exporter::new("up", source).await.unwrap();
    let begun = Instant::now();
    let mut requests = 0_u64;
    loop {
        match exporter.step(gate.now()).await.unwrap() {
            Step::Idle => break,
            Step::Sent => requests += 1,
            Step::Failed | Step::Later => panic!("{:?}", exporter.failing()),
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (spans, rejected) = exporter.counts();
    assert_eq!(rejected, 0);

    let body = collector.largest.lock().unwrap().clone();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let begun = Instant::now();
    for _ in 0..requests {
        let post = client.post(format!("{url}/v1/traces"));
        let post = post.header("content-type", "application/x-protobuf");
        let sent = post.body(body.clone()).send().await.unwrap();
        assert!(sent.status().is_success());
    }
    let bare = begun.elapsed().as_secs_f64();
    let per_second = |seconds: f64, n: u64| n as f64 / seconds;
    let floor = Some(per_second(bare, CALLS));
    line("trace.export", per_second(seconds, CALLS), "calls/s", floor);
    let floor = Some(per_second(bare, spans));
    line(
        "trace.export.spans",
        per_second(seconds, spans),
        "spans/s",
        floor,
    );
    let bytes = collector.bytes.load(Ordering::Relaxed) as f64;
    line("trace.export.bytes", bytes / spans as f64, "B/span", None);
    gate.close().await;
}

async fn take(
    State(collector): State<Collector>,
    body: Bytes,
) -> impl axum::response::IntoResponse {
    let bytes = body.len() as u64;
    collector.bytes.fetch_add(bytes, Ordering::Relaxed);
    let mut largest = collector.largest.lock().unwrap();
    if body.len() > largest.len() {
        *largest = body;
    }
    drop(largest);
    [("content-type", "application/x-protobuf")]
}

/// A gate with the calls in its ledger.
async fn filled(config: Config) -> Gate {
    let options = GateOptions {
        clock: Clock::system(),
        sync: Sync::Off,
        ..GateOptions::default()
    };
    let gate = Gate::open(config, options).await.unwrap();
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let gate = gate.clone();
        clients.push(tokio::spawn(async move {
            let caller = Caller::Spoken {
                agent: "support".into(),
                by: "alice".into(),
                channel: "cli".into(),
            };
            for n in 0..CALLS / CLIENTS {
                // A hundred calls a run.
                let run = RunKey::Named(format!("run-{client}-{}", n / 100));
                let request = CallRequest {
                    tool: "payments__quote".into(),
                    arguments: format!("{{\"amount\":{},\"currency\":\"EUR\"}}", 100 + n),
                };
                let answer = gate.call(&caller, &run, request).await;
                assert!(
                    matches!(answer.verdict, Verdict::Released { .. }),
                    "{answer:?}"
                );
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    gate
}
