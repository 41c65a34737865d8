//! The events, and what all of them have to be asked.

use serde::{Deserialize, Serialize};

use super::{
    AdministrativeAct, ApprovalAnswerRefused, ApprovalAnswered, ApprovalEscalated,
    ApprovalLinkIssued, ApprovalLinkRevoked, ApprovalRequested, ApprovalResolved, Arrival,
    BundleActivated, CallInvalid, ComponentLog, DecisionRecord, Effect, Halt, LabelsJoined,
    OutcomeRecord, RunEnded, RunStarted, StandingEnded, StandingGranted, Start,
};
use crate::ids::SpanId;

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A bundle was activated.
    BundleActivated(BundleActivated),
    /// A run began.
    RunStarted(RunStarted),
    /// A run ended.
    RunEnded(RunEnded),
    /// A call was refused before any policy: unknown tool, or arguments that do not match.
    CallInvalid(CallInvalid),
    /// A request was decided.
    Decision(Box<DecisionRecord>),
    /// A call's component is about to run.
    Start(Start),
    /// A call's component ran.
    Outcome(OutcomeRecord),
    /// An effect that a component requested was carried out, or failed.
    Effect(Effect),
    /// A component's own log line, scrubbed and capped.
    ComponentLog(ComponentLog),
    /// A run took on labels of another run, because content of that run reaches it.
    LabelsJoined(LabelsJoined),
    /// An approval was asked for.
    ApprovalRequested(Box<ApprovalRequested>),
    /// An approver answered.
    ApprovalAnswered(ApprovalAnswered),
    /// An approval left the pending state.
    ApprovalResolved(ApprovalResolved),
    /// An approval was not answered in time, so more roles may answer it.
    ApprovalEscalated(ApprovalEscalated),
    /// A link was issued by which one user may answer an approval.
    ApprovalLinkIssued(ApprovalLinkIssued),
    /// Such a link was revoked.
    ApprovalLinkRevoked(ApprovalLinkRevoked),
    /// Answers were refused before policy decided about them.
    ApprovalAnswerRefused(ApprovalAnswerRefused),
    /// An approver approved the calls like one that waits.
    StandingGranted(Box<StandingGranted>),
    /// A standing approval no longer counts.
    StandingEnded(StandingEnded),
    /// Something was halted.
    Halted(Halt),
    /// A halt was lifted.
    Resumed(Halt),
    /// An administrative action.
    Administered(AdministrativeAct),
}

impl Event {
    /// Whether something happened in the run itself. What people do about a run, such as reading it, is recorded with
    /// it, and keeps it neither open nor makes it the latest.
    #[must_use]
    pub fn is_activity(&self) -> bool {
        match self {
            Self::Decision(decision) => !decision.action.is_of_people(),
            Self::ApprovalAnswerRefused(_)
            | Self::ApprovalLinkIssued(_)
            | Self::ApprovalLinkRevoked(_)
            | Self::StandingEnded(_)
            | Self::Administered(_) => false,
            Self::BundleActivated(_)
            | Self::RunStarted(_)
            | Self::RunEnded(_)
            | Self::CallInvalid(_)
            | Self::Start(_)
            | Self::Outcome(_)
            | Self::Effect(_)
            | Self::ComponentLog(_)
            | Self::LabelsJoined(_)
            | Self::ApprovalRequested(_)
            | Self::ApprovalAnswered(_)
            | Self::ApprovalResolved(_)
            | Self::ApprovalEscalated(_)
            | Self::StandingGranted(_)
            | Self::Halted(_)
            | Self::Resumed(_) => true,
        }
    }

    /// How a request reached the gate, if this is the first event about it.
    #[must_use]
    pub fn arrival(&self) -> Option<CallArrival<'_>> {
        match self {
            Self::Decision(decision) => Some(CallArrival {
                call: decision.call.filter(|_| decision.action.is_call()),
                caller_span: decision.caller_span,
                arrival: &decision.arrival,
            }),
            Self::CallInvalid(invalid) => Some(CallArrival {
                call: Some(invalid.call),
                caller_span: invalid.caller_span,
                arrival: &invalid.arrival,
            }),
            Self::BundleActivated(_)
            | Self::RunStarted(_)
            | Self::RunEnded(_)
            | Self::Start(_)
            | Self::Outcome(_)
            | Self::Effect(_)
            | Self::ComponentLog(_)
            | Self::LabelsJoined(_)
            | Self::ApprovalRequested(_)
            | Self::ApprovalAnswered(_)
            | Self::ApprovalResolved(_)
            | Self::ApprovalEscalated(_)
            | Self::ApprovalLinkIssued(_)
            | Self::ApprovalLinkRevoked(_)
            | Self::ApprovalAnswerRefused(_)
            | Self::StandingGranted(_)
            | Self::StandingEnded(_)
            | Self::Halted(_)
            | Self::Resumed(_)
            | Self::Administered(_) => None,
        }
    }
}

/// How a request reached the gate. Unverified, except for the call's own span.
#[derive(Debug, Clone, Copy)]
pub struct CallArrival<'a> {
    /// The call, if the request is to call a tool.
    pub call: Option<SpanId>,
    /// The caller's own span above it.
    pub caller_span: Option<SpanId>,
    /// The protocol's ids.
    pub arrival: &'a Arrival,
}
