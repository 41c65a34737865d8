//! OTLP out: the gate's spans, sent to collectors at least once.
//!
//! An exporter is a cursor over the ledger. It reads records, builds finished spans, and advances when the collector
//! has acknowledged them. A collector that is down, hangs or answers nonsense causes delay and nothing else. No call
//! waits for an export, and exports do not write to the ledger. Arguments and results are sent only as far as capture
//! keeps them; principals and resources are keyed hashes.
//!
//! | file | contents |
//! |---|---|
//! | `source` | what an exporter reads: records, keys, secrets, descriptions of tools |
//! | `build` | records to finished spans, and the cache of open ones |
//! | `wire` | spans to OTLP, by profile |
//! | `send` | HTTP and gRPC, and the meaning of answers |
//! | `backoff` | pauses between attempts |
//! | `state` | the stored position of each exporter |
//! | `exporter` | one step of one exporter |

mod backoff;
mod build;
mod exporter;
mod send;
mod source;
mod state;
mod wire;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use serde::Serialize;
use tollgate_ledger::LedgerError;
use tollgate_model::{
    settings::{ExportConfig, ExportProfile, ExportProtocol},
    time::Timestamp,
};

pub use exporter::{Exporter, Step};
pub(crate) use source::PURPOSE;
pub use source::{ExportSettings, Keyholder, Source, ValueFuture};
pub use state::state_file;

/// The interval of polling for new records.
const TICK: Duration = Duration::from_millis(250);

/// Why an exporter stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The file with the positions of exporters.
    #[error("{path}: {reason}")]
    State {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process exports.
    #[error("another process exports from this ledger; see `tollgate export status`")]
    Busy,
    /// A task of this process was cancelled.
    #[error("the exporter was stopped")]
    Stopped,
    /// Its configuration.
    #[error("the exporter cannot be set up: {0}")]
    Setup(String),
}

/// The progress of an exporter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its name in the configuration.
    pub name: String,
    /// The collector.
    pub url: String,
    /// The protocol.
    pub protocol: ExportProtocol,
    /// The profile of attributes.
    pub profile: ExportProfile,
    /// Processed records of the ledger.
    pub position: u64,
    /// All records of the ledger.
    pub records: u64,
    /// The difference of both.
    pub lag: u64,
    /// Spans that the collector has acknowledged.
    pub sent: u64,
    /// Spans that it finally rejected; they stay in the ledger.
    pub rejected: u64,
    /// The last acknowledgement.
    pub acknowledged: Option<Timestamp>,
    /// The current error, if there is one.
    pub failing: Option<String>,
    /// Since when there is an error.
    pub failing_since: Option<Timestamp>,
}

/// The progress of the exporters of the ledger at `store`, which has `records` records.
///
/// # Errors
/// [`ExportError`] if the state cannot be read.
pub fn status(
    store: &Path,
    exports: &BTreeMap<String, ExportConfig>,
    records: u64,
) -> Result<Vec<Status>, ExportError> {
    let path = state_file(store);
    let states = match path.exists() {
        true => Some(state::States::open(&path)?),
        false => None,
    };
    let mut all = Vec::new();
    for (name, export) in exports {
        let known = states
            .as_ref()
            .map(|states| states.load(name))
            .transpose()?;
        let known = known.flatten().unwrap_or_default();
        all.push(Status {
            name: name.clone(),
            url: export.url.to_string(),
            protocol: export.protocol,
            profile: export.profile,
            position: known.next,
            records,
            lag: records.saturating_sub(known.next),
            sent: known.sent,
            rejected: known.rejected,
            acknowledged: known.acknowledged,
            failing: known.failing,
            failing_since: known.failing_since,
        });
    }
    Ok(all)
}

/// The right to export from a ledger, which one process has at a time.
#[derive(Debug)]
pub struct ExportLease {
    _file: std::fs::File,
}

impl ExportLease {
    /// Takes the lease.
    ///
    /// # Errors
    /// [`ExportError::Busy`] if another process has it.
    pub fn take(store: &Path) -> Result<Self, ExportError> {
        let path = state_file(store).with_extension("lock");
        let failed = |e: &dyn std::fmt::Display| ExportError::State {
            path: path.display().to_string(),
            reason: e.to_string(),
        };
        let mut options = std::fs::OpenOptions::new();
        let options = options.create(true).truncate(false).write(true);
        let file = options.open(&path).map_err(|e| failed(&e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => Err(ExportError::Busy),
            Err(std::fs::TryLockError::Error(e)) => Err(failed(&e)),
        }
    }
}

/// Runs every exporter of the source while this is polled. `now` returns the time. `told` is called when an exporter
/// fails, and when it works again.
pub async fn run_all(
    source: Arc<Source>,
    now: impl Fn() -> Timestamp,
    told: impl Fn(&str, Option<&str>),
) {
    let names = source.settings.exports.keys();
    let running = names.map(|name| run(name, Arc::clone(&source), &now, &told));
    all(running.collect()).await;
}

async fn all(running: Vec<impl Future<Output = ()>>) {
    let mut running: Vec<_> = running.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        running.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        match running.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

async fn run(
    name: &str,
    source: Arc<Source>,
    now: &impl Fn() -> Timestamp,
    told: &impl Fn(&str, Option<&str>),
) {
    let mut failing = false;
    let mut tell = |problem: Option<&str>| {
        if problem.is_some() != failing {
            failing = problem.is_some();
            told(name, problem);
        }
    };
    let mut exporter = loop {
        match Exporter::new(name, Arc::clone(&source)).await {
            Ok(exporter) => break exporter,
            Err(error) => tell(Some(&error.to_string())),
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    };
    loop {
        match exporter.step(now()).await {
            Ok(step) => {
                tell(exporter.failing());
                if matches!(step, Step::Idle | Step::Later) {
                    tokio::time::sleep(TICK).await;
                }
            }
            Err(error) => {
                tell(Some(&error.to_string()));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
