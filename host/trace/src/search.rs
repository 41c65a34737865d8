//! Search for runs: the trace store finds their ids, the ledger has their data.

use std::collections::HashSet;

use tollgate_ledger::{LedgerError, LedgerReader, RunRow};
use tollgate_model::{ids::RunId, record::RunOutcome, time::Timestamp};

use crate::store::{Facet, Reader, StoreError, TraceFilter};

/// Traces per page.
const PAGE: u64 = 1_000;
/// The most runs that one search reads, without those of earlier pages.
const MAX_LOOKED: u64 = 50_000;
/// How much later a record may be written than its time, in microseconds.
const SKEW: u64 = 300_000_000;

/// Filters of a search.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunSearch {
    /// The tenant.
    pub tenant: String,
    /// Only runs that are open (`true`), or that have ended (`false`).
    pub open: Option<bool>,
    /// Only runs with this outcome.
    pub outcome: Option<RunOutcome>,
    /// Only runs of this agent or user.
    pub principal: Option<String>,
    /// Only runs in which this tool was called.
    pub tool: Option<String>,
    /// Only runs in which this policy determined a decision.
    pub policy: Option<String>,
    /// Only runs that have a decision with this outcome: `deny`, `escalate`, ..
    pub decision: Option<String>,
    /// Only runs with a note that has this label.
    pub label: Option<String>,
    /// Only runs of this version: `prompt:3`, `workflow:2`, `agent:1`.
    pub version: Option<String>,
    /// Only runs in which this model was called.
    pub model: Option<String>,
    /// Only runs of this conversation.
    pub conversation: Option<String>,
    /// Only runs whose texts contain this.
    pub text: Option<String>,
    /// Only runs in this set.
    pub set: Option<String>,
    /// Only runs that began at or after this time.
    pub since: Option<Timestamp>,
    /// Only runs that began before this time.
    pub until: Option<Timestamp>,
    /// Only runs whose first record is before this index, for the next page.
    pub before: Option<u64>,
    /// The most runs to return.
    pub limit: usize,
}

/// Why a search failed.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The trace store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The runs, newest first, and `before` of the next page, if there may be one. A page may be short or empty if many
/// runs were read without a match. `sees` is whether the reader may know of a run.
///
/// # Errors
/// [`SearchError`]
pub fn runs(
    store: &Reader,
    ledger: &LedgerReader,
    search: &RunSearch,
    sees: impl Fn(&RunRow) -> bool,
) -> Result<(Vec<RunRow>, Option<u64>), SearchError> {
    let mut until = search.until;
    if let Some(before) = search.before
        && let Some(record) = ledger.record(before)?
    {
        let began = record.time.plus(SKEW);
        until = Some(until.map_or(began, |until| until.min(began)));
    }
    let mut filter = filter(search, until);
    let (mut runs, mut last, mut looked) = (Vec::new(), None, 0);
    // Pages overlap: traces at the end of a page are on the next one as well.
    let mut seen: HashSet<RunId> = HashSet::new();
    loop {
        let found = store.find(&filter)?;
        let full = Some(found.len() as u64) == filter.limit;
        let edge = found.last().map(|trace| trace.started);
        let ids: Vec<RunId> = found
            .iter()
            .map(|trace| trace.trace)
            .filter(|id| !seen.contains(id))
            .collect();
        let mut known = ledger.runs_of(&ids)?;
        for id in ids {
            // A run that the ledger no longer has is not listed.
            let Some(run) = known.remove(&id) else {
                continue;
            };
            if search.before.is_some_and(|before| run.opened >= before) {
                continue;
            }
            looked += 1;
            last = Some(run.opened);
            if is_it(search, &run) && sees(&run) {
                runs.push(run);
                if runs.len() >= search.limit {
                    return Ok((runs, last));
                }
            }
        }
        let Some(edge) = edge.filter(|_| full) else {
            return Ok((runs, None));
        };
        if looked >= MAX_LOOKED {
            return Ok((runs, last));
        }
        let until = Some(Timestamp(edge.0.saturating_add(1)));
        // More traces have the same start time than a page has entries.
        if until == filter.until {
            filter.limit = filter.limit.map(|limit| limit.saturating_mul(2));
        }
        filter.until = until;
        seen = found
            .into_iter()
            .filter(|trace| trace.started == edge)
            .map(|trace| trace.trace)
            .collect();
    }
}

/// The filter for the trace store.
fn filter(search: &RunSearch, until: Option<Timestamp>) -> TraceFilter {
    let has = [
        (Facet::Agent, &search.principal),
        (Facet::Tool, &search.tool),
        (Facet::Policy, &search.policy),
        (Facet::Decision, &search.decision),
        (Facet::Label, &search.label),
        (Facet::Version, &search.version),
        (Facet::Model, &search.model),
    ];
    let has = has.into_iter();
    let mut has: Vec<(Facet, String)> = has
        .filter_map(|(facet, value)| Some((facet, value.clone()?)))
        .collect();
    has.extend(
        search
            .outcome
            .map(|o| (Facet::Outcome, o.as_str().to_owned())),
    );
    TraceFilter {
        tenant: search.tenant.clone(),
        runs: true,
        conversation: search.conversation.clone(),
        has,
        text: search.text.clone(),
        since: search.since,
        until,
        set: search.set.clone(),
        limit: Some(PAGE),
        ..TraceFilter::default()
    }
}

fn is_it(search: &RunSearch, run: &RunRow) -> bool {
    search.open.is_none_or(|open| open == run.ended.is_none())
        && search
            .principal
            .as_ref()
            .is_none_or(|p| *p == run.principal.id)
        && search.outcome.is_none_or(|o| run.outcome == Some(o))
}
