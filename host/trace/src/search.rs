//! Runs by what is in them: the trace store finds them, the ledger says what they are.

use tollgate::ledger::{LedgerError, LedgerReader, RunRow};
use tollgate_core::{record::RunOutcome, time::Timestamp};

use crate::store::{Facet, Reader, StoreError, TraceFilter};

/// Runs that one search looks at.
const MAX_LOOKED: u64 = 10_000;
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

/// The runs, and `before` of the next page, if there may be one. `sees` says which of them the reader may
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
    let found = store.find(&TraceFilter {
        tenant: search.tenant.clone(),
        runs: true,
        conversation: search.conversation.clone(),
        has,
        text: search.text.clone(),
        since: search.since,
        until,
        set: search.set.clone(),
        limit: Some(MAX_LOOKED),
        ..TraceFilter::default()
    })?;
    let full = found.len() as u64 == MAX_LOOKED;
    let (mut runs, mut last) = (Vec::new(), None);
    for trace in found {
        let run = match ledger.run(&trace.trace.to_string()) {
            // What the ledger no longer has is no run any more.
            Err(LedgerError::NotFound { .. }) => continue,
            run => run?,
        };
        let is_it = search.before.is_none_or(|before| run.opened < before)
            && search.open.is_none_or(|open| open == run.ended.is_none())
            && search
                .principal
                .as_ref()
                .is_none_or(|p| *p == run.principal.id)
            && search.outcome.is_none_or(|o| run.outcome == Some(o));
        if !is_it {
            continue;
        }
        last = Some(run.opened);
        if sees(&run) {
            runs.push(run);
        }
        if runs.len() >= search.limit {
            return Ok((runs, last));
        }
    }
    Ok((runs, last.filter(|_| full)))
}
