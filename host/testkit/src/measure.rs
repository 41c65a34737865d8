//! A gate to be measured, and the bare work for comparison.

use std::{fs, path::PathBuf, time::Instant};

use rusqlite::Connection;
use tollgate::{config::Config, load};

use crate::measure::repository;

const CONFIG: &str = r#"
[policies]
dir = "policies"
[components.payments]
path = "payments.wasm"
grants.book = { path = "book", mode = "rw" }
[tools.payments__quote]
labels = []
taints = []
[tools.payments__refund]
labels = ["destructive"]
[users.alice]
roles = ["operator", "security"]
[agents.support]
operator = "alice"
roles = ["clerk"]
# What is measured is the work, not how much of it one agent may ask for.
[serve.rate]
per_second = 100000
burst = 1000000
"#;

const STARTERS: &[&str] = &[
    "destructive-needs-approval",
    "four-eyes",
    "grants",
    "least-privilege",
    "lethal-trifecta",
    "operators",
    "readers",
    "results",
];

/// A folder on the disk of the repository: a memory file system would hide the cost of a sync.
pub(crate) fn folder(name: &str) -> PathBuf {
    let dir = repository().join("target/bench").join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(dir.join("policies")).unwrap();
    fs::create_dir_all(dir.join("book")).unwrap();
    dir
}

/// The configuration of a gate in a folder of its own.
pub(crate) fn configured(name: &str) -> Config {
    let dir = folder(name);
    fs::write(dir.join("tollgate.toml"), CONFIG).unwrap();
    fs::copy(
        repository().join("target/components/payments.wasm"),
        dir.join("payments.wasm"),
    )
    .unwrap();
    for starter in STARTERS {
        let file = format!("{starter}.cedar");
        fs::copy(
            repository().join("policies").join(&file),
            dir.join("policies").join(&file),
        )
        .unwrap();
    }
    let config = Config::read(&dir.join("tollgate.toml")).unwrap();
    load::accept(&config, None).unwrap();
    config
}

/// The median.
pub(crate) fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Microseconds since then.
pub(crate) fn micros(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6
}

/// One row in one synced commit, like the ledger's journal.
pub(crate) fn bare_synced_commit() -> f64 {
    let dir = folder("bare");
    let database = Connection::open(dir.join("bare.db")).unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    database.pragma_update(None, "synchronous", "FULL").unwrap();
    database
        .execute("CREATE TABLE t (id INTEGER PRIMARY KEY, row BLOB)", [])
        .unwrap();
    let row = vec![7_u8; 1024];
    let commit = || {
        let begun = Instant::now();
        database
            .execute("INSERT INTO t (row) VALUES (?1)", [&row])
            .unwrap();
        micros(begun)
    };
    for _ in 0..200 {
        commit();
    }
    median((0..2_000).map(|_| commit()).collect())
}
