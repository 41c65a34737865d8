//! Why an action does not happen.

use tollgate_ledger::CommitError;
use tollgate_model::{
    decision::{Basis, Requirement},
    ids::{ApprovalId, DecisionId},
    time::Timestamp,
};

use crate::identity::UnknownPrincipal;

/// Why an action does not happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// It is denied.
    Denied {
        /// The decision.
        decision: DecisionId,
        /// The basis of the decision.
        basis: Box<Basis>,
    },
    /// It could not be decided, which denies.
    Undecidable {
        /// The decision.
        decision: DecisionId,
        /// The basis of the decision: its errors.
        basis: Box<Basis>,
    },
    /// It waits for an approval.
    Pending {
        /// The decision.
        decision: DecisionId,
        /// The basis of the decision.
        basis: Box<Basis>,
        /// The pending approval.
        approval: ApprovalId,
        /// The approvals that would lift it.
        requirement: Box<Requirement>,
        /// When it expires.
        expires: Timestamp,
        /// The call's effects, if it was stopped in the middle: it runs again from the beginning. Empty if
        /// nothing ran.
        happened: Vec<String>,
    },
    /// It needs an approval, but its principal already has the most pending ones.
    TooManyPending {
        /// The decision: denied.
        decision: DecisionId,
        /// The limit.
        most: u64,
    },
    /// An approver rejected it, and the same call stays denied until then.
    Rejected {
        /// The approval.
        approval: ApprovalId,
        /// The end of the rejection.
        until: Timestamp,
    },
    /// There is no tool with this name: nothing was decided.
    UnknownTool {
        /// The name, printable.
        tool: String,
        /// A loaded tool with a similar name.
        nearest: Option<String>,
    },
    /// The arguments or the caller are invalid: nothing was decided.
    Invalid {
        /// What is wrong, with a JSON pointer if there is one.
        problem: String,
        /// A similar configured name.
        nearest: Option<String>,
    },
    /// A halt is in force.
    Halted {
        /// The halt and its reason.
        reason: String,
    },
    /// The run has ended.
    RunEnded,
    /// It could not be recorded, so it does not happen.
    Unrecorded {
        /// The reason.
        reason: String,
    },
}

impl Refusal {
    /// The effects of a call that was stopped to wait for an approval.
    #[must_use]
    pub fn happened(&self) -> &[String] {
        match self {
            Self::Pending { happened, .. } => happened,
            _ => &[],
        }
    }

    /// The same without the component's own words.
    pub(crate) fn in_general_terms(self) -> Self {
        let done = match self.happened().len() {
            0 => Vec::new(),
            n => vec![format!("effects ({n}) that policy withholds")],
        };
        self.after(done)
    }

    /// The pending refusal, after these effects.
    pub(crate) fn after(mut self, done: Vec<String>) -> Self {
        if let Self::Pending { happened, .. } = &mut self {
            *happened = done;
        }
        self
    }
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Halted { .. } => Self::Halted {
                reason: error.to_string(),
            },
            CommitError::RunEnded => Self::RunEnded,
            other => Self::Unrecorded {
                reason: other.to_string(),
            },
        }
    }
}

impl From<UnknownPrincipal> for Refusal {
    fn from(unknown: UnknownPrincipal) -> Self {
        let UnknownPrincipal { problem, nearest } = unknown;
        Self::Invalid { problem, nearest }
    }
}
