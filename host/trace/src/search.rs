//! Runs by what is in them: the trace store finds them, the ledger says what they are.

use std::collections::HashSet;

use tollgate_ledger::{LedgerError, LedgerReader, RunRow};
use tollgate_model::{ids::RunId, record::RunOutcome, time::Timestamp};

use crate::store::{Facet, Reader, StoreError, TraceFilter};

/// Traces that are looked at together.
const PAGE: u64 = 1_000;
/// Runs that one search looks at, unless they are of the pages before.
const MAX_LOOKED: u64 = 50_000;
/// Times of records are those of their making: one may be recorded so many microseconds later.
const SKEW: u64 = 300_000_000;

/// Which runs, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunSearch {
    /// Whose.
    pub tenant: String,
    /// Only those that are open, or only those that have ended.
    pub open: Option<bool>,
    /// Only those that ended like this.
    pub outcome: Option<RunOutcome>,
    /// Only those of this agent or user.
    pub principal: Option<String>,
    /// Only those in which this tool was called.
    pub tool: Option<String>,
    /// Only those in which this policy determined a decision.
    pub policy: Option<String>,
    /// Only those in which something was decided so: `deny`, `escalate`, ..
    pub decision: Option<String>,
    /// Only those with a note of this label.
    pub label: Option<String>,
    /// Only those of this version: `prompt:3`, `workflow:2`, `agent:1`.
    pub version: Option<String>,
    /// Only those in which this model was called.
    pub model: Option<String>,
    /// Only those of this conversation.
    pub conversation: Option<String>,
    /// Only those in whose words this occurs.
    pub text: Option<String>,
    /// Only those of this set.
    pub set: Option<String>,
    /// Only those that began at or after this time.
    pub since: Option<Timestamp>,
    /// Only those that began before this time.
    pub until: Option<Timestamp>,
    /// Only those whose first record is before this index: for the next page.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The trace store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The runs, and `before` of the next page, if there may be one; a page may be short of runs, or have
/// none, if many were read without a match. `sees` says which of them the reader may
/// know of.
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
    // Traces at the edge of a page are on the next one, too.
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
        // More of them began at once than a page has.
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

/// The first page of what the trace store finds.
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
