//! Measurements for changes of the writer: `cargo nextest run --release --run-ignored only speed`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::*;

fn percentile(times: &mut [Duration], of: usize) -> f64 {
    times.sort();
    times[(times.len() - 1) * of / 100].as_secs_f64() * 1e6
}

/// One governed call, as the gate records it: two commits. Returns their durations.
async fn call(ledger: &Ledger, script: &Script, run: RunId, args: &str) -> [Duration; 2] {
    let call = script.span();
    let state = ledger
        .run_state(run, Some(&arguments(args)))
        .unwrap()
        .unwrap();
    let seal = || ledger.seal(TENANT, T0, &[b'x'; 1200], "facts").unwrap();
    let start = script.start(run, call, None);
    let facts = seal();
    let decision = DecisionRecord {
        capture: None,
        facts_digest: Some(facts.digest),
        determining: vec![DeterminingPolicy {
            budget: None,
            owner: "security".into(),
            policy: PolicyRef {
                digest: Sha256Digest::of(b"policy"),
                id: "clerks-may-read".into(),
            },
            reason: String::new(),
        }],
        ..script.decision(run, call, Outcome::Allow, args)
    };
    let open = Batch {
        records: vec![
            script.record(Some(run), Event::Decision(Box::new(decision))),
            start.clone(),
        ],
        payloads: vec![facts],
        conditions: vec![
            Condition::RunVersion(run, state.version),
            Condition::NotHalted(HaltKeys {
                agent: "support".into(),
                component: Some("tickets".into()),
                tenant: TENANT.into(),
                tool: Some("tickets__read".into()),
            }),
        ],
    };
    let begun = Instant::now();
    ledger.commit(open).await.unwrap();
    let opened = begun.elapsed();
    let facts = seal();
    let result = DecisionRecord {
        capture: None,
        action: Action::ReturnResult,
        arguments: None,
        facts_digest: Some(facts.digest),
        ..script.decision(run, call, Outcome::Allow, args)
    };
    let close = Batch {
        records: vec![
            script.record(Some(run), Event::Decision(Box::new(result))),
            script.outcome(run, &start, Status::Ok, &["private", "untrusted"]),
        ],
        payloads: vec![facts],
        conditions: Vec::new(),
    };
    let begun = Instant::now();
    ledger.commit(close).await.unwrap();
    [opened, begun.elapsed()]
}

fn one_caller(sync: Sync, calls: u32) {
    let place = Place {
        dir: tempfile::tempdir_in("/var/tmp").unwrap(),
    };
    let ledger = Ledger::open(
        LedgerOptions {
            sync,
            cached_runs: 1024,
            ..place.options()
        },
        T0,
    )
    .unwrap();
    let script = Script::new();
    let (run, started) = script.run(None, &[]);
    let (mut commits, mut whole) = (Vec::new(), Vec::new());
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        for n in 0..calls {
            let begun = Instant::now();
            commits.extend(call(&ledger, &script, run, &n.to_string()).await);
            whole.push(begun.elapsed());
        }
    });
    println!(
        "{sync:?}, one caller: commit p10 {:.1} µs, p50 {:.1} µs, p99 {:.1} µs; call with sealing p50 {:.1} µs",
        percentile(&mut commits, 10),
        percentile(&mut commits, 50),
        percentile(&mut commits, 99),
        percentile(&mut whole, 50)
    );
}

fn many_callers(sync: Sync, callers: usize, calls: usize) {
    let place = Place {
        dir: tempfile::tempdir_in("/var/tmp").unwrap(),
    };
    let ledger = Ledger::open(
        LedgerOptions {
            sync,
            cached_runs: 1024,
            ..place.options()
        },
        T0,
    )
    .unwrap();
    let script = Arc::new(Script::new());
    let cpu = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<u64> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .filter_map(|f| f.parse().ok())
            .collect();
        // After the state: ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime;
        // tpgid may be negative and is then left out.
        let base = if fields.len() > 48 { 10 } else { 9 };
        (fields[base] + fields[base + 1]) as f64 / 100.0
    };
    let (seconds, used, mut latencies) = block_on(async {
        let mut runs = Vec::new();
        for _ in 0..callers {
            let (run, started) = script.run(None, &[]);
            ledger.commit(batch(vec![started])).await.unwrap();
            runs.push(run);
        }
        let (begun, before) = (Instant::now(), cpu());
        let tasks: Vec<_> = runs
            .into_iter()
            .map(|run| {
                let (ledger, script) = (ledger.clone(), Arc::clone(&script));
                tokio::spawn(async move {
                    let mut latencies = Vec::new();
                    for n in 0..calls {
                        latencies.extend(call(&ledger, &script, run, &n.to_string()).await);
                    }
                    latencies
                })
            })
            .collect();
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.extend(task.await.unwrap());
        }
        (begun.elapsed().as_secs_f64(), cpu() - before, latencies)
    });
    let total = (callers * calls) as f64;
    println!(
        "{sync:?}, {callers} callers: {:.0} calls/s, {:.1} µs of CPU a call; commit p50 {:.0} µs, p99 {:.0} µs",
        total / seconds,
        used * 1e6 / total,
        percentile(&mut latencies, 50),
        percentile(&mut latencies, 99)
    );
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    one_caller(Sync::Off, 20_000);
    one_caller(Sync::Full, 3000);
    many_callers(Sync::Full, 64, 1500);
    many_callers(Sync::Off, 64, 1500);
}

fn each(name: &str, n: u32, mut f: impl FnMut()) {
    let begun = Instant::now();
    (0..n).for_each(|_| f());
    println!(
        "{name}: {:.2} µs",
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(n)
    );
}

/// The cost of a commit's parts.
#[test]
#[ignore = "a measurement"]
fn speed_of_parts() {
    let place = Place {
        dir: tempfile::tempdir_in("/var/tmp").unwrap(),
    };
    let ledger = Ledger::open(
        LedgerOptions {
            sync: Sync::Off,
            ..place.options()
        },
        T0,
    )
    .unwrap();
    let script = Script::new();
    let (run, started) = script.run(None, &["private"]);
    block_on(ledger.commit(batch(vec![started]))).unwrap();
    let decision = script.decide(run, script.span(), Outcome::Allow, "a");
    let start = script.start(run, script.span(), None);
    let outcome = script.outcome(run, &start, Status::Ok, &["private", "untrusted"]);
    for (name, record) in [
        ("decision", &decision),
        ("start", &start),
        ("outcome", &outcome),
    ] {
        let leaf = record.leaf().unwrap();
        each(
            &format!("leaf of {name}, {} bytes", leaf.len()),
            20_000,
            || drop(record.leaf().unwrap()),
        );
        each(&format!("hash of {name}"), 20_000, || {
            std::hint::black_box(tollgate_model::record::leaf_hash(&leaf));
        });
        each(&format!("parsing {name}"), 20_000, || {
            std::hint::black_box(Record::from_leaf(&leaf).unwrap());
        });
    }
    each("sealing 1200 bytes", 20_000, || {
        drop(ledger.seal(TENANT, T0, &[b'x'; 1200], "facts").unwrap())
    });
    each("run state", 20_000, || {
        drop(ledger.run_state(run, Some(&arguments("a"))).unwrap())
    });
    each("arguments", 20_000, || drop(arguments("a")));
    each("open run", 20_000, || {
        drop(
            ledger
                .open_run(TENANT, &agent(), &alice(), None, T0)
                .unwrap(),
        )
    });
    each("file labels", 20_000, || {
        drop(ledger.reader().file_labels("tickets/a", None).unwrap())
    });
    each("making a decision", 20_000, || {
        drop(script.decide(run, script.span(), Outcome::Allow, "a"))
    });
}
