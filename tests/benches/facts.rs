//! The facts of calls: where values come from, what earlier calls did, reading results, and memory.
//!
//! Prints JSON lines `{name, value, unit, bound}`, or `{name, value, unit, least, floor, ratio}`.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot be set up ends"
)]

use std::{collections::BTreeSet, hint::black_box, sync::LazyLock, time::Instant};

use serde_json::{Value, json};
use tollgate_ledger::{Batch, Ledger, LedgerOptions, Sync};
use tollgate_model::{
    canonical::Sha256Digest,
    decision::{Outcome, Redaction},
    entity::{Kind, Uid},
    history::SeriesQuery,
    ids::{RunId, SeriesId, SpanId},
    provenance::{
        ArgumentRoles, CallArguments, CallValues, FieldTrust, IndexKey, PointerPattern, ReadIndex,
        ResultSource, Role, Trust,
    },
    record::{Arrival, CountedCalls, DecisionRecord, Event, FactEntry, Origin, Record, RunStarted},
    request::Action,
    time::Timestamp,
};
use tollgate_testkit::measure::{bounded_line, folder, least_line, median, micros, runtime};

const RUN: RunId = RunId::from_bytes([1; 16]);
const TENANT: &str = "default";
const NOW: Timestamp = Timestamp(1_795_428_000_000_000);
const MIB: usize = 1 << 20;
/// Samples of a measurement.
const SAMPLES: usize = 2_001;
/// Runs that are open and quiet.
const IDLE: usize = 1_000;

/// Calls in the window of a history fact, and history facts that a call reads.
const COUNTED: u64 = 1_000;
const FACTS: u8 = 3;

fn main() {
    let ledger = counted();
    bounded_line("facts.p50", call(&read(MIB), Some(&ledger)), "us", 50.0);
    bounded_line("facts.empty", call(&empty(), None), "us", 2.0);
    for (name, (rate, floor)) in [("facts.index", text()), ("facts.index.fields", fields())] {
        least_line(name, rate, "MB/s", 100.0, floor);
    }
    let large = read(100 * MIB);
    bounded_line("facts.memory", mebibytes(large.bytes()), "MiB", 32.0);
    let idle: usize = (0..IDLE).map(|_| read(2_000).bytes()).sum();
    bounded_line("facts.memory.idle", mebibytes(idle), "MiB", 64.0);
    bounded_line("facts.history", history_micros(&ledger), "us", 50.0);
}

/// A ledger in which each of a few history facts counts a thousand calls.
fn counted() -> Ledger {
    let dir = folder("facts");
    let options = LedgerOptions {
        path: dir.join("ledger.db"),
        key: dir.join("ledger.key"),
        sync: Sync::Off,
        cached_runs: 64,
    };
    let ledger = Ledger::open(options, NOW).unwrap();
    let commit = |records| {
        let batch = Batch {
            records,
            ..Batch::default()
        };
        runtime().block_on(ledger.commit(batch)).unwrap();
    };
    let record = |event| Record::new(TENANT, Some(RUN), NOW, event);
    let agent = Uid::new(Kind::Agent, "support");
    let began = RunStarted {
        inherited: BTreeSet::new(),
        key: None,
        on_behalf_of: Uid::new(Kind::User, "alice"),
        origin: Origin::default(),
        principal: agent.clone(),
        span: SpanId::from_bytes([1; 8]),
    };
    commit(vec![record(Event::RunStarted(began))]);
    let decisions = (0..COUNTED).map(|n| {
        let denied = denied(SpanId::from_bytes(n.to_be_bytes()), &agent);
        record(Event::Decision(Box::new(denied)))
    });
    commit(decisions.collect());
    history(&ledger);
    ledger
}

fn series(n: u8) -> SeriesId {
    SeriesId::from_bytes([n; 16])
}

/// A denied call that each fact counts.
fn denied(call: SpanId, agent: &Uid) -> DecisionRecord {
    let entry = |n| FactEntry {
        amount: None,
        counts: CountedCalls::Denied,
        fact: format!("fact{n}"),
        further: 0,
        of_run: false,
        series: series(n),
        until: Some(NOW.plus(3_600_000_000)),
        values: Vec::new(),
    };
    DecisionRecord {
        action: Action::Call("mail__send".into()),
        approval: None,
        arguments: None,
        arguments_size: None,
        arrival: Arrival::default(),
        bundle: Sha256Digest::of(b"bundle"),
        call: Some(call),
        caller_span: None,
        capture: None,
        component: None,
        decide_micros: 7,
        determining: Vec::new(),
        errors: Vec::new(),
        facts_digest: None,
        history: (0..FACTS).map(entry).collect(),
        is_secondary: false,
        label_target: None,
        on_behalf_of: None,
        outcome: Outcome::Deny,
        parent: None,
        principal: agent.clone(),
        provenance: None,
        propagated_labels: BTreeSet::new(),
        redaction: Redaction::default(),
        requirement: None,
        resource: Uid::new(Kind::Tool, "mail__send"),
        resumption: false,
        shadow: None,
        span: call,
        standing: BTreeSet::new(),
    }
}

/// Reads the history facts of a call, as the gate does.
fn history(ledger: &Ledger) -> u64 {
    let query = SeriesQuery {
        since: Some(Timestamp(NOW.0 - 3_600_000_000)),
        ..SeriesQuery::default()
    };
    let read = |n| {
        let parts: [&[u8]; 2] = [b"customer", &[n]];
        black_box(ledger.keys().short_digest(TENANT, &parts).unwrap());
        ledger.series_totals(series(n), &query).unwrap().calls
    };
    (0..FACTS).map(read).sum()
}

/// Median microseconds of the history facts of a call.
fn history_micros(ledger: &Ledger) -> f64 {
    assert_eq!(history(ledger), COUNTED * u64::from(FACTS));
    let sample = |_| {
        let begun = Instant::now();
        black_box(history(black_box(ledger)));
        micros(begun)
    };
    median((0..SAMPLES).map(sample).collect())
}

fn empty() -> ReadIndex {
    ReadIndex::new(IndexKey::new([7; 32]))
}

fn trust() -> FieldTrust {
    let trusted = ["/*/id", "/*/from"].map(|p| (PointerPattern::parse(p).unwrap(), Trust::Trusted));
    FieldTrust::new(Trust::Untrusted, trusted.into())
}

/// The arguments of a call that has none.
static NOTHING: LazyLock<CallValues> = LazyLock::new(CallValues::default);

fn source(trust: &FieldTrust) -> ResultSource<'_> {
    ResultSource {
        call: SpanId::from_bytes([2; 8]),
        run: RUN,
        tool: "mail__search",
        trust,
        values: &NOTHING,
        is_tainted: false,
    }
}

/// Mails, some kilobytes at a time.
fn mails(bytes: usize) -> Vec<Value> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{:x}", state & 0xff_ffff)
    };
    let mut all = Vec::new();
    let mut written = 0;
    while written < bytes {
        let body: Vec<String> = (0..100).map(|_| word()).collect();
        let body = body.join(" ");
        let from = format!("{}@{}.example", word(), word());
        written += body.len() + from.len() + 40;
        all.push(json!({ "id": word(), "from": from, "subject": word(), "body": body }));
    }
    all
}

fn read(bytes: usize) -> ReadIndex {
    let mut index = empty();
    index.read_request(
        RUN,
        "Answer the mail of ann@example.com about the invoice of May 1st, please.",
    );
    let trust = trust();
    for some in mails(bytes).chunks(20) {
        index.read_value(&source(&trust), &json!(some));
    }
    index
}

/// Median microseconds of the facts of a call: where its values come from, and what earlier calls did.
fn call(index: &ReadIndex, ledger: Option<&Ledger>) -> f64 {
    let roles = ["/to", "/cc"].map(|p| (PointerPattern::parse(p).unwrap(), Some(Role::Recipient)));
    let roles = ArgumentRoles::new(roles.into(), Vec::new());
    let arguments = json!({
        "to": ["ann@example.com", "mallory@evil.example"], "cc": [],
        "subject": "Your invoice", "body": "Dear Ann,\nthank you for your mail. ".repeat(10),
    });
    let asked_by = ["send", "answer", "reply"].map(str::to_owned);
    let call = CallArguments {
        arguments: &arguments,
        asked_by: &asked_by,
        roles: &roles,
        run: RUN,
    };
    let sample = |_| {
        let begun = Instant::now();
        black_box(call.provenance(black_box(index)));
        black_box(ledger.map(history));
        micros(begun)
    };
    median((0..SAMPLES).map(sample).collect())
}

/// Megabytes a second of text that is one field, and of its digest.
fn text() -> (f64, f64) {
    let text: Vec<String> = mails(3 * MIB)
        .iter()
        .map(|mail| mail["body"].as_str().unwrap().to_owned())
        .collect();
    let text = text.join("\n");
    let trust = FieldTrust::new(Trust::Untrusted, Vec::new());
    rate(&text, |index| index.read_text(&source(&trust), &text))
}

/// The same of structured results.
fn fields() -> (f64, f64) {
    let mails = json!(mails(2 * MIB));
    let trust = trust();
    rate(&mails.to_string(), |index| {
        index.read_value(&source(&trust), &mails);
    })
}

/// Megabytes a second of reading a text, and of taking its digest, which is the bare work.
fn rate(text: &str, read: impl Fn(&mut ReadIndex)) -> (f64, f64) {
    let (mut best, mut bare) = (f64::MAX, f64::MAX);
    for _ in 0..7 {
        let mut index = empty();
        let begun = Instant::now();
        read(&mut index);
        best = best.min(begun.elapsed().as_secs_f64());
        black_box(index);
        let begun = Instant::now();
        black_box(Sha256Digest::of(black_box(text.as_bytes())));
        bare = bare.min(begun.elapsed().as_secs_f64());
    }
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let megabytes = text.len() as f64 / 1e6;
    (megabytes / best, megabytes / bare)
}

fn mebibytes(bytes: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let bytes = bytes as f64;
    bytes / (1 << 20) as f64
}
