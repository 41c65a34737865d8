//! The cost of the sandbox: a decided read inside a call, and the effect of hostile guests on other calls.
//!
//! Prints JSON lines `{name, value, unit, floor, ratio}`. `sandbox.call` is measured by the gate's own
//! test of that name, which sees the sandbox from inside.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement that cannot be set up ends, and prints what it found"
)]

mod measure;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use measure::{line, repository};
use tollgate::{
    config::Config, enforce::CallRequest, enforce::Verdict, gate::Gate, gate::GateOptions,
    identity::Caller, identity::RunKey, load,
};
use tollgate_ledger::Sync;

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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    // Like a server: from a task of the runtime.
    let measured = runtime.spawn(async {
        let gate = gate().await;
        capability(&gate).await;
        neighbour(&gate).await;
        gate.close().await;
    });
    runtime.block_on(measured).unwrap();
}

async fn gate() -> Gate {
    let dir = repository().join("target/bench/sandbox");
    let _ = fs::remove_dir_all(&dir);
    for folder in ["policies", "data", "book"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    fs::write(dir.join("tollgate.toml"), CONFIG).unwrap();
    fs::write(dir.join("policies/all.cedar"), POLICY).unwrap();
    fs::write(dir.join("data/file"), "read again and again").unwrap();
    for component in ["hostile", "payments"] {
        let file = format!("{component}.wasm");
        let built = repository().join("target/components").join(&file);
        fs::copy(built, dir.join(&file)).unwrap();
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

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// One decided read of a file, compared with the read alone. The value is the gate's overhead.
async fn capability(gate: &Gate) {
    let file = repository().join("target/bench/sandbox/data/file");
    let mut bare: Vec<f64> = (0..20_000)
        .map(|_| {
            let begun = Instant::now();
            assert_eq!(fs::read(&file).unwrap().len(), 20);
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    let bare = median(&mut bare);
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
            took.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        each.push((took[1] - took[0]) / 500.0);
    }
    line(
        "sandbox.capability",
        median(&mut each) - bare,
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
        samples.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    samples.sort_by(f64::total_cmp);
    samples[n * 99 / 100]
}
