//! The cost of a commit: alone, by many callers at once, and of its parts.
//!
//! Prints JSON lines `{name, value, unit, floor, ratio}`. The floor of a durable commit is the same commit
//! without a sync.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot be set up ends, and prints what it found"
)]

use std::{
    collections::BTreeSet,
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tollgate_ledger::{Batch, Condition, HaltKeys, Ledger, LedgerOptions, Sync};
use tollgate_model::{
    canonical::Sha256Digest,
    decision::{DeterminingPolicy, Outcome, PolicyRef, Redaction},
    entity::{Kind, Uid},
    ids::{RunId, SpanId},
    record::{
        DecisionRecord, Event, KeyedDigest, OutcomeRecord, Record, RunStarted, Start, Status,
        leaf_hash,
    },
    request::Action,
    time::Timestamp,
};
use tollgate_testkit::measure::line;

const TENANT: &str = "acme";
const TOOL: &str = "tickets__read";
const T0: Timestamp = Timestamp(1_795_249_800_000_000);
/// Bytes of the sealed facts of a decision.
const FACTS: [u8; 1200] = [b'x'; 1200];
/// Calls of one caller, with and without a sync.
const CALLS: usize = 3000;
/// Callers at once, and calls of each.
const CALLERS: usize = 64;
const CALLS_EACH: usize = 500;
/// Repetitions of a part.
const N: u32 = 20_000;

#[tokio::main]
async fn main() {
    let durable = one_caller(Sync::Full).await;
    let volatile = one_caller(Sync::Off).await;
    let names = ["ledger.commit.p50", "ledger.commit.p99"];
    for (name, at) in names.into_iter().zip([50, 99]) {
        let (value, floor) = (percentile(&durable, at), percentile(&volatile, at));
        line(name, value, "us", Some(floor));
    }
    let rate = many_callers().await;
    line("ledger.calls", rate, "calls/s", None);
    parts().await;
}

/// Microseconds.
fn percentile(sorted: &[Duration], of: usize) -> f64 {
    sorted[(sorted.len() - 1) * of / 100].as_secs_f64() * 1e6
}

/// A ledger in a temporary directory.
fn ledger(sync: Sync) -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let options = LedgerOptions {
        path: dir.path().join("store/ledger.db"),
        key: dir.path().join("keys/ledger.key"),
        sync,
        cached_runs: 1024,
    };
    let ledger = Ledger::open(options, T0).unwrap();
    (dir, ledger)
}

/// How long each commit of one caller took, sorted.
async fn one_caller(sync: Sync) -> Vec<Duration> {
    let (_dir, ledger) = ledger(sync);
    let run = started(&ledger).await;
    let mut commits = Vec::new();
    for n in 0..CALLS {
        commits.extend(call(&ledger, run, n).await);
    }
    commits.sort();
    ledger.close().await;
    commits
}

/// Calls in a second.
async fn many_callers() -> f64 {
    let (_dir, ledger) = ledger(Sync::Full);
    let mut runs = Vec::new();
    for _ in 0..CALLERS {
        runs.push(started(&ledger).await);
    }
    let begun = Instant::now();
    let callers = runs.into_iter().map(|run| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            for n in 0..CALLS_EACH {
                call(&ledger, run, n).await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let seconds = begun.elapsed().as_secs_f64();
    ledger.close().await;
    (CALLERS * CALLS_EACH) as f64 / seconds
}

/// What is part of a commit, or comes before it.
async fn parts() {
    let (_dir, ledger) = ledger(Sync::Off);
    let run = started(&ledger).await;
    let record = decision_record(run, decision(span(), "a"));
    let leaf = record.leaf().unwrap();
    each("ledger.leaf", || drop(black_box(record.leaf().unwrap())));
    each("ledger.leaf_hash", || {
        black_box(leaf_hash(&leaf));
    });
    each("ledger.parse", || {
        drop(black_box(Record::from_leaf(&leaf).unwrap()));
    });
    each("ledger.seal", || {
        drop(black_box(ledger.seal(TENANT, T0, &FACTS, "facts").unwrap()));
    });
    each("ledger.run_state", || {
        drop(black_box(
            ledger.run_state(run, Some(&arguments("a"))).unwrap(),
        ));
    });
    ledger.close().await;
}

fn each(name: &str, mut part: impl FnMut()) {
    let begun = Instant::now();
    (0..N).for_each(|_| part());
    let value = begun.elapsed().as_secs_f64() * 1e6 / f64::from(N);
    line(name, value, "us", None);
}

/// One governed call, as the gate records it: two commits. How long each took.
async fn call(ledger: &Ledger, run: RunId, n: usize) -> [Duration; 2] {
    let arguments_text = n.to_string();
    let state = ledger
        .run_state(run, Some(&arguments(&arguments_text)))
        .unwrap()
        .unwrap();
    let call = span();
    let seal = || ledger.seal(TENANT, T0, &FACTS, "facts").unwrap();
    let facts = seal();
    let start = start(call);
    let open = Batch {
        records: vec![
            decision_record(
                run,
                DecisionRecord {
                    facts_digest: Some(facts.digest),
                    ..decision(call, &arguments_text)
                },
            ),
            record(run, Event::Start(start.clone())),
        ],
        payloads: vec![facts],
        conditions: vec![
            Condition::RunVersion(run, state.version),
            Condition::NotHalted(HaltKeys {
                agent: "support".into(),
                component: Some("tickets".into()),
                tenant: TENANT.into(),
                tool: Some(TOOL.into()),
            }),
        ],
    };
    let begun = Instant::now();
    ledger.commit(open).await.unwrap();
    let opened = begun.elapsed();
    let facts = seal();
    let release = DecisionRecord {
        action: Action::ReturnResult,
        arguments: None,
        facts_digest: Some(facts.digest),
        ..decision(call, &arguments_text)
    };
    let close = Batch {
        records: vec![decision_record(run, release), outcome(run, &start)],
        payloads: vec![facts],
        conditions: Vec::new(),
    };
    let begun = Instant::now();
    ledger.commit(close).await.unwrap();
    [opened, begun.elapsed()]
}

/// A number that was not used before.
fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn span() -> SpanId {
    SpanId::from_bytes(number().to_be_bytes())
}

fn arguments(text: &str) -> KeyedDigest {
    KeyedDigest::of(&[7; 32], 1, &[text.as_bytes()])
}

fn agent() -> Uid {
    Uid::new(Kind::Agent, "support")
}

fn record(run: RunId, event: Event) -> Record {
    Record::new(TENANT, Some(run), T0.plus(number() * 1000), event)
}

/// A run that has begun.
async fn started(ledger: &Ledger) -> RunId {
    let run = RunId::from_bytes(u128::from(number()).to_be_bytes());
    let started = RunStarted {
        inherited: BTreeSet::new(),
        key: None,
        on_behalf_of: Uid::new(Kind::User, "alice"),
        origin: Default::default(),
        principal: agent(),
        span: span(),
    };
    let batch = Batch {
        records: vec![record(run, Event::RunStarted(started))],
        ..Batch::default()
    };
    ledger.commit(batch).await.unwrap();
    run
}

fn decision_record(run: RunId, decision: DecisionRecord) -> Record {
    record(run, Event::Decision(Box::new(decision)))
}

fn decision(call: SpanId, text: &str) -> DecisionRecord {
    DecisionRecord {
        capture: None,
        action: Action::Call(TOOL.into()),
        approval: None,
        arguments: Some(arguments(text)),
        arguments_size: Some(12),
        is_secondary: false,
        bundle: Sha256Digest::of(b"bundle"),
        call: Some(call),
        arrival: Default::default(),
        caller_span: None,
        component: Some(Sha256Digest::of(b"component")),
        determining: vec![DeterminingPolicy {
            budget: None,
            owner: "security".into(),
            policy: PolicyRef {
                digest: Sha256Digest::of(b"policy"),
                id: "clerks-may-read".into(),
            },
            reason: String::new(),
        }],
        errors: Vec::new(),
        facts_digest: None,
        label_target: None,
        history: Vec::new(),
        propagated_labels: BTreeSet::new(),
        decide_micros: 7,
        on_behalf_of: None,
        outcome: Outcome::Allow,
        parent: None,
        principal: agent(),
        provenance: None,
        redaction: Redaction::default(),
        requirement: None,
        resource: Uid::new(Kind::Tool, TOOL),
        resumption: false,
        shadow: None,
        span: span(),
        standing: Default::default(),
    }
}

fn start(call: SpanId) -> Start {
    Start {
        approval: None,
        attempt: 1,
        call,
        component: "tickets".into(),
        digest: Sha256Digest::of(b"component"),
        executed_by_caller: false,
        labels: BTreeSet::new(),
        resumption: false,
        span: span(),
        unsandboxed: false,
    }
}

fn outcome(run: RunId, start: &Start) -> Record {
    let outcome = OutcomeRecord {
        capture: None,
        call: start.call,
        effective: false,
        effects: 0,
        fuel: 1,
        history: Vec::new(),
        labels: ["private", "untrusted"].map(str::to_owned).into(),
        peak_memory: 1,
        redacted: 0,
        release: None,
        result: None,
        size: 3,
        span: start.span,
        status: Status::Ok,
    };
    record(run, Event::Outcome(outcome))
}
