//! The policy enforcement point: nothing that has an effect happens without a [`Permitted`].
//!
//! [`Act`] says what is asked for, one implementation per kind of action. The [`Pep`] adds what is
//! known, has it decided, records the decision, and only for a recorded allow gives out the act again,
//! as a [`Permitted`]. It never executes anything itself.

mod acts;
mod admission;
mod approvals;
mod capability;
mod network;
mod pep;

use std::{collections::BTreeSet, sync::Arc};

use tollgate_core::{
    canonical::Sha256Digest,
    decision::{Basis, Requirement},
    entity::{Entity, Uid},
    ids::{ApprovalId, DecisionId, RunId, SpanId},
    request::{Action, Request},
    time::Timestamp,
};

pub use acts::{FileAct, OperatorAct, RunAct, ToolCall};
pub use approvals::{Answered, ApprovalError, ApprovalView};
pub(crate) use approvals::{Words, cli_agent};
pub use capability::{Capabilities, Done};
pub use network::{HttpAct, Place, SecretAct};
pub(crate) use pep::Pep;

use crate::{ledger::CommitError, snapshot::Snapshot};

/// Who calls, within which run, under which configuration: fixed for the life of a call.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The configuration, policies and tools that the call keeps, whatever is reloaded meanwhile.
    pub snapshot: Arc<Snapshot>,
    /// Who acts.
    pub principal: Uid,
    /// The program that acts: the principal, or the built-in agent `cli` where a user acts.
    pub agent: Uid,
    /// On whose behalf.
    pub on_behalf_of: Uid,
    /// Who runs the agent.
    pub operator: Uid,
    /// The run.
    pub run: RunId,
    /// The run's root span.
    pub root: SpanId,
    /// The call's own span, `execute_tool`.
    pub call: SpanId,
}

/// Something that may only happen once it is decided and recorded.
pub trait Act {
    /// Who asks for what.
    fn request(&self, cx: &CallContext) -> Request;

    /// Entities of the request that the configuration does not name.
    fn entities(&self) -> Vec<Entity> {
        Vec::new()
    }

    /// Whether it changes the world, so that its decision must be durable before it happens.
    fn changes_the_world(&self) -> bool {
        true
    }
}

/// An act that a component asks of its host while its tool runs.
pub trait Capability: Act {
    /// What it is called in traces.
    fn target(&self) -> String;

    /// Labels that what comes back adds to the run.
    fn labels(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// The resource's id, if it is one that keeps the labels of what is written to it.
    fn keeper(&self) -> Option<String> {
        None
    }

    /// Take in the labels that the [`keeper`](Self::keeper) has taken on so far.
    fn kept(&mut self, _labels: BTreeSet<String>) {}

    /// Whether it writes to its [`keeper`](Self::keeper), which then takes on the run's labels.
    fn writes(&self) -> bool {
        false
    }
}

/// Proof of a recorded allow. It cannot be copied, and what it permits cannot be changed.
#[derive(Debug)]
pub struct Permitted<A: Act> {
    act: A,
    /// Span under which the effect stands.
    span: SpanId,
}

impl<A: Act> Permitted<A> {
    /// What is permitted.
    #[must_use]
    pub fn act(&self) -> &A {
        &self.act
    }

    /// The span under which the effect stands: `invoke_component` for a call, the effect's own span
    /// for a capability.
    #[must_use]
    pub fn span(&self) -> SpanId {
        self.span
    }
}

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
    },
    /// A human said no, and the same call stays refused until then.
    Rejected {
        /// The answer.
        approval: ApprovalId,
        /// Until when.
        until: Timestamp,
    },
    /// The arguments, or the tool's name, are wrong: nothing was decided.
    Invalid {
        /// What is wrong, with a JSON pointer where there is one.
        problem: String,
        /// The names of loaded tools that are alike, if the tool is unknown.
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

/// What the caller may know of a component: its name and the digest of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentRef {
    /// Its name in the configuration.
    pub name: String,
    /// Its file.
    pub digest: Sha256Digest,
}

/// Whether an action is one that a component asks of its host.
#[must_use]
pub fn is_capability(action: &Action) -> bool {
    matches!(
        action,
        Action::ReadFile
            | Action::WriteFile
            | Action::DeleteFile
            | Action::ListDirectory
            | Action::DeleteDirectory
            | Action::HttpRequest
            | Action::UseSecret
    )
}
