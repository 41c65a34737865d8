//! `/metrics` for Prometheus: sums over the whole ledger, so that a restart resets none, and gauges of the process.
//!
//! Labels are tools, policies and outcomes, in bounded number; never an argument, a run or a person.
//! Nothing here decides, and no decision waits for it.

mod exported;
mod hooks;
mod reported;
mod scrape;

use std::{
    fmt,
    ops::ControlFlow,
    sync::{Arc, Mutex, TryLockError},
};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use prometheus_client::{encoding::text, registry::Registry};
use tollgate::{gate::Gate, stats::Totals, stats::Watcher};
use tollgate_ledger::{LedgerError, Order, RecordFilter};

pub use exported::ExporterMetrics;
pub use hooks::HookMetrics;
pub use reported::TraceMetrics;

use self::scrape::{Scrape, number};
use crate::{auth::Auth, problem::Problem};

/// The content type (OpenMetrics 1.0, section 4.1).
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A value of another part of the process, such as the lag of an exporter.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its name, with the unit, without `_total`.
    pub name: &'static str,
    /// The help text.
    pub help: &'static str,
    /// Whether it is a counter; else a gauge.
    pub counter: bool,
    /// Names and values of labels, in bounded number.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

/// Another part of the process with metrics. Called at each scrape, on a thread that may block.
pub trait Source: Send + Sync {
    /// The present values.
    fn samples(&self) -> Vec<Sample>;
}

/// Counts the records of the ledger.
pub struct Metrics {
    gate: Gate,
    counted: Mutex<ScrapeState>,
    sources: Vec<Arc<dyn Source>>,
}

#[derive(Default)]
struct ScrapeState {
    watcher: Watcher,
    totals: Totals,
    next: u64,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Why a scrape failed.
#[derive(Debug, thiserror::Error)]
enum ScrapeError {
    #[error("the ledger is still being counted; try again in a moment")]
    Counting,
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the metrics cannot be written")]
    Format(#[from] fmt::Error),
}

impl Metrics {
    /// Metrics of a gate, and of other parts of the process.
    #[must_use]
    pub fn new(gate: &Gate, sources: Vec<Arc<dyn Source>>) -> Self {
        Self {
            gate: gate.clone(),
            counted: Mutex::default(),
            sources,
        }
    }

    /// Everything up to now, as text.
    fn text(&self) -> Result<String, ScrapeError> {
        let mut counted = match self.counted.try_lock() {
            Ok(counted) => counted,
            // A scrape panicked, so its partial counts are dropped and counted again.
            Err(TryLockError::Poisoned(poisoned)) => {
                let mut counted = poisoned.into_inner();
                *counted = ScrapeState::default();
                counted
            }
            Err(TryLockError::WouldBlock) => return Err(ScrapeError::Counting),
        };
        counted.catch_up(&self.gate)?;
        let totals = counted.totals.clone();
        // Other scrapes may count while the sources are read.
        drop(counted);
        let now = Scrape {
            totals,
            gauges: self.gauges(),
            samples: self
                .sources
                .iter()
                .flat_map(|source| source.samples())
                .collect(),
        };
        let mut registry = Registry::with_prefix("tollgate");
        registry.register_collector(Box::new(now));
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(text)
    }

    fn gauges(&self) -> Vec<(&'static str, &'static str, f64)> {
        let ledger = self.gate.ledger();
        let upstreams = self.gate.executors();
        let left_out = upstreams.upstreams.values();
        let left_out: usize = left_out.map(|upstream| upstream.left_out().len()).sum();
        let commit = ledger.commit_time().map_or(0.0, |time| time.as_secs_f64());
        vec![
            (
                "in_flight_calls",
                "Calls on their way",
                number(self.gate.in_flight_calls() as u64),
            ),
            (
                "ledger_queue_depth",
                "Commits that wait for the ledger's writer",
                number(ledger.queue_depth() as u64),
            ),
            (
                "ledger_commit_seconds",
                "Recent mean latency of a commit",
                commit,
            ),
            (
                "ledger_records",
                "Records in the ledger",
                number(ledger.size()),
            ),
            (
                "upstream_tools_left_out",
                "Tools of upstream servers that cannot be used",
                number(left_out as u64),
            ),
        ]
    }
}

impl ScrapeState {
    fn catch_up(&mut self, gate: &Gate) -> Result<(), LedgerError> {
        let size = gate.ledger().size();
        let filter = RecordFilter {
            range: Some(self.next..size),
            order: Order::OldestFirst,
            ..RecordFilter::default()
        };
        let Self {
            watcher,
            totals,
            next,
        } = self;
        gate.ledger().reader().records(&filter, |index, record| {
            watcher.watch(&record, |at, fact| totals.add(at, fact));
            *next = index + 1;
            ControlFlow::Continue(())
        })
    }
}

#[derive(Clone)]
struct MetricsRoute {
    metrics: Arc<Metrics>,
    auth: Auth,
}

/// The route `/metrics`: on loopback without credentials, elsewhere with a user's token.
pub fn router(metrics: Metrics, auth: Auth) -> Router {
    let metrics = Arc::new(metrics);
    let first = Arc::clone(&metrics);
    // Counted before the first scrape, which then does not wait. If this fails, that scrape reports it.
    tokio::task::spawn_blocking(move || drop(first.text()));
    Router::new()
        .route("/metrics", get(scrape))
        .with_state(MetricsRoute { metrics, auth })
}

async fn scrape(State(served): State<MetricsRoute>, headers: HeaderMap) -> Response {
    if !served.auth.is_local() || headers.contains_key(header::AUTHORIZATION) {
        match served.auth.authenticate(&headers).await {
            Ok(authenticated) if authenticated.user().is_some() => {}
            Ok(_) => {
                let detail = "only people may read metrics; give Prometheus the token of a user";
                return Problem::new(StatusCode::FORBIDDEN, "people_only", detail).into_response();
            }
            Err(error) => return served.auth.refuse(&error),
        }
    }
    let metrics = served.metrics;
    let text = tokio::task::spawn_blocking(move || metrics.text()).await;
    match text.unwrap_or(Err(ScrapeError::Format(fmt::Error))) {
        Ok(text) => {
            let format = HeaderValue::from_static(FORMAT);
            ([(header::CONTENT_TYPE, format)], text).into_response()
        }
        Err(error) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_ready",
            error.to_string(),
        )
        .into_response(),
    }
}
