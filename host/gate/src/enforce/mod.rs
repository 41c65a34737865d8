//! The policy enforcement point: nothing that has an effect happens without a [`Permitted`].
//!
//! [`Act`] says what is asked for, one implementation per kind of action. The [`Pep`] adds what is
//! known, has it decided, records the decision, and only for a recorded allow gives out the act again,
//! as a [`Permitted`]. It never executes anything itself.

mod acts;
mod admission;
mod approvals;
mod capability;
#[cfg(test)]
mod capability_tests;
mod midcall;
mod nested;
mod network;
mod pep;
mod report;
mod state;
mod stored;
mod underway;

use std::{collections::BTreeSet, sync::Arc};

use tollgate_model::{
    canonical::Sha256Digest,
    decision::{Basis, Requirement},
    entity::{Entity, Uid},
    ids::{ApprovalId, DecisionId, RunId, SpanId},
    record::{Arrival, KeyedDigest},
    request::{Action, Reported, Request, WindowFacts},
    time::Timestamp,
};

pub use acts::{FileAct, OperatorAct, RunAct, ToolCall};
pub(crate) use admission::{Admission, Admitted};
pub use approvals::{Answered, ApprovalError, ApprovalView};
pub(crate) use approvals::{Words, cli_agent};
pub(crate) use capability::Remainder;
pub use capability::{Capabilities, Done};
pub use nested::{Allowance, NestedFault, Spent};
pub(crate) use nested::{Line, MAX_DEPTH, Terms};
pub use network::{HttpAct, Outgoing, Place, SecretAct};
pub(crate) use pep::Pep;
pub use report::{Listener, Report};
pub use state::{MAX_VALUE, Scope, StateAct, StateFault};
pub use stored::StoredCall;
pub use underway::Waiter;
pub(crate) use underway::{Running, Underway};

use crate::snapshot::Snapshot;
use tollgate_ledger::{CommitError, Condition, HaltKeys, StateUpdate, StateUpdateResult};

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
    /// The call's own span, `execute_tool`; for a repeat of a call that waited, that call's.
    pub call: SpanId,
    /// The span that it got when it arrived: it tells a call from its repeats.
    pub own: SpanId,
    /// The span of the caller's own that the agent's call stands under; unproven.
    pub caller: Option<SpanId>,
    /// How the agent's call reached the gate; unproven.
    pub arrival: Arrival,
    /// The calls that it is made within, outermost first; empty for the agent's own.
    pub within: Vec<Within>,
    /// Labels of what those have read and that have not reached the run yet.
    pub carried: BTreeSet<String>,
    /// Keyed digest of the call's arguments, once they are known.
    pub arguments: Option<KeyedDigest>,
    /// How often the call has been started, this time included.
    pub attempt: u32,
    /// What its principal has done lately, when it was decided.
    pub lately: Lately,
}

/// What a principal has done lately, as far as it outlives a run or was reported.
#[derive(Debug, Clone, Default)]
pub struct Lately {
    /// What was reported about the run.
    pub run: Reported,
    /// In all its runs.
    pub window: WindowFacts,
}

/// A call that waits for one that its component makes.
#[derive(Debug, Clone)]
pub struct Within {
    /// Its span, `execute_tool`.
    pub call: SpanId,
    /// Its component.
    pub component: String,
    /// Its tool.
    pub tool: String,
    /// Its `invoke_component` span.
    pub span: SpanId,
    /// Keyed digest of its arguments.
    pub arguments: KeyedDigest,
    /// How often it has been started.
    pub attempt: u32,
    /// Its component's file.
    pub digest: Sha256Digest,
}

impl CallContext {
    /// The span that the call stands under.
    fn above(&self) -> SpanId {
        self.within.last().map_or(self.root, |call| call.span)
    }

    /// Components through which the call is made, outermost first.
    fn via(&self) -> Vec<String> {
        self.within.iter().map(|c| c.component.clone()).collect()
    }

    /// That neither this call of `tool` is halted, nor one that it is made within.
    fn not_halted<'a>(
        &'a self,
        tool: &'a str,
        component: &'a str,
    ) -> impl Iterator<Item = Condition> + 'a {
        let own = [(tool, component)];
        let above = self.within.iter();
        let all = above.map(|c| (c.tool.as_str(), c.component.as_str()));
        all.chain(own).map(|(tool, component)| {
            Condition::NotHalted(HaltKeys {
                agent: self.principal.id.clone(),
                component: Some(component.into()),
                tenant: self.snapshot.config.gate.tenant.clone(),
                tool: Some(tool.into()),
            })
        })
    }
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

    /// What an approver reads first.
    fn short(&self) -> String {
        self.target()
    }

    /// All of it that the resource does not tell: what an approver must see, and what an approval is
    /// bound to. Of what is sent or written that is every byte.
    fn detail(&self) -> serde_json::Value;

    /// Labels that what comes back adds to the run.
    fn labels(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// The resource's id, if it is one that keeps the labels of what is written to it.
    fn keeper(&self) -> Option<String> {
        None
    }

    /// By what the keeper is known if it is one thing under several ids.
    fn place(&self) -> Option<String> {
        None
    }

    /// Take in the labels that the [`keeper`](Self::keeper) has taken on so far.
    fn kept(&mut self, _labels: BTreeSet<String>) {}

    /// Whether these are no more than the labels that were taken in.
    fn knows(&self, _labels: &BTreeSet<String>) -> bool {
        true
    }

    /// Whether it writes to its [`keeper`](Self::keeper), which then takes on the run's labels.
    fn writes(&self) -> bool {
        false
    }

    /// What it changes in the store, in the transaction of its decision; `marks` are the labels that what
    /// is written takes on.
    fn change(&mut self, _marks: &BTreeSet<String>) -> Option<StateUpdate> {
        None
    }

    /// Take in what became of the [`change`](Self::change).
    fn changed(&mut self, _changed: StateUpdateResult) {}
}

/// Proof of a recorded allow. It cannot be copied, and what it permits cannot be changed.
#[derive(Debug)]
pub struct Permitted<A: Act> {
    act: A,
    /// Span under which the effect stands.
    span: SpanId,
    /// How often files had been marked before the labels of this one were looked up.
    marks_before: u64,
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

impl Refusal {
    /// What a call that waits in the middle had done by then.
    #[must_use]
    pub fn happened(&self) -> &[String] {
        match self {
            Self::Pending { happened, .. } => happened,
            _ => &[],
        }
    }

    /// The same without a word of the component's own.
    pub(crate) fn in_general_terms(self) -> Self {
        let done = match self.happened().len() {
            0 => Vec::new(),
            n => vec![format!("effects ({n}) that policy keeps from you")],
        };
        self.after(done)
    }

    /// Pending, after all this was done.
    fn after(mut self, done: Vec<String>) -> Self {
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
    action.is_capability()
}
