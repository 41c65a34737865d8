//! What agents and people report, from the trace store: tokens and cost by model, and feedback.
//!
//! Names of models and kinds of feedback come from agents, so only the most frequent get a series of their own.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tollgate::{gate::Gate, stats::OTHER};
use tollgate_trace::store::{Reader, Scope, StoreError, StoreOptions, Usage};

use super::{Sample, Source, number};

/// The most models, and kinds of feedback, with a series of their own.
const NAMES: usize = 50;

/// How long samples are cached, because the sums read every trace.
const FRESH: Duration = Duration::from_secs(30);

/// The trace store next to a gate's ledger.
#[derive(Debug)]
pub struct TraceMetrics {
    path: PathBuf,
    tenant: String,
    known: Mutex<Option<(Instant, Vec<Sample>)>>,
}

impl TraceMetrics {
    /// Metrics about the trace store of this gate.
    #[must_use]
    pub fn of(gate: &Gate) -> Self {
        let ruleset = gate.ruleset();
        Self {
            path: StoreOptions::for_ledger(&ruleset.config.store.path).path,
            tenant: ruleset.config.gate.tenant.clone(),
            known: Mutex::default(),
        }
    }

    /// The samples of the latest scrape if they are fresh, else those that `read` returns.
    fn at(&self, now: Instant, read: impl FnOnce() -> Vec<Sample>) -> Vec<Sample> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, samples)) = &*known
            && now.saturating_duration_since(*then) < FRESH
        {
            return samples.clone();
        }
        let samples = read();
        *known = Some((now, samples.clone()));
        samples
    }

    fn read(&self) -> Result<Vec<Sample>, StoreError> {
        let Some(reader) = Reader::open(&self.path)? else {
            return Ok(Vec::new());
        };
        let mut models: BTreeMap<String, Usage> = BTreeMap::new();
        let rows = reader.usage(&self.tenant, &Scope::Tenant, None)?;
        for (n, row) in rows.into_iter().enumerate() {
            let model = if n < NAMES { row.model } else { OTHER.into() };
            let sum = models.entry(model).or_default();
            *sum = sum.plus(&row.usage);
        }
        let mut samples = Vec::new();
        for (model, usage) in models {
            for (direction, tokens) in [("in", usage.input_tokens), ("out", usage.output_tokens)] {
                samples.push(Sample {
                    name: "reported_tokens",
                    help: "Tokens that agents reported, as far as the trace store has them",
                    counter: false,
                    labels: vec![
                        ("model", model.clone()),
                        ("direction", direction.to_owned()),
                    ],
                    value: number(tokens),
                });
            }
            samples.extend(usage.cost_nano.map(|nano| Sample {
                name: "reported_cost",
                help: "Cost of what agents reported, in the currency of the price table",
                counter: false,
                labels: vec![("model", model)],
                value: number(nano) / 1e9,
            }));
        }
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        let given = reader.feedback_kinds(&self.tenant)?;
        for (n, (kind, count)) in given.into_iter().enumerate() {
            let kind = if n < NAMES { kind } else { OTHER.into() };
            let sum = kinds.entry(kind).or_default();
            *sum = sum.saturating_add(count);
        }
        samples.extend(kinds.into_iter().map(|(kind, n)| Sample {
            name: "feedback",
            help: "What people said about runs, by kind",
            counter: false,
            labels: vec![("kind", kind)],
            value: number(n),
        }));
        Ok(samples)
    }
}

impl Source for TraceMetrics {
    fn samples(&self) -> Vec<Sample> {
        // If the trace store cannot be read, these metrics are absent and the others are still served.
        self.at(Instant::now(), || self.read().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
