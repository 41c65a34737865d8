//! How a call is admitted: one pure table from its situation to the next step.
//!
//! The gate evaluates a call, looks up its approval, and asks [`next_step`] what to do. It then performs
//! that step and nothing else. Every combination is listed, so a new state or outcome does not compile
//! until its step is defined.

use crate::{decision::Outcome, life::ApprovalState};

/// The most approvals that one call may request.
pub const MAX_ROUNDS: u32 = 3;

/// How a call was evaluated, and therefore which approval [`Situation::approval`] refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// For the first time, without an approval. The approval is the one that this call has requested, if
    /// any.
    New,
    /// Again, as the call that requested an approval, and with it if it was granted.
    Asked,
    /// Again, after it ran and was stopped because an effect inside it needs an approval. The approval is
    /// that of the effect; the call itself is evaluated without one.
    Suspended,
    /// Like [`Phase::Suspended`], but the effect was approved and the call itself needs an approval as
    /// well. The approval is the call's own.
    SuspendedAndAsked,
}

/// The standing of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApprovalStanding {
    /// There is none, or it was used, replaced or cancelled.
    Absent,
    /// Not enough people have answered.
    Pending,
    /// It was granted and not used yet.
    Granted,
    /// It was rejected. The same call stays denied until it expires.
    Rejected,
    /// It was pending or granted, and has expired.
    Expired,
}

impl ApprovalStanding {
    /// The standing of an approval in `state`; `overdue` means that it has expired.
    #[must_use]
    pub fn of(state: ApprovalState, overdue: bool) -> Self {
        match (state, overdue) {
            (ApprovalState::Pending | ApprovalState::Approved, true) => Self::Expired,
            (ApprovalState::Pending, false) => Self::Pending,
            (ApprovalState::Approved, false) => Self::Granted,
            (ApprovalState::Rejected, false) => Self::Rejected,
            (ApprovalState::Rejected, true)
            | (ApprovalState::Expired | ApprovalState::Cancelled | ApprovalState::Consumed, _) => {
                Self::Absent
            }
        }
    }
}

/// Everything that determines the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Situation {
    /// How the call was evaluated.
    pub phase: Phase,
    /// The policy decision.
    pub outcome: Outcome,
    /// The approval that belongs to the phase.
    pub approval: ApprovalStanding,
    /// Whether that approval, once granted, lifts every policy that denies the call now.
    pub covered: bool,
    /// Whether the call may request another approval: it has requested fewer than [`MAX_ROUNDS`].
    pub may_ask_again: bool,
}

/// What the gate does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Record the allow and start the call. Uses no approval.
    Start,
    /// Record the allow and start the call again. Consumes the approval if it was granted, otherwise voids
    /// it because nothing needs it any more.
    Resume,
    /// Record the denial.
    Deny,
    /// Record the denial and void the approval: it can no longer lead to this call.
    DenyAndCancel,
    /// Record the denial because an approver rejected this call.
    DenyRejected,
    /// Record the escalation and request an approval. Replaces an existing approval.
    Ask,
    /// Record that the call still waits for its approval.
    Wait,
    /// Record that the approval has expired, and start over.
    Expire,
    /// Evaluate again as [`Phase::Asked`].
    EvaluateAsked,
    /// Look up the call's own approval and evaluate with it, as [`Phase::SuspendedAndAsked`].
    EvaluateSuspendedAndAsked,
}

/// The next step for a call in this situation.
#[must_use]
pub fn next_step(situation: Situation) -> Step {
    let Situation {
        phase,
        outcome,
        approval,
        ..
    } = situation;
    match phase {
        Phase::New => new(outcome, approval),
        Phase::Asked => asked(situation),
        Phase::Suspended => suspended(outcome, approval),
        Phase::SuspendedAndAsked => suspended_and_asked(situation),
    }
}

fn new(outcome: Outcome, approval: ApprovalStanding) -> Step {
    match (outcome, approval) {
        (Outcome::Allow, _) => Step::Start,
        (Outcome::Error, _) | (Outcome::Deny, ApprovalStanding::Absent) => Step::Deny,
        (Outcome::Escalate, ApprovalStanding::Absent) => Step::Ask,
        (Outcome::Deny | Outcome::Escalate, ApprovalStanding::Rejected) => Step::DenyRejected,
        (Outcome::Deny | Outcome::Escalate, ApprovalStanding::Expired) => Step::Expire,
        (
            Outcome::Deny | Outcome::Escalate,
            ApprovalStanding::Pending | ApprovalStanding::Granted,
        ) => Step::EvaluateAsked,
    }
}

fn asked(situation: Situation) -> Step {
    match (situation.outcome, situation.approval) {
        (_, ApprovalStanding::Expired) => Step::Expire,
        (_, ApprovalStanding::Rejected) => Step::DenyRejected,
        // It was used or withdrawn between two evaluations.
        (Outcome::Allow, ApprovalStanding::Absent) => Step::Start,
        (Outcome::Escalate, ApprovalStanding::Absent) => Step::Ask,
        (Outcome::Deny | Outcome::Error, ApprovalStanding::Absent) => Step::Deny,
        (Outcome::Allow, ApprovalStanding::Pending | ApprovalStanding::Granted) => Step::Resume,
        (Outcome::Escalate, ApprovalStanding::Pending) if situation.covered => Step::Wait,
        (Outcome::Escalate, ApprovalStanding::Pending | ApprovalStanding::Granted)
            if situation.may_ask_again =>
        {
            Step::Ask
        }
        (
            Outcome::Escalate | Outcome::Deny | Outcome::Error,
            ApprovalStanding::Pending | ApprovalStanding::Granted,
        ) => Step::DenyAndCancel,
    }
}

fn suspended(outcome: Outcome, approval: ApprovalStanding) -> Step {
    match (outcome, approval) {
        (_, ApprovalStanding::Rejected) => Step::DenyRejected,
        (_, ApprovalStanding::Expired) => Step::Expire,
        (Outcome::Deny | Outcome::Error, ApprovalStanding::Absent) => Step::Deny,
        (Outcome::Deny | Outcome::Error, ApprovalStanding::Pending | ApprovalStanding::Granted) => {
            Step::DenyAndCancel
        }
        (Outcome::Allow, ApprovalStanding::Absent) => Step::Start,
        (Outcome::Escalate, ApprovalStanding::Absent) => Step::Ask,
        (Outcome::Allow | Outcome::Escalate, ApprovalStanding::Pending) => Step::Wait,
        (Outcome::Allow, ApprovalStanding::Granted) => Step::Resume,
        (Outcome::Escalate, ApprovalStanding::Granted) => Step::EvaluateSuspendedAndAsked,
    }
}

fn suspended_and_asked(situation: Situation) -> Step {
    match (situation.outcome, situation.approval) {
        (Outcome::Deny | Outcome::Error, _) => Step::Deny,
        (Outcome::Allow | Outcome::Escalate, ApprovalStanding::Pending) => Step::Wait,
        // The call's own approval was consumed when it started the first time.
        (
            Outcome::Escalate,
            ApprovalStanding::Absent | ApprovalStanding::Rejected | ApprovalStanding::Expired,
        ) => Step::Ask,
        // Policy no longer stops the call itself.
        (Outcome::Allow, _) => Step::Resume,
        (Outcome::Escalate, ApprovalStanding::Granted) if situation.may_ask_again => Step::Ask,
        (Outcome::Escalate, ApprovalStanding::Granted) => Step::Deny,
    }
}

#[cfg(test)]
mod tests;
