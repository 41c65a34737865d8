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
    /// Again, with standing approvals that cover the policies that deny it. The approval is that of the phase
    /// before, absent or pending.
    Standing,
}

/// The status of an approval, for the call that requested it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApprovalStatus {
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

impl ApprovalStatus {
    /// The status of an approval in `state`; `overdue` means that it has expired.
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
    pub approval: ApprovalStatus,
    /// Whether that approval, once granted, lifts every policy that denies the call now.
    pub covered: bool,
    /// Whether the call may request another approval: it has requested fewer than [`MAX_ROUNDS`].
    pub may_ask_again: bool,
    /// Whether standing approvals cover every policy that denies the call now.
    pub has_standing: bool,
}

/// What the gate does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Record the allow and start the call. Uses no approval.
    Start,
    /// Record the allow and start the call again. Consumes the approval if it was granted, otherwise voids
    /// it because nothing needs it any more.
    Resume,
    /// Record the allow with a use of each standing approval, and start the call. Voids a pending approval
    /// because nothing needs it any more.
    StartStanding,
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
    /// Evaluate again with the standing approvals, as [`Phase::Standing`].
    EvaluateStanding,
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
    if is_for_standing(situation) {
        return Step::EvaluateStanding;
    }
    match phase {
        Phase::New => new(outcome, approval),
        Phase::Asked => asked(situation),
        Phase::Suspended => suspended(outcome, approval),
        Phase::SuspendedAndAsked => suspended_and_asked(situation),
        Phase::Standing => standing(situation),
    }
}

impl Situation {
    /// Whether standing approvals may matter: the call itself needs an approval and has none. A rejection
    /// of the call, and an approval that was granted to it, come before them.
    #[must_use]
    pub fn asks(&self) -> bool {
        let is_unanswered = matches!(
            self.approval,
            ApprovalStatus::Absent | ApprovalStatus::Pending
        );
        let evaluates = match self.phase {
            // An approval that the call has requested is evaluated first.
            Phase::New => self.approval == ApprovalStatus::Absent,
            Phase::Asked | Phase::SuspendedAndAsked => is_unanswered,
            Phase::Suspended | Phase::Standing => false,
        };
        evaluates && self.outcome == Outcome::Escalate
    }
}

fn is_for_standing(situation: Situation) -> bool {
    situation.has_standing && situation.asks()
}

fn standing(situation: Situation) -> Step {
    match (situation.outcome, situation.approval) {
        (
            Outcome::Allow,
            ApprovalStatus::Absent | ApprovalStatus::Pending | ApprovalStatus::Granted,
        ) => Step::StartStanding,
        // They did not help, so the call is treated as before.
        (Outcome::Allow, ApprovalStatus::Rejected | ApprovalStatus::Expired)
        | (Outcome::Escalate | Outcome::Deny | Outcome::Error, _) => asked(situation),
    }
}

fn new(outcome: Outcome, approval: ApprovalStatus) -> Step {
    match (outcome, approval) {
        (Outcome::Allow, _) => Step::Start,
        (Outcome::Error, _) | (Outcome::Deny, ApprovalStatus::Absent) => Step::Deny,
        (Outcome::Escalate, ApprovalStatus::Absent) => Step::Ask,
        (Outcome::Deny | Outcome::Escalate, ApprovalStatus::Rejected) => Step::DenyRejected,
        (Outcome::Deny | Outcome::Escalate, ApprovalStatus::Expired) => Step::Expire,
        (Outcome::Deny | Outcome::Escalate, ApprovalStatus::Pending | ApprovalStatus::Granted) => {
            Step::EvaluateAsked
        }
    }
}

fn asked(situation: Situation) -> Step {
    match (situation.outcome, situation.approval) {
        (_, ApprovalStatus::Expired) => Step::Expire,
        (_, ApprovalStatus::Rejected) => Step::DenyRejected,
        // It was used or withdrawn between two evaluations.
        (Outcome::Allow, ApprovalStatus::Absent) => Step::Start,
        (Outcome::Escalate, ApprovalStatus::Absent) => Step::Ask,
        (Outcome::Deny | Outcome::Error, ApprovalStatus::Absent) => Step::Deny,
        (Outcome::Allow, ApprovalStatus::Pending | ApprovalStatus::Granted) => Step::Resume,
        (Outcome::Escalate, ApprovalStatus::Pending) if situation.covered => Step::Wait,
        (Outcome::Escalate, ApprovalStatus::Pending | ApprovalStatus::Granted)
            if situation.may_ask_again =>
        {
            Step::Ask
        }
        (
            Outcome::Escalate | Outcome::Deny | Outcome::Error,
            ApprovalStatus::Pending | ApprovalStatus::Granted,
        ) => Step::DenyAndCancel,
    }
}

fn suspended(outcome: Outcome, approval: ApprovalStatus) -> Step {
    match (outcome, approval) {
        (_, ApprovalStatus::Rejected) => Step::DenyRejected,
        (_, ApprovalStatus::Expired) => Step::Expire,
        (Outcome::Deny | Outcome::Error, ApprovalStatus::Absent) => Step::Deny,
        (Outcome::Deny | Outcome::Error, ApprovalStatus::Pending | ApprovalStatus::Granted) => {
            Step::DenyAndCancel
        }
        (Outcome::Allow, ApprovalStatus::Absent) => Step::Start,
        (Outcome::Escalate, ApprovalStatus::Absent) => Step::Ask,
        (Outcome::Allow | Outcome::Escalate, ApprovalStatus::Pending) => Step::Wait,
        (Outcome::Allow, ApprovalStatus::Granted) => Step::Resume,
        (Outcome::Escalate, ApprovalStatus::Granted) => Step::EvaluateSuspendedAndAsked,
    }
}

fn suspended_and_asked(situation: Situation) -> Step {
    match (situation.outcome, situation.approval) {
        (Outcome::Deny | Outcome::Error, _) => Step::Deny,
        (Outcome::Allow | Outcome::Escalate, ApprovalStatus::Pending) => Step::Wait,
        // The call's own approval was consumed when it started the first time.
        (
            Outcome::Escalate,
            ApprovalStatus::Absent | ApprovalStatus::Rejected | ApprovalStatus::Expired,
        ) => Step::Ask,
        // Policy no longer stops the call itself.
        (Outcome::Allow, _) => Step::Resume,
        (Outcome::Escalate, ApprovalStatus::Granted) if situation.may_ask_again => Step::Ask,
        (Outcome::Escalate, ApprovalStatus::Granted) => Step::Deny,
    }
}

#[cfg(test)]
mod tests;
