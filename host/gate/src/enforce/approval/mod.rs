//! Approvals: who may answer one, and the effect of an answer.
//!
//! Answering is itself decided and recorded. It does not run the waiting call: the caller repeats the call,
//! and it is decided again.

mod answer;
mod asking_side;
mod edit;
mod elicitation;
mod error;
mod link;
mod pending_call;
mod preview;
mod question;
mod responder;
mod standing;
mod subject;
mod view;

use std::collections::BTreeSet;

use serde::Serialize;
use tollgate_ledger::ApprovalRow;
use tollgate_model::{
    decision::Basis,
    ids::{ApprovalId, DecisionId, LinkId, StandingId},
    life::ApprovalState,
    request::PriorApproval,
};

pub use elicitation::{ElicitationResponse, GivenInput};
pub use error::ApprovalError;
pub use pending_call::PendingCall;
pub(crate) use question::question_digest;
pub(crate) use responder::Responder;
pub(crate) use standing::StandingCover;
pub use standing::{StandingRequest, StandingView};
pub use view::{ApprovalView, QuestionCall};

use super::{Pep, Refusal, Ruleset};
use crate::config::Config;

/// The channel of people who read or answer by the API, as policies see it.
pub(crate) const REST: &str = "rest";
/// The channel of people at the owner's socket, as policies see it.
pub(crate) const CLI: &str = "cli";
/// How often an answer is tried again because another answer came first.
const MAX_ATTEMPTS: u32 = 16;

/// An approver's answer.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalResponse<'a> {
    /// Approve or reject.
    pub vote: Vote,
    /// Digest of the call that the approver saw, which must be that of the waiting call.
    pub seen: Option<&'a str>,
    /// A note for the record.
    pub note: Option<&'a str>,
    /// Arguments with which the call is approved, instead of the agent's: a JSON object as text.
    pub edit: Option<&'a str>,
    /// What is approved besides this call.
    pub standing: Option<&'a StandingRequest>,
    /// The channel, such as `cli` or `rest`.
    pub channel: &'a str,
    /// Users other than the approver who made the token by which the approver is known.
    pub token_makers: &'a BTreeSet<String>,
    /// The link by which it comes; it counts only for its own user, approval and call, once.
    pub link: Option<LinkId>,
}

/// Of an answer without a token, or with one that the approver made.
static NO_MAKERS: BTreeSet<String> = BTreeSet::new();

impl<'a> ApprovalResponse<'a> {
    /// An answer without a note and without a check of the digest.
    #[must_use]
    pub fn new(vote: Vote, channel: &'a str) -> Self {
        Self {
            vote,
            seen: None,
            note: None,
            edit: None,
            standing: None,
            channel,
            token_makers: &NO_MAKERS,
            link: None,
        }
    }
}

/// An approver's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vote {
    /// The call may run.
    Approve,
    /// The call may not run, until the approval would have expired.
    Reject,
}

/// An approval after an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApprovalResult {
    /// The approval.
    pub id: ApprovalId,
    /// Its state now.
    pub state: ApprovalState,
    /// The decision that allowed this person to answer.
    pub decision: DecisionId,
    /// What is still missing while it is pending.
    pub needs: Option<String>,
    /// The standing approval that was given with it.
    pub standing: Option<StandingId>,
}

/// Whether an approval belongs to this gate's tenant. Those of other tenants in the store are hidden.
fn is_here(ruleset: &Ruleset, row: &ApprovalRow) -> bool {
    row.tenant == ruleset.config.gate.tenant
}

/// Requires that the digest in an answer, if it has one, is that of what is shown of the waiting call.
fn require_shown(row: &ApprovalRow, seen: Option<&str>) -> Result<(), ApprovalError> {
    match seen {
        Some(seen) if seen != row.shown_digest().as_str() => Err(ApprovalError::OtherCall(row.id)),
        _ => Ok(()),
    }
}

impl Pep {
    /// An approval of this gate.
    fn approval_row(
        &self,
        ruleset: &Ruleset,
        id: ApprovalId,
    ) -> Result<ApprovalRow, ApprovalError> {
        let row = self.ledger.reader().approval(id)?;
        row.filter(|row| is_here(ruleset, row))
            .ok_or(ApprovalError::NotFound(id))
    }
}

/// The approval of a row as policies see it. An approver's roles count only if they still have them, and an
/// answer of a former user does not count.
pub(crate) fn grant_from_row(row: &ApprovalRow, config: &Config) -> PriorApproval {
    let mut granted = PriorApproval {
        count: 0,
        lifts: row.requirement.lifts.clone(),
        roles: BTreeSet::new(),
    };
    for (approver, roles) in &row.approvers {
        let Some(user) = config.users.get(&approver.id) else {
            continue;
        };
        granted.count += 1;
        granted
            .roles
            .extend(roles.intersection(&user.roles).cloned());
    }
    granted
}

/// The refusal of a call that waits for this approval.
pub(crate) fn pending_refusal(decision: DecisionId, basis: Basis, row: &ApprovalRow) -> Refusal {
    Refusal::Pending {
        decision,
        basis: Box::new(basis),
        approval: row.id,
        requirement: Box::new(row.requirement.clone()),
        expires: row.expires,
        happened: Vec::new(),
    }
}
