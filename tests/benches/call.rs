//! The cost of governing a call, compared with the bare work measured in the same run.
//!
//! Prints JSON lines `{name, value, unit, floor, ratio}`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot be set up ends, and prints what it found"
)]

use std::{collections::BTreeMap, fs, time::Instant};

use tollgate::{
    enforce::CallRequest, enforce::Verdict, gate::Gate, gate::GateOptions, identity::Caller,
    identity::RunKey, ids::Clock,
};
use tollgate_ledger::Sync;
use tollgate_testkit::measure::{
    bare_call, bare_synced_commit, configured, line, median, micros, runtime,
};

const TOOL: &str = "payments__quote";
const ARGUMENTS: &str = r#"{"amount":4999,"currency":"EUR"}"#;

fn main() {
    let runtime = runtime();
    // Like a server: from a task of the runtime.
    let measured = runtime.spawn(async {
        let bare = bare_call(20_000);
        latency("call.p50", Sync::Off, bare, 20_000).await;
        let synced = bare_synced_commit();
        latency("call.durable.p50", Sync::Full, bare + 2.0 * synced, 2_000).await;
        throughput().await;
        memory().await;
    });
    runtime.block_on(measured).unwrap();
}

async fn gate(name: &str, sync: Sync) -> Gate {
    let config = configured(name);
    let options = GateOptions {
        clock: Clock::system(),
        sync,
        by: "bench".into(),
        ..GateOptions::default()
    };
    Gate::open(config, options).await.unwrap()
}

async fn one(gate: &Gate, run: &str) {
    let caller = Caller::Spoken {
        agent: "support".into(),
        by: "alice".into(),
        channel: "cli".into(),
    };
    let request = CallRequest {
        tool: TOOL.into(),
        arguments: ARGUMENTS.into(),
    };
    let answer = gate
        .call(&caller, &RunKey::Named(run.into()), request)
        .await;
    assert!(
        matches!(answer.verdict, Verdict::Released { .. }),
        "{answer:?}"
    );
}

async fn latency(name: &str, sync: Sync, floor: f64, n: usize) {
    let gate = gate(name, sync).await;
    for _ in 0..n / 10 {
        one(&gate, "warm").await;
    }
    let mut samples = Vec::with_capacity(n);
    for i in 0..n {
        let run = format!("run-{}", i / 100);
        if i % 100 == 0 {
            one(&gate, &run).await;
        }
        let begun = Instant::now();
        one(&gate, &run).await;
        samples.push(micros(begun));
    }
    line(name, median(samples), "us", Some(floor));
    gate.close().await;
}

/// 64 callers in 64 runs, every commit synced.
async fn throughput() {
    let gate = gate("call.durable.throughput", Sync::Full).await;
    let callers = 64;
    let each = 800;
    for caller in 0..callers {
        one(&gate, &format!("run-{caller}")).await;
    }
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let gate = gate.clone();
        tasks.push(tokio::spawn(async move {
            let run = format!("run-{caller}");
            for _ in 0..each {
                one(&gate, &run).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let rate = f64::from(callers * each) / begun.elapsed().as_secs_f64();
    line("call.durable.throughput", rate, "calls/s", None);
    gate.close().await;
}

/// Resident memory after 10,000 and after 100,000 calls, in percent of the former.
async fn memory() {
    let gate = gate("call.memory_growth", Sync::Off).await;
    let resident = || {
        let statm = fs::read_to_string("/proc/self/statm").unwrap();
        let pages: f64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
        pages * 4096.0
    };
    let mut at = BTreeMap::new();
    for i in 1..=100_000_u32 {
        one(&gate, &format!("run-{}", i / 100)).await;
        if i == 10_000 || i == 100_000 {
            at.insert(i, resident());
        }
    }
    let growth = (at[&100_000] / at[&10_000] - 1.0) * 100.0;
    line("call.memory_growth", growth, "%", None);
    gate.close().await;
}
