//! `/metrics`, for Prometheus: sums of all that the ledger holds, so that a restart resets none, and what
//! the process has underway.
//!
//! Labels are tools, policies and outcomes, in bounded number; never an argument, a run or a person.
//! Nothing here decides, and no decision waits for it.

mod exported;
mod reported;

use std::{
    collections::BTreeMap,
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
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet, text},
    metrics::MetricType,
    registry::Registry,
};
use tollgate::{gate::Gate, stats::Bars, stats::Totals, stats::Watcher};
use tollgate_ledger::{LedgerError, Order, RecordFilter};
use tollgate_model::decision::Outcome;

pub use exported::ExporterMetrics;
pub use reported::TraceMetrics;

use crate::{auth::Auth, problem::Problem};

/// The form of what is served (OpenMetrics 1.0, section 4.1).
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A number of another part of the process, such as how far an exporter lags behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its name, with the unit, without `_total`.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Whether it only grows.
    pub counter: bool,
    /// Names and values of labels, in bounded number.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

/// Another part of the process that has numbers. Asked at each scrape, on a thread that may block.
pub trait Source: Send + Sync {
    /// Its numbers now.
    fn samples(&self) -> Vec<Sample>;
}

/// Counts what the ledger holds.
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

/// Why there are no metrics now.
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
            // Whatever was counted when it panicked is counted again.
            Err(TryLockError::Poisoned(poisoned)) => {
                let mut counted = poisoned.into_inner();
                *counted = ScrapeState::default();
                counted
            }
            Err(TryLockError::WouldBlock) => return Err(ScrapeError::Counting),
        };
        counted.catch_up(&self.gate)?;
        let totals = counted.totals.clone();
        // Others may count while the sources are asked.
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
                "How long a commit takes lately",
                commit,
            ),
            (
                "ledger_records",
                "Records in the ledger",
                number(ledger.size()),
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

/// What one scrape tells.
#[derive(Debug)]
struct Scrape {
    totals: Totals,
    gauges: Vec<(&'static str, &'static str, f64)>,
    samples: Vec<Sample>,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus knows floating point only"
)]
fn number(n: u64) -> f64 {
    n as f64
}

/// No labels.
const NONE: [(&str, String); 0] = [];

type Told = Result<(), fmt::Error>;

/// Numbers of one name, each with its labels.
type Family<const N: usize> = Vec<([(&'static str, String); N], u64)>;

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Told {
        let totals = &self.totals;
        let decisions: Family<5> = totals
            .decisions
            .iter()
            .map(|((outcome, enforced, tool, policy), n)| {
                let labels = [
                    ("outcome", outcome.as_str().to_owned()),
                    ("action", action(*outcome).to_owned()),
                    (
                        "mode",
                        if *enforced { "enforce" } else { "shadow" }.to_owned(),
                    ),
                    ("tool", tool.clone()),
                    ("policy", policy.clone()),
                ];
                (labels, *n)
            })
            .collect();
        counters(&mut encoder, "decisions", "Decisions", &decisions)?;
        let deciding = [(NONE, &totals.deciding)];
        histogram(
            &mut encoder,
            "decision_seconds",
            "How long deciding took",
            &deciding,
        )?;

        let calls = totals.calls.iter();
        let calls = calls
            .map(|((tool, how), n)| (of_call(tool, how), *n))
            .collect();
        counters(&mut encoder, "calls", "Calls that came to an end", &calls)?;
        let executions = totals.executions.iter();
        let executions: Vec<_> = executions
            .map(|((tool, how), bars)| (of_call(tool, how), bars))
            .collect();
        histogram(
            &mut encoder,
            "call_seconds",
            "How long executions took",
            &executions,
        )?;
        let failing = |wanted: &[&str]| -> Family<1> {
            let mut by_tool: BTreeMap<&String, u64> = BTreeMap::new();
            for ((tool, how), n) in &totals.calls {
                if wanted.contains(&how.as_str()) {
                    *by_tool.entry(tool).or_default() += n;
                }
            }
            by_tool
                .into_iter()
                .map(|(tool, n)| ([("tool", tool.clone())], n))
                .collect()
        };
        let errors = failing(&["tool_error", "trap", "fuel_exhausted", "memory_exhausted"]);
        counters(
            &mut encoder,
            "tool_errors",
            "Calls that failed in the tool",
            &errors,
        )?;
        counters(
            &mut encoder,
            "tool_timeouts",
            "Calls that ran out of time",
            &failing(&["timeout"]),
        )?;

        let approvals = totals
            .approvals
            .iter()
            .map(|(status, n)| one("status", status, *n))
            .collect();
        counters(
            &mut encoder,
            "approvals",
            "Approvals, by the state that they came to",
            &approvals,
        )?;
        let waits = [(NONE, &totals.waits)];
        histogram(
            &mut encoder,
            "approval_wait_seconds",
            "How long people were waited for",
            &waits,
        )?;
        if let Some(ratio) = totals.rejection_ratio() {
            let help = "Rejected approvals among those that were answered";
            gauge(&mut encoder, "approval_rejection_ratio", help, ratio)?;
        }

        for (name, help, n) in [
            (
                "retries",
                "Executions that the gate has tried again",
                totals.retries,
            ),
            (
                "repeated_calls",
                "Calls that their run had made before, with the same arguments",
                totals.repeated,
            ),
            (
                "silent_recoveries",
                "Successes of a tool that had failed in the same run",
                totals.recovered,
            ),
            ("runs", "Runs that began", totals.runs),
        ] {
            counters(&mut encoder, name, help, &vec![([], n)])?;
        }
        let exhausted = totals
            .exhausted
            .iter()
            .map(|(budget, n)| one("budget", budget, *n))
            .collect();
        counters(
            &mut encoder,
            "budget_exhausted",
            "Denials because a budget was used up",
            &exhausted,
        )?;
        let attempts = totals.unsafe_attempts.iter();
        let attempts = attempts.map(|(tool, n)| one("tool", tool, *n)).collect();
        counters(
            &mut encoder,
            "unsafe_attempts",
            "What policies forbade",
            &attempts,
        )?;
        let effects = totals.effects.iter().map(|((operation, failed), n)| {
            let outcome = if *failed { "failed" } else { "done" };
            (
                [
                    ("capability", operation.clone()),
                    ("outcome", outcome.to_owned()),
                ],
                *n,
            )
        });
        counters(
            &mut encoder,
            "capability_uses",
            "Effects within tools",
            &effects.collect(),
        )?;
        let ended = totals
            .ended
            .iter()
            .map(|(outcome, n)| one("outcome", outcome, *n))
            .collect();
        counters(&mut encoder, "runs_ended", "Runs that ended", &ended)?;

        for (name, help, value) in &self.gauges {
            gauge(&mut encoder, name, help, *value)?;
        }
        self.samples(&mut encoder)
    }
}

impl Scrape {
    /// Numbers of other parts, those of one name together.
    fn samples(&self, encoder: &mut DescriptorEncoder<'_>) -> Told {
        let mut by_name: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
        for sample in &self.samples {
            by_name.entry(sample.name).or_default().push(sample);
        }
        for (name, samples) in by_name {
            let Some(first) = samples.first() else {
                continue;
            };
            let kind = if first.counter {
                MetricType::Counter
            } else {
                MetricType::Gauge
            };
            let mut metric = encoder.encode_descriptor(name, first.help, None, kind)?;
            for sample in &samples {
                let mut member = metric.encode_family(&sample.labels)?;
                if first.counter {
                    member.encode_counter::<NoLabelSet, _, u64>(&sample.value, None)?;
                } else {
                    member.encode_gauge(&sample.value)?;
                }
            }
        }
        Ok(())
    }
}

/// What an outcome does, as `tollgate.decision.action` has it.
fn action(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "executed",
        Outcome::Escalate => "held",
        Outcome::Deny | Outcome::Error => "blocked",
    }
}

fn of_call(tool: &str, how: &str) -> [(&'static str, String); 2] {
    [("tool", tool.to_owned()), ("outcome", how.to_owned())]
}

fn one(name: &'static str, value: &str, n: u64) -> ([(&'static str, String); 1], u64) {
    ([(name, value.to_owned())], n)
}

fn counters<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    family: &Family<N>,
) -> Told {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, n) in family {
        let mut member = metric.encode_family(labels)?;
        member.encode_counter::<NoLabelSet, _, u64>(n, None)?;
    }
    Ok(())
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> Told {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    metric.encode_gauge(&value)
}

fn histogram<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    family: &[(L, &Bars)],
) -> Told {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (labels, times) in family {
        let bars: Vec<(f64, u64)> = times.bars().collect();
        let mut member = metric.encode_family(labels)?;
        let sum = number(times.sum) / 1e6;
        member.encode_histogram::<NoLabelSet>(sum, times.count, &bars, None)?;
    }
    Ok(())
}

#[derive(Clone)]
struct MetricsRoute {
    metrics: Arc<Metrics>,
    auth: Auth,
}

/// The route `/metrics`: on loopback for everybody, elsewhere for people and what has a person's token.
pub fn router(metrics: Metrics, auth: Auth) -> Router {
    let metrics = Arc::new(metrics);
    let first = Arc::clone(&metrics);
    // ScrapeState before the first scrape, which does not wait for it. A failure is told by that one.
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
