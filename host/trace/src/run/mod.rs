//! A run as a sequence of steps: the call, its arguments, its decisions, its execution and its outcome.
//!
//! Everything here is a pure function of a run's records. It holds digests and names, never an argument or
//! a result.
//!
//! | file | what it settles |
//! |---|---|
//! | `steps` | records to steps |
//! | `findings` | the slowest step; where a failure lies |
//! | `diff` | two runs, step by step |
//! | `case` | context, actions, signals, enforcement; what evidence is missing |

mod case;
mod diff;
mod findings;
mod steps;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;
use tollgate_model::{
    canonical::Sha256Digest,
    decision::Outcome,
    entity::Uid,
    ids::{ApprovalId, DecisionId, SpanId},
    life::ApprovalState,
    record::{KeyedDigest, Origin, Record, Release, RunOutcome, Status},
    time::Timestamp,
};

pub use case::{
    ActionSummary, ApprovalSummary, CaseContext, CaseView, Enforcement, Gap, RunEvidence, Signals,
};
pub use diff::{AlignedStep, Difference, DifferenceKind, RunDiff, diff};
pub use findings::{Findings, Phase, SlowestStep, StepFailure, Verdict, findings};

/// A record with its place in the ledger.
pub type IndexedRecord = (u64, Record);

/// A run, read from its records.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunSteps {
    /// When it began; absent where that record is missing.
    pub started: Option<Timestamp>,
    /// Who, and on whose behalf.
    pub principal: Option<Uid>,
    /// On whose behalf.
    pub on_behalf_of: Option<Uid>,
    /// The root span.
    pub root: Option<SpanId>,
    /// Its place in the caller's own trace and conversation.
    pub origin: Origin,
    /// Labels that it began with.
    pub inherited: BTreeSet<String>,
    /// When and how it ended.
    pub ended: Option<RunEnd>,
    /// When something last happened.
    pub last: Option<Timestamp>,
    /// Every bundle that decided, in order of first use.
    pub bundles: Vec<Sha256Digest>,
    /// Tool calls in the order in which they began; one that a component makes comes after the one that it
    /// is made in.
    pub steps: Vec<Step>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunEnd {
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: RunOutcome,
    /// Why.
    pub stop_reason: String,
    /// Who ended it.
    pub by: String,
}

/// One tool call, from the first decision to its outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Its span.
    pub call: SpanId,
    /// The tool.
    pub tool: String,
    /// The call that its component makes it in; absent for the agent's own.
    pub within: Option<SpanId>,
    /// How many calls it is made within.
    pub depth: u32,
    /// When it arrived.
    pub started: Timestamp,
    /// When it was over; absent while it is not.
    pub ended: Option<Timestamp>,
    /// Its outcome.
    pub outcome: StepOutcome,
    /// What was wrong with it before any policy: `invalid_arguments` and the like.
    pub problem: Option<String>,
    /// JSON pointers to what was wrong; no values.
    pub pointers: Vec<String>,
    /// Keyed digest of tool and arguments: equal calls have equal ones.
    pub arguments: Option<KeyedDigest>,
    /// Bytes of the arguments.
    pub arguments_size: Option<u64>,
    /// The component's file, or the upstream server's definitions: the tool's version.
    pub version: Option<Sha256Digest>,
    /// Decisions on the call itself, in order.
    pub decisions: Vec<DecisionSummary>,
    /// Approvals that it asked for.
    pub approvals: Vec<ApprovalRequest>,
    /// Each time that it ran.
    pub attempts: Vec<Attempt>,
    /// What its component asked for, with what was decided on it.
    pub effects: Vec<EffectRequest>,
    /// The decision on its result.
    pub released: Option<DecisionSummary>,
    /// The release of the result.
    pub release: Option<Release>,
    /// Keyed digest of the result.
    pub result: Option<KeyedDigest>,
    /// Bytes of the result.
    pub result_size: u64,
    /// Labels that its content added to the run.
    pub labels: BTreeSet<String>,
    /// Lines that its component logged as warnings or errors.
    pub warnings: u64,
}

/// The outcome of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// It ran, and its result was released, whole or redacted.
    Ok,
    /// It was refused before any policy.
    Invalid,
    /// Policy denied it. Nothing ran.
    Denied,
    /// It could not be decided, which denies.
    Undecidable,
    /// A person said no.
    Rejected,
    /// No one answered in time.
    Expired,
    /// It was given up while it waited.
    Cancelled,
    /// It ran, and policy kept its result back.
    Withheld,
    /// It ran, and the tool says that it failed.
    ToolError,
    /// It ran, and its guest trapped, or was out of time, fuel or memory.
    Failed,
    /// A halt ended it.
    Halted,
    /// It was started, and its outcome is not known.
    Indeterminate,
    /// It waits for a person.
    Waiting,
    /// It runs, or has not been decided to the end.
    Open,
}

impl StepOutcome {
    /// As lists spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::Undecidable => "undecidable",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Withheld => "withheld",
            Self::ToolError => "tool_error",
            Self::Failed => "failed",
            Self::Halted => "halted",
            Self::Indeterminate => "indeterminate",
            Self::Waiting => "waiting",
            Self::Open => "open",
        }
    }

    /// Whether it did not do what it was for, and will not.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::Waiting | Self::Open)
    }
}

/// A decision, without what it was made from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecisionSummary {
    /// Its id.
    pub id: DecisionId,
    /// The answer.
    pub outcome: Outcome,
    /// Who asked.
    pub principal: Uid,
    /// To do what: the tool's name, or such as `read_file`.
    pub action: String,
    /// With what.
    pub resource: Uid,
    /// Policies that determined it.
    pub policies: Vec<String>,
    /// Their reasons, or why there is no answer.
    pub reason: String,
    /// The bundle that decided.
    pub bundle: Sha256Digest,
    /// What shadow policies would have made of it.
    pub shadow: Option<Outcome>,
    /// Whether what it was made from is sealed, so that it can be decided again.
    pub has_facts: bool,
    /// When.
    pub at: Timestamp,
}

/// A time that a step ran.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// Its span.
    pub span: SpanId,
    /// From 1.
    pub number: u32,
    /// The component, or the upstream server.
    pub component: String,
    /// Whether it ran outside the sandbox, where only the call itself is decided.
    pub unsandboxed: bool,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How.
    pub status: Option<Status>,
    /// World-changing effects that were begun.
    pub effects: u64,
}

/// An effect that a component requested, and its outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EffectRequest {
    /// Such as `read_file`.
    pub operation: String,
    /// On what: a path within a grant, a URL without its query, a secret's name.
    pub target: String,
    /// The decision on it; absent where it was not decided by itself.
    pub decision: Option<DecisionSummary>,
    /// Whether it was carried out, or tried.
    pub done: bool,
    /// Why it failed, as the guest saw it.
    pub error: Option<String>,
}

/// An approval that a step asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApprovalRequest {
    /// Its id.
    pub id: ApprovalId,
    /// The roles and number of approvals that it needs, as text.
    pub needs: String,
    /// When it was asked for.
    pub requested: Timestamp,
    /// When it was settled.
    pub resolved: Option<Timestamp>,
    /// Where it is.
    pub state: ApprovalState,
    /// Who answered in time, and whether they approved.
    pub answers: Vec<(Uid, bool)>,
}

impl RunSteps {
    /// The agent's own calls: those that no component makes.
    pub fn own(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.within.is_none())
    }

    /// Every decision within the run's calls, in order of their ids.
    #[must_use]
    pub fn decisions(&self) -> Vec<&DecisionSummary> {
        let mut all: Vec<&DecisionSummary> =
            self.steps.iter().flat_map(Step::all_decisions).collect();
        all.sort_unstable_by_key(|decided| decided.id.0);
        all
    }
}

impl Step {
    /// Every decision that belongs to it: on the call, on what its component asked for, on its result.
    pub fn all_decisions(&self) -> impl Iterator<Item = &DecisionSummary> {
        let effects = self.effects.iter().filter_map(|e| e.decision.as_ref());
        self.decisions
            .iter()
            .chain(effects)
            .chain(self.released.as_ref())
    }

    /// Microseconds that it took; absent while it is open.
    #[must_use]
    pub fn took(&self) -> Option<u64> {
        Some(self.ended?.since(self.started))
    }

    /// Microseconds of those in which it waited for a person.
    #[must_use]
    pub fn waited(&self) -> u64 {
        let waits = self.approvals.iter();
        let waits = waits.filter_map(|a| Some(a.resolved?.since(a.requested)));
        waits.fold(0, u64::saturating_add)
    }

    /// What a component asked for and policy did not allow.
    pub fn refused_effects(&self) -> impl Iterator<Item = &EffectRequest> {
        self.effects.iter().filter(|effect| {
            effect
                .decision
                .as_ref()
                .is_some_and(|d| d.outcome != Outcome::Allow)
        })
    }
}
