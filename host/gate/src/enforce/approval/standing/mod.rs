//! Standing approvals: given with an answer, used by later calls, ended by people.
//!
//! A standing approval allows nothing by itself. Each call is decided again with it as a fact, and it counts
//! only if its approver might approve this call now, and the like of it.

mod cover;
mod end;
mod grant;

use std::{collections::BTreeMap, time::Duration};

use tollgate_ledger::StandingRow;
use tollgate_model::{
    request::StandingTerms,
    standing::{Allowance, StandingScope},
};

pub(crate) use cover::StandingCover;
pub(super) use grant::StandingDraft;

/// What an approver approves besides the call that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct StandingRequest {
    /// What may differ from the waiting call, by JSON pointer. All else is as in the call.
    pub arguments: BTreeMap<String, Allowance>,
    /// How long it counts.
    pub lifetime: Duration,
    /// The calls in which it counts.
    pub scope: StandingScope,
    /// How many calls it may allow; the waiting one is not among them.
    pub uses: u64,
}

impl StandingRequest {
    fn terms(&self) -> StandingTerms {
        StandingTerms {
            lifetime: u64::try_from(self.lifetime.as_micros()).unwrap_or(u64::MAX),
            scope: self.scope,
            uses: self.uses,
        }
    }
}

/// The terms under which a standing approval was granted.
fn terms(row: &StandingRow) -> StandingTerms {
    StandingTerms {
        lifetime: row.granted.expires.since(row.since),
        scope: row.granted.scope,
        uses: row.granted.max_uses,
    }
}

/// A standing approval as a person sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct StandingView {
    /// The standing approval.
    pub row: StandingRow,
    /// What it requires of each argument, as JSON with control and bidirectional characters escaped; absent
    /// if this person may not answer for such calls, or if the key that sealed it was destroyed.
    pub pattern: Option<String>,
}
