//! Where the values of calls come from: looking them up, reading results, and memory.
//!
//! Prints JSON lines `{name, value, unit, floor, ratio}`.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot be set up ends"
)]

use std::{hint::black_box, sync::LazyLock, time::Instant};

use serde_json::{Value, json};
use tollgate_model::{
    ids::{RunId, SpanId},
    provenance::{
        ArgumentRoles, CallArguments, CallValues, FieldTrust, IndexKey, PointerPattern, ReadIndex,
        ResultSource, Role, Trust,
    },
};
use tollgate_testkit::measure::line;

const RUN: RunId = RunId::from_bytes([1; 16]);
const MIB: usize = 1 << 20;
/// Samples of a measurement.
const SAMPLES: usize = 2_001;
/// Runs that are open and quiet.
const IDLE: usize = 1_000;

fn main() {
    line("facts.p50", call(&read(MIB)), "us", None);
    line("facts.empty", call(&empty()), "us", None);
    for (name, megabytes_a_second) in [("facts.index", text()), ("facts.index.fields", fields())] {
        line(name, megabytes_a_second, "MB/s", None);
    }
    let large = read(100 * MIB);
    line("facts.memory", mebibytes(large.bytes()), "MiB", None);
    let idle: usize = (0..IDLE).map(|_| read(2_000).bytes()).sum();
    line("facts.memory.idle", mebibytes(idle), "MiB", None);
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

/// Median microseconds of the facts of a call.
fn call(index: &ReadIndex) -> f64 {
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
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let begun = Instant::now();
            black_box(call.provenance(black_box(index)));
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    samples.get(SAMPLES / 2).copied().unwrap()
}

/// Megabytes a second of text that is one field.
fn text() -> f64 {
    let text: Vec<String> = mails(3 * MIB)
        .iter()
        .map(|mail| mail["body"].as_str().unwrap().to_owned())
        .collect();
    let text = text.join("\n");
    let trust = FieldTrust::new(Trust::Untrusted, Vec::new());
    rate(text.len(), |index| index.read_text(&source(&trust), &text))
}

/// The same of structured results.
fn fields() -> f64 {
    let mails = json!(mails(2 * MIB));
    let bytes = mails.to_string().len();
    let trust = trust();
    rate(bytes, |index| index.read_value(&source(&trust), &mails))
}

fn rate(bytes: usize, read: impl Fn(&mut ReadIndex)) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..7 {
        let mut index = empty();
        let begun = Instant::now();
        read(&mut index);
        best = best.min(begun.elapsed().as_secs_f64());
        black_box(index);
    }
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let bytes = bytes as f64;
    bytes / best / 1e6
}

fn mebibytes(bytes: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let bytes = bytes as f64;
    bytes / (1 << 20) as f64
}
