//! What agents and people reported about runs, for `tollgate stats`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use tollgate::config::Config;
use tollgate_model::{ids::RunId, time::Timestamp};
use tollgate_trace::store::{
    Facet, Feedback, Reader, Scope, StoreError, StoreOptions, UsageRow, total,
};

use crate::error::Failure;

/// What was reported about a group of runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct ReportSummary {
    /// Tokens, in and out.
    pub(super) tokens: u64,
    /// Cost in billionths of the price table's currency; absent where no price is known.
    pub(super) cost_nano: Option<u64>,
    /// The cost of all runs, divided by the number of successful ones.
    pub(super) cost_nano_per_success: Option<u64>,
    /// Feedback by kind: how often, and the mean of its numbers.
    pub(super) feedback: BTreeMap<String, FeedbackSummary>,
}

/// Feedback of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct FeedbackSummary {
    /// How often.
    pub(super) count: u64,
    /// The mean of the values.
    pub(super) mean: Option<f64>,
}

/// Runs per query.
const AT_ONCE: usize = 10_000;

/// The trace store, if there is one.
pub(super) struct ReportReader {
    reader: Option<Reader>,
    tenant: String,
    words: HashMap<RunId, Option<String>>,
    usage: HashMap<RunId, UsageRow>,
    feedback: Vec<Feedback>,
}

impl ReportReader {
    pub(super) fn open(config: &Config) -> Result<Self, Failure> {
        let path = StoreOptions::for_ledger(&config.store.path).path;
        let reader = Reader::open(&path).map_err(|e| Failure::plain(e.to_string()))?;
        Ok(Self {
            reader,
            tenant: config.gate.tenant.clone(),
            words: HashMap::new(),
            usage: HashMap::new(),
            feedback: Vec::new(),
        })
    }

    /// Reads the usage that the principals of these runs reported, for [`ReportReader::about`].
    pub(super) fn read(
        &mut self,
        runs: &BTreeSet<RunId>,
        since: Option<Timestamp>,
    ) -> Result<(), Failure> {
        let Some(reader) = &self.reader else {
            return Ok(());
        };
        let failed = |e: StoreError| Failure::plain(e.to_string());
        let all: Vec<RunId> = runs.iter().copied().collect();
        for some in all.chunks(AT_ONCE) {
            let sums = reader.usage_of_runs(&self.tenant, some.iter().copied());
            let sums = sums.map_err(failed)?;
            self.usage
                .extend(sums.into_iter().map(|(run, _, sum)| (run, sum)));
        }
        self.feedback = reader.feedback(&self.tenant, None, since).map_err(failed)?;
        Ok(())
    }

    /// The model with the most reported usage of the run's own principal.
    pub(super) fn model(&mut self, run: RunId) -> Option<String> {
        let Self {
            reader,
            tenant,
            words,
            ..
        } = self;
        let read = || {
            let reader = reader.as_ref()?;
            let row = reader.trace(tenant, run).ok()??;
            let scope = Scope::RunOf(row.caller.unwrap_or(run), row.principal?);
            let models = reader.usage(tenant, &scope, None).ok()?;
            let mut named = models.into_iter().map(|row| row.model);
            named.find(|model| !model.is_empty())
        };
        words.entry(run).or_insert_with(read).clone()
    }

    /// The first reported version of a run with this prefix.
    pub(super) fn version(&mut self, run: RunId, prefix: &str) -> Option<String> {
        let Self {
            reader,
            tenant,
            words,
            ..
        } = self;
        let read = || {
            let found = reader.as_ref()?.words(tenant, run, Facet::Version).ok()?;
            found.into_iter().find(|word| word.starts_with(prefix))
        };
        words.entry(run).or_insert_with(read).clone()
    }

    /// What was reported about these runs, of which `succeeded` ended with success.
    pub(super) fn about(&self, runs: &BTreeSet<RunId>, succeeded: usize) -> ReportSummary {
        let rows: Vec<UsageRow> = runs
            .iter()
            .filter_map(|run| self.usage.get(run).cloned())
            .collect();
        let usage = total(&rows).usage;
        let mut sums: BTreeMap<&str, (u64, u64, f64)> = BTreeMap::new();
        let given = self.feedback.iter().map(|one| &one.feedback);
        for one in given.filter(|one| runs.contains(&one.run)) {
            let sum = sums.entry(&one.kind).or_default();
            sum.0 += 1;
            if let Some(value) = one.value {
                sum.1 += 1;
                sum.2 += value;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a mean needs no more")]
        let said = |(count, numbers, sum): (u64, u64, f64)| FeedbackSummary {
            count,
            mean: (numbers > 0).then(|| sum / numbers as f64),
        };
        let each = usage.cost_nano.zip(u64::try_from(succeeded).ok());
        ReportSummary {
            tokens: usage.input_tokens.saturating_add(usage.output_tokens),
            cost_nano: usage.cost_nano,
            cost_nano_per_success: each.and_then(|(cost, succeeded)| cost.checked_div(succeeded)),
            feedback: sums
                .into_iter()
                .map(|(kind, sum)| (kind.to_owned(), said(sum)))
                .collect(),
        }
    }
}
