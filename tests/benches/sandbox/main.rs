//! The cost of the sandbox: a call without a gate, a decided read inside a call, and the effect of hostile guests on
//! other calls.
//!
//! Prints JSON lines `{name, value, unit, floor, ratio}`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot be set up ends, and prints what it found"
)]

mod overhead;
mod port;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tollgate::{
    config::Config, enforce::CallRequest, enforce::Verdict, gate::Gate, gate::GateOptions,
    identity::Caller, identity::RunKey, load,
};
use tollgate_ledger::Sync;
use tollgate_testkit::{
    component,
    measure::{folder, line, median, micros, runtime},
    repository,
};

const CONFIG: &str = r#"
[policies]
dir = "policies"
[components.hostile]
path = "hostile.wasm"
limits = { cpu = "500ms", time = "5s" }
grants.data = { path = "data", mode = "rw" }
[components.payments]
path = "payments.wasm"
grants.book = { path = "book", mode = "rw" }
[users.alice]
roles = ["operator"]
[agents.support]
operator = "alice"
"#;

const POLICY: &str = r#"@id("all") @owner("bench") permit (principal, action, resource);"#;

const QUOTE: (&str, &str) = ("payments__quote", r#"{"amount":4999,"currency":"EUR"}"#);

/// Guests that exhaust their limits, each in its own way.
const HOSTILE: &[(&str, &str)] = &[
    ("hostile__loop_forever", "{}"),
    ("hostile__memory_bomb", "{}"),
    ("hostile__allocation_bomb", "{}"),
    ("hostile__recurse", "{}"),
    ("hostile__huge_output", "{}"),
    ("hostile__log_flood", "{}"),
    ("hostile__trap", "{}"),
];

fn main() {
    let runtime = runtime();
    // Like a server: from a task of the runtime.
    let measured = runtime.spawn(async {
        overhead::measure().await;
        let gate = gate().await;
        capability(&gate).await;
        neighbour(&gate).await;
        gate.close().await;
    });
    runtime.block_on(measured).unwrap();
}

async fn gate() -> Gate {
    let dir = folder("sandbox");
    fs::create_dir_all(dir.join("data")).unwrap();
    fs::write(dir.join("tollgate.toml"), CONFIG).unwrap();
    fs::write(dir.join("policies/all.cedar"), POLICY).unwrap();
    fs::write(dir.join("data/file"), "read again and again").unwrap();
    for name in ["hostile", "payments"] {
        fs::copy(component(name), dir.join(format!("{name}.wasm"))).unwrap();
    }
    let config = Config::read(&dir.join("tollgate.toml")).unwrap();
    load::accept(&config, None).unwrap();
    let options = GateOptions {
        sync: Sync::Off,
        by: "bench".into(),
        ..GateOptions::default()
    };
    Gate::open(config, options).await.unwrap()
}

async fn call(gate: &Gate, run: &str, (tool, arguments): (&str, &str)) -> Verdict {
    let caller = Caller::Spoken {
        agent: "support".into(),
        by: "alice".into(),
        channel: "cli".into(),
    };
    let request = CallRequest {
        tool: tool.into(),
        arguments: arguments.into(),
    };
    let key = RunKey::Named(run.into());
    gate.call(&caller, &key, request).await.verdict
}

/// One decided read of a file, compared with the read alone. The value is the gate's overhead.
async fn capability(gate: &Gate) {
    let file = repository().join("target/bench/sandbox/data/file");
    let bare = (0..20_000).map(|_| {
        let begun = Instant::now();
        assert_eq!(fs::read(&file).unwrap().len(), 20);
        micros(begun)
    });
    let bare = median(bare.collect());
    let mut each = Vec::new();
    for run in 0..20 {
        let mut took = Vec::new();
        for times in [1, 501] {
            let arguments = format!(r#"{{"grant":"data","path":"file","times":{times}}}"#);
            let begun = Instant::now();
            let verdict = call(
                gate,
                &format!("read-{run}"),
                ("hostile__read_often", &arguments),
            )
            .await;
            assert!(matches!(verdict, Verdict::Released { .. }), "{verdict:?}");
            took.push(micros(begun));
        }
        each.push((took[1] - took[0]) / 500.0);
    }
    line(
        "sandbox.capability",
        median(each) - bare,
        "us over the bare read",
        None,
    );
}

/// Other calls while every hostile guest runs, compared with the same calls without them.
async fn neighbour(gate: &Gate) {
    let quiet = p99(gate, "quiet", 3_000).await;
    let over = Arc::new(AtomicBool::new(false));
    let hostile: Vec<_> = HOSTILE
        .iter()
        .map(|&what| {
            let (gate, over) = (gate.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let verdict = call(&gate, what.0, what).await;
                    assert!(!matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
                }
            })
        })
        .collect();
    let with_neighbour = p99(gate, "neighbour", 3_000).await;
    over.store(true, Ordering::Relaxed);
    for task in hostile {
        task.await.unwrap();
    }
    line("sandbox.neighbour.p99", with_neighbour, "us", Some(quiet));
}

async fn p99(gate: &Gate, run: &str, n: usize) -> f64 {
    let mut samples = Vec::with_capacity(n);
    for _ in 0..n {
        let begun = Instant::now();
        let verdict = call(gate, run, QUOTE).await;
        assert!(matches!(verdict, Verdict::Released { .. }), "{verdict:?}");
        samples.push(micros(begun));
    }
    samples.sort_by(f64::total_cmp);
    samples[n * 99 / 100]
}
