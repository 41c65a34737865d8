//! Passes the tokens and cost that agents reported to the gate, for policies and budgets.
//!
//! One background task does it right after a report was answered, for all reports that arrived until then.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tollgate::{gate::Gate, usage::RunUsage};
use tollgate_model::{
    entity::{Kind, Uid},
    ids::RunId,
};
use tollgate_trace::{
    projector,
    store::{Store, StoreError, Usage, UsageRow},
};

/// Held while sums are read and passed to the gate, so that an older sum cannot overwrite a newer one.
static UPDATE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The most pending traces of one reporter. Beyond it, the sums of its latest runs are read instead.
const MAX_TRACES: usize = 1_000;

/// Reports whose sums the gate does not have yet.
#[derive(Debug)]
pub(super) struct UsageFeed {
    gate: Gate,
    store: Store,
    waiting: Mutex<PendingTraces>,
}

#[derive(Debug, Default)]
struct PendingTraces {
    /// The traces of which each reporter has sent spans. `None` if they are too many; then the reporter's latest
    /// runs are read.
    new: BTreeMap<String, Option<BTreeSet<RunId>>>,
    /// Whether a task is adding up what is new.
    busy: bool,
}

impl PendingTraces {
    /// Adds what a reporter sent. Returns whether the caller must start the task that adds it up.
    fn add(&mut self, reporter: String, traces: BTreeSet<RunId>) -> bool {
        let new = self.new.entry(reporter);
        let all = new.or_insert_with(|| Some(BTreeSet::new()));
        if let Some(known) = all {
            known.extend(traces);
            if known.len() > MAX_TRACES {
                *all = None;
            }
        }
        !std::mem::replace(&mut self.busy, true)
    }

    /// Takes all that is new. `None` if there is nothing, and then the task is marked as ended.
    fn take(&mut self) -> Option<BTreeMap<String, Option<BTreeSet<RunId>>>> {
        self.busy = !self.new.is_empty();
        self.busy.then(|| std::mem::take(&mut self.new))
    }
}

impl UsageFeed {
    pub(super) fn new(gate: &Gate, store: &Store) -> Self {
        Self {
            gate: gate.clone(),
            store: store.clone(),
            waiting: Mutex::default(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, PendingTraces> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a reporter sent spans of these traces, and starts the task unless it runs.
    pub(super) fn note_report(self: &Arc<Self>, reporter: String, traces: BTreeSet<RunId>) {
        if traces.is_empty() || !self.waiting().add(reporter, traces) {
            return;
        }
        let feed = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let Some(new) = feed.waiting().take() else {
                    return;
                };
                feed.update(new).await;
            }
        });
    }

    async fn update(&self, new: BTreeMap<String, Option<BTreeSet<RunId>>>) {
        // After a failure, the sums are passed on with the next report.
        let ledger = self.gate.ledger().reader();
        if projector::catch_up(&self.store, ledger).await.is_err() {
            return;
        }
        for (reporter, traces) in new {
            drop(update(&self.gate, &self.store, &reporter, traces).await);
        }
    }
}

/// Passes all sums that agents have reported so far to the gate, at start.
///
/// # Errors
/// [`StoreError`] if the trace store cannot be read.
pub async fn recall(gate: &Gate, store: &Store) -> Result<(), StoreError> {
    let config = &gate.ruleset().config;
    let since = gate.now().before(config.budgets.window);
    for name in config.agents.keys() {
        let principal = Uid::new(Kind::Agent, name);
        let (reader, tenant) = (store.reader().clone(), config.gate.tenant.clone());
        let reporter = principal.to_string();
        let _update = UPDATE.lock().await;
        let reading = tokio::task::spawn_blocking(move || {
            // Hours are read after runs, so a report in between is counted twice rather than not at all.
            let runs = reader.usage_of_latest(&tenant, &reporter)?;
            let hours = reader.usage_by_hour(&tenant, &reporter, since)?;
            Ok::<_, StoreError>((runs, hours))
        });
        let (mut runs, hours) = reading.await.map_err(|_| StoreError::Closed)??;
        // The latest come last, because the gate drops the oldest entries first.
        runs.reverse();
        gate.usage().recall(
            &principal,
            runs.iter().map(|(run, _, sum)| (*run, used(sum))),
            hours.iter().map(|(hour, sum)| (*hour, used(sum))),
        );
    }
    Ok(())
}

/// A sum in the form that policies see.
fn used(sum: &UsageRow) -> RunUsage {
    let Usage {
        input_tokens,
        output_tokens,
        cost_nano,
        ..
    } = sum.usage;
    RunUsage {
        tokens: input_tokens.saturating_add(output_tokens),
        cost_nano: cost_nano.unwrap_or(0),
        complete: sum.unpriced == 0,
    }
}

/// Tell the gate what `reporter` has reported of its runs: of those with these traces, or of the latest.
async fn update(
    gate: &Gate,
    store: &Store,
    reporter: &str,
    traces: Option<BTreeSet<RunId>>,
) -> Result<(), StoreError> {
    let config = &gate.ruleset().config;
    let principal = config
        .agents
        .keys()
        .map(|name| Uid::new(Kind::Agent, name))
        .find(|agent| agent.to_string() == reporter);
    let Some(principal) = principal else {
        return Ok(());
    };
    let (reader, tenant) = (store.reader().clone(), config.gate.tenant.clone());
    let reporter = reporter.to_owned();
    let _update = UPDATE.lock().await;
    let reading = tokio::task::spawn_blocking(move || match traces {
        Some(traces) => reader.usage_of_traces(&tenant, &reporter, &traces),
        None => reader.usage_of_latest(&tenant, &reporter),
    });
    let sums = reading.await.map_err(|_| StoreError::Closed)??;
    for (run, _, sum) in sums {
        gate.usage().set(&principal, run, gate.now(), used(&sum));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
