//! A gate to be measured, the bare work for comparison, and the output of measurements.

mod bare;

use std::{fs, path::PathBuf, time::Instant};

use serde_json::json;
use tokio::runtime::Runtime;
use tollgate::{config::Config, load};

pub use bare::{bare_call, bare_synced_commit};

use crate::{component, install_policies, repository};

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
# Benches measure the work, not the limit of one agent.
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

/// Prints a measurement as a JSON line. `floor` is the bare limit measured in the same run, if there is one.
pub fn line(name: &str, value: f64, unit: &str, floor: Option<f64>) {
    println!(
        "{}",
        json!({
            "name": name,
            "value": rounded(value),
            "unit": unit,
            "floor": floor.map(rounded),
            "ratio": floor.map(|floor| rounded(value / floor)),
        })
    );
}

/// Prints a measurement that is meant to stay below `bound`, as a JSON line.
pub fn bounded_line(name: &str, value: f64, unit: &str, bound: f64) {
    println!(
        "{}",
        json!({ "name": name, "value": rounded(value), "unit": unit, "bound": bound })
    );
}

/// Prints a measurement that is meant to reach `least`, as a JSON line. `floor` is the bare limit measured in the same
/// run.
pub fn least_line(name: &str, value: f64, unit: &str, least: f64, floor: f64) {
    println!(
        "{}",
        json!({
            "name": name,
            "value": rounded(value),
            "unit": unit,
            "least": least,
            "floor": rounded(floor),
            "ratio": rounded(value / floor),
        })
    );
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A runtime with two threads, like a small server's.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// An empty folder on the disk of the repository: a memory file system would hide the cost of a sync.
pub fn folder(name: &str) -> PathBuf {
    let dir = repository().join("target/bench").join(name);
    let _ = fs::remove_dir_all(&dir);
    for folder in ["policies", "book"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    dir
}

/// The configuration of a gate in a folder of its own.
pub fn configured(name: &str) -> Config {
    configured_with(name, CONFIG, STARTERS)
}

/// The configuration `config`, with the component `payments` and these starter policies, in a folder of its own.
pub fn configured_with(name: &str, config: &str, starters: &[&str]) -> Config {
    let dir = folder(name);
    let file = dir.join("tollgate.toml");
    fs::write(&file, config).unwrap();
    fs::copy(component("payments"), dir.join("payments.wasm")).unwrap();
    install_policies(starters, &dir.join("policies"));
    let config = Config::read(&file).unwrap();
    load::accept(&config, None).unwrap();
    config
}

/// The median of samples, of which there is at least one.
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Microseconds since `begun`.
pub fn micros(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6
}
