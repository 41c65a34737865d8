//! A run as a sequence of steps: the call, its arguments, its decisions, its execution and its outcome.
//!
//! Everything here is a pure function of a run's records. It holds digests and names, never an argument or
//! a result.
//!
//! | file | contents |
//! |---|---|
//! | `steps` | records to steps |
//! | `findings` | the slowest step, and the phase of a failure |
//! | `diff` | comparison of two runs |
//! | `case` | the incident report: context, actions, signals, enforcement, missing evidence |

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

/// A record with its index in the ledger.
pub type IndexedRecord = (u64, Record);

/// A run, read from its records.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunSteps {
    /// When it began; absent where that record is missing.
    pub started: Option<Timestamp>,
    /// The principal.
    pub principal: Option<Uid>,
    /// The user for whom it acts.
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
    /// Tool calls in the order of their starts; a nested call comes after its enclosing call.
    pub steps: Vec<Step>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunEnd {
    /// When.
    pub at: Timestamp,
    /// The outcome.
    pub outcome: RunOutcome,
    /// The reason.
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
    /// The enclosing call; absent for the agent's own calls.
    pub within: Option<SpanId>,
    /// The nesting depth.
    pub depth: u32,
    /// When it arrived.
    pub started: Timestamp,
    /// When it ended; absent while it is open.
    pub ended: Option<Timestamp>,
    /// Its outcome.
    pub outcome: StepOutcome,
    /// Why it was refused before any policy, such as `invalid_arguments`.
    pub problem: Option<String>,
    /// JSON pointers to the errors, without values.
    pub pointers: Vec<String>,
    /// Keyed digest of tool and arguments; equal for equal calls.
    pub arguments: Option<KeyedDigest>,
    /// Bytes of the arguments.
    pub arguments_size: Option<u64>,
    /// The component's file, or the upstream server's definitions: the tool's version.
    pub version: Option<Sha256Digest>,
    /// Decisions on the call itself, in order.
    pub decisions: Vec<DecisionSummary>,
    /// Approvals that it requested.
    pub approvals: Vec<ApprovalRequest>,
    /// Its executions.
    pub attempts: Vec<Attempt>,
    /// Effects that its component requested, with their decisions.
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
    /// A user rejected it.
    Rejected,
    /// No one answered in time.
    Expired,
    /// It was withdrawn while it was pending.
    Cancelled,
    /// It ran, and policy withheld its result.
    Withheld,
    /// It ran, and the tool reported an error.
    ToolError,
    /// It ran, and the guest trapped, or exceeded its time, fuel or memory.
    Failed,
    /// A halt ended it.
    Halted,
    /// It was started, and its outcome is not known.
    Indeterminate,
    /// It waits for an approval.
    Waiting,
    /// It runs, or is being decided.
    Open,
}

impl StepOutcome {
    /// Its name in lists.
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

    /// Whether it failed finally.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::Waiting | Self::Open)
    }
}

/// A decision without its facts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecisionSummary {
    /// Its id.
    pub id: DecisionId,
    /// The answer.
    pub outcome: Outcome,
    /// The principal.
    pub principal: Uid,
    /// The action: the name of the tool, or an operation such as `read_file`.
    pub action: String,
    /// The resource.
    pub resource: Uid,
    /// Policies that determined it.
    pub policies: Vec<String>,
    /// Their reasons, or the error.
    pub reason: String,
    /// The bundle that decided.
    pub bundle: Sha256Digest,
    /// The outcome with the shadow policies, if it differs.
    pub shadow: Option<Outcome>,
    /// Whether its facts are sealed, so that it can be replayed.
    pub has_facts: bool,
    /// When.
    pub at: Timestamp,
}

/// One execution of a step.
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
    /// The status.
    pub status: Option<Status>,
    /// World-changing effects that were begun.
    pub effects: u64,
}

/// An effect that a component requested, and its outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EffectRequest {
    /// The operation, such as `read_file`.
    pub operation: String,
    /// The target: a path within a grant, a URL without its query, or the name of a secret.
    pub target: String,
    /// The decision about it; absent if it has no decision of its own.
    pub decision: Option<DecisionSummary>,
    /// Whether it was performed or tried.
    pub done: bool,
    /// Why it failed, as the guest saw it.
    pub error: Option<String>,
}

/// An approval that a step requested.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApprovalRequest {
    /// Its id.
    pub id: ApprovalId,
    /// The roles and number of approvals that it needs, as text.
    pub needs: String,
    /// When it was requested.
    pub requested: Timestamp,
    /// When it was resolved.
    pub resolved: Option<Timestamp>,
    /// Its state.
    pub state: ApprovalState,
    /// Who answered in time, and whether they approved.
    pub answers: Vec<(Uid, bool)>,
}

impl RunSteps {
    /// The agent's own calls, without nested ones.
    pub fn own(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.within.is_none())
    }

    /// All decisions of the run's calls, by id.
    #[must_use]
    pub fn decisions(&self) -> Vec<&DecisionSummary> {
        let mut all: Vec<&DecisionSummary> =
            self.steps.iter().flat_map(Step::all_decisions).collect();
        all.sort_unstable_by_key(|decided| decided.id.0);
        all
    }
}

impl Step {
    /// All decisions of the step: about the call, its effects and its result.
    pub fn all_decisions(&self) -> impl Iterator<Item = &DecisionSummary> {
        let effects = self.effects.iter().filter_map(|e| e.decision.as_ref());
        self.decisions
            .iter()
            .chain(effects)
            .chain(self.released.as_ref())
    }

    /// Its duration in microseconds; absent while it is open.
    #[must_use]
    pub fn took(&self) -> Option<u64> {
        Some(self.ended?.since(self.started))
    }

    /// The part of it in which an approval was pending, in microseconds.
    #[must_use]
    pub fn waited(&self) -> u64 {
        let waits = self.approvals.iter();
        let waits = waits.filter_map(|a| Some(a.resolved?.since(a.requested)));
        waits.fold(0, u64::saturating_add)
    }

    /// Effects that policy did not allow.
    pub fn refused_effects(&self) -> impl Iterator<Item = &EffectRequest> {
        self.effects.iter().filter(|effect| {
            effect
                .decision
                .as_ref()
                .is_some_and(|d| d.outcome != Outcome::Allow)
        })
    }
}
