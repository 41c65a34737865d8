//! What agents and people reported about runs, for `tollgate stats`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use tollgate::config::Config;
use tollgate_core::{ids::RunId, time::Timestamp};
use tollgate_trace::store::{Facet, Reader, Scope, StoreOptions, total};

use crate::failure::Failure;

/// What was reported about a group of runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Reported {
    /// Tokens, in and out.
    pub(super) tokens: u64,
    /// Cost in billionths of the price table's currency; absent where no price is known.
    pub(super) cost_nano: Option<u64>,
    /// The cost of all runs for each that ended with success.
    pub(super) cost_nano_per_success: Option<u64>,
    /// Feedback by kind: how often, and the mean of its numbers.
    pub(super) feedback: BTreeMap<String, Said>,
}

/// Feedback of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Said {
    /// How often.
    pub(super) count: u64,
    /// Of those that have a number.
    pub(super) mean: Option<f64>,
}

/// The trace store, if there is one.
pub(super) struct Reports {
    reader: Option<Reader>,
    tenant: String,
    words: HashMap<RunId, Option<String>>,
}

impl Reports {
    pub(super) fn open(config: &Config) -> Result<Self, Failure> {
        let path = StoreOptions::beside(&config.store.path).path;
        let reader = Reader::open(&path).map_err(|e| Failure::plain(e.to_string()))?;
        Ok(Self {
            reader,
            tenant: config.gate.tenant.clone(),
            words: HashMap::new(),
        })
    }

    /// The first model, or version with this prefix, that was reported about a run.
    pub(super) fn word(&mut self, run: RunId, facet: Facet, prefix: &str) -> Option<String> {
        let Self {
            reader,
            tenant,
            words,
        } = self;
        let read = || {
            let found = reader.as_ref()?.words(tenant, run, facet).ok()?;
            found.into_iter().find(|word| word.starts_with(prefix))
        };
        words.entry(run).or_insert_with(read).clone()
    }

    /// What was reported about these runs, of which `succeeded` ended with success.
    pub(super) fn about(
        &self,
        runs: &BTreeSet<RunId>,
        succeeded: usize,
        since: Option<Timestamp>,
    ) -> Result<Reported, Failure> {
        let Some(reader) = &self.reader else {
            return Ok(Reported::default());
        };
        let failed = |e: tollgate_trace::store::StoreError| Failure::plain(e.to_string());
        let mut rows = Vec::new();
        for run in runs {
            rows.extend(
                reader
                    .usage(&self.tenant, &Scope::Run(*run), None)
                    .map_err(failed)?,
            );
        }
        let usage = total(&rows).usage;
        let mut sums: BTreeMap<String, (u64, u64, f64)> = BTreeMap::new();
        let given = reader.feedback(&self.tenant, None, since).map_err(failed)?;
        for one in given
            .into_iter()
            .filter(|one| runs.contains(&one.feedback.run))
        {
            let sum = sums.entry(one.feedback.kind).or_default();
            sum.0 += 1;
            if let Some(value) = one.feedback.value {
                sum.1 += 1;
                sum.2 += value;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a mean needs no more")]
        let said = |(count, numbers, sum): (u64, u64, f64)| Said {
            count,
            mean: (numbers > 0).then(|| sum / numbers as f64),
        };
        let each = usage.cost_nano.zip(u64::try_from(succeeded).ok());
        Ok(Reported {
            tokens: usage.input_tokens.saturating_add(usage.output_tokens),
            cost_nano: usage.cost_nano,
            cost_nano_per_success: each.and_then(|(cost, succeeded)| cost.checked_div(succeeded)),
            feedback: sums
                .into_iter()
                .map(|(kind, sum)| (kind, said(sum)))
                .collect(),
        })
    }
}
