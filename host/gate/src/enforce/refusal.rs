//! Why something does not happen.

use tollgate_ledger::CommitError;
use tollgate_model::{
    decision::{Basis, Requirement},
    ids::{ApprovalId, DecisionId},
    time::Timestamp,
};

use crate::identity::UnknownPrincipal;

/// Why something does not happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// Decided: no.
    Denied {
        /// The decision.
        decision: DecisionId,
        /// What it rests on.
        basis: Basis,
    },
    /// It could not be decided, which denies.
    Undecidable {
        /// The decision.
        decision: DecisionId,
        /// What it rests on: its errors.
        basis: Basis,
    },
    /// It waits for a human.
    Pending {
        /// The decision.
        decision: DecisionId,
        /// What it rests on.
        basis: Basis,
        /// Whose answer is waited for.
        approval: ApprovalId,
        /// What would lift it.
        requirement: Requirement,
        /// When it expires.
        expires: Timestamp,
        /// What the call had done by then, if it was ended in the middle: it runs again from the
        /// beginning. Empty if nothing ran.
        happened: Vec<String>,
    },
    /// It would wait for a human, but its principal waits for as many as it may already.
    TooManyPending {
        /// The decision: denied.
        decision: DecisionId,
        /// How many may be pending at once.
        most: u64,
    },
    /// A human said no, and the same call stays refused until then.
    Rejected {
        /// The answer.
        approval: ApprovalId,
        /// Until when.
        until: Timestamp,
    },
    /// No tool has this name: nothing was decided.
    UnknownTool {
        /// The name, printable.
        tool: String,
        /// The name of a loaded tool that is like it.
        nearest: Option<String>,
    },
    /// The arguments, or the caller, are wrong: nothing was decided.
    Invalid {
        /// What is wrong, with a JSON pointer where there is one.
        problem: String,
        /// A configured name that is like the one that was given.
        nearest: Option<String>,
    },
    /// A halt is in force.
    Halted {
        /// Which, and why.
        reason: String,
    },
    /// The run has ended.
    RunEnded,
    /// It could not be recorded, so it does not happen.
    Unrecorded {
        /// Why not.
        reason: String,
    },
}

impl Refusal {
    /// What a call that waits in the middle had done by then.
    #[must_use]
    pub fn happened(&self) -> &[String] {
        match self {
            Self::Pending { happened, .. } => happened,
            _ => &[],
        }
    }

    /// The same without anything in the component's own words.
    pub(crate) fn in_general_terms(self) -> Self {
        let done = match self.happened().len() {
            0 => Vec::new(),
            n => vec![format!("effects ({n}) that policy keeps from you")],
        };
        self.after(done)
    }

    /// Pending, after all this was done.
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
