//! Whether a call may run: the next step for each state of its approval and each decision.
//!
//! One pure table, like the life of a call ([`crate::life`]). The gate decides, looks the step up here and
//! performs it; nothing else says what becomes of a call.

use crate::{decision::Outcome, life::ApprovalState};

/// How far the call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallPhase {
    /// It has not run. The approval is the one for the call itself.
    New,
    /// It ran up to where an effect needed an approval. The approval is the one for that effect.
    Suspended,
    /// It is suspended, the effect is approved, and the call itself escalates. The approval is the one for
    /// the call itself.
    Resumed,
}

impl CallPhase {
    /// Every phase.
    pub const ALL: &[Self] = &[Self::New, Self::Suspended, Self::Resumed];
}

/// What an approval is worth to a call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ApprovalStanding {
    /// There is none, or it is used up, cancelled or expired.
    Absent,
    /// It waits for an answer.
    Pending,
    /// It was approved and not used.
    Approved,
    /// It was rejected; the rejection holds until the approval's expiry.
    Rejected,
    /// It was pending or approved when its time ended, which is not recorded yet.
    Overdue,
}

impl ApprovalStanding {
    /// Every standing.
    pub const ALL: &[Self] = &[
        Self::Absent,
        Self::Pending,
        Self::Approved,
        Self::Rejected,
        Self::Overdue,
    ];

    /// The standing of an approval in this state; `overdue` says that its expiry has passed.
    #[must_use]
    pub fn of(state: ApprovalState, overdue: bool) -> Self {
        match (state, overdue) {
            (ApprovalState::Pending | ApprovalState::Approved, true) => Self::Overdue,
            (ApprovalState::Pending, false) => Self::Pending,
            (ApprovalState::Approved, false) => Self::Approved,
            (ApprovalState::Rejected, false) => Self::Rejected,
            (ApprovalState::Rejected, true)
            | (ApprovalState::Expired | ApprovalState::Cancelled | ApprovalState::Consumed, _) => {
                Self::Absent
            }
        }
    }
}

/// What an escalation asks for, compared with what was asked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Escalation {
    /// The pending approval lifts every policy that this escalation needs lifted.
    Covered,
    /// It needs more, and the call may ask again.
    Wider,
    /// It needs more, and the call has asked as often as it may.
    Exhausted,
}

impl Escalation {
    /// Every case.
    pub const ALL: &[Self] = &[Self::Covered, Self::Wider, Self::Exhausted];
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AdmissionStep {
    /// Record the allow and the start.
    Start,
    /// Record the allow and the start, and consume the approval of the call itself.
    ResumeConsuming,
    /// Record the allow and the start. The effect inside consumes its approval when it is reached.
    Resume,
    /// Ask for an approval of the call itself; a pending or approved one is superseded.
    Ask,
    /// Look at the approval for the call itself, as [`CallPhase::Resumed`].
    CheckOwnApproval,
    /// Record that the approval is still pending.
    StayPending,
    /// Record a denial.
    Refuse,
    /// Record a denial because an approver rejected the call.
    RefuseRejected,
    /// Record a denial, and cancel the approval.
    RefuseCancelling,
    /// Record that the approval has expired, and decide again.
    Expire,
}

impl AdmissionStep {
    /// Whether the call runs.
    #[must_use]
    pub fn runs(self) -> bool {
        matches!(self, Self::Start | Self::ResumeConsuming | Self::Resume)
    }
}

/// The step for a call in this phase, with this approval, decided like this.
///
/// An approved approval of the call itself is part of what was decided on; in every other standing the
/// decision was made without an approval. `escalation` matters only if `outcome` is
/// [`Outcome::Escalate`].
#[must_use]
pub fn next_step(
    phase: CallPhase,
    approval: ApprovalStanding,
    outcome: Outcome,
    escalation: Escalation,
) -> AdmissionStep {
    match phase {
        CallPhase::New => new_call(approval, outcome, escalation),
        CallPhase::Suspended => suspended_call(approval, outcome),
        CallPhase::Resumed => resumed_call(approval, outcome, escalation),
    }
}

fn new_call(approval: ApprovalStanding, outcome: Outcome, escalation: Escalation) -> AdmissionStep {
    use AdmissionStep as Step;
    use ApprovalStanding as Has;
    match (approval, outcome) {
        (Has::Rejected, _) => Step::RefuseRejected,
        (Has::Overdue, _) => Step::Expire,
        (Has::Absent, Outcome::Allow) => Step::Start,
        (Has::Absent, Outcome::Escalate) => Step::Ask,
        (Has::Absent, Outcome::Deny | Outcome::Error) => Step::Refuse,
        (Has::Pending | Has::Approved, Outcome::Allow) => Step::ResumeConsuming,
        (Has::Pending | Has::Approved, Outcome::Deny | Outcome::Error) => Step::RefuseCancelling,
        (Has::Pending, Outcome::Escalate) if escalation == Escalation::Covered => Step::StayPending,
        (Has::Pending | Has::Approved, Outcome::Escalate) => match escalation {
            Escalation::Covered | Escalation::Wider => Step::Ask,
            Escalation::Exhausted => Step::RefuseCancelling,
        },
    }
}

fn suspended_call(approval: ApprovalStanding, outcome: Outcome) -> AdmissionStep {
    use AdmissionStep as Step;
    use ApprovalStanding as Has;
    match (approval, outcome) {
        (Has::Rejected, _) => Step::RefuseRejected,
        // Without an approval nothing is suspended: look again.
        (Has::Overdue | Has::Absent, _) => Step::Expire,
        (Has::Pending | Has::Approved, Outcome::Deny | Outcome::Error) => Step::RefuseCancelling,
        (Has::Pending, Outcome::Allow | Outcome::Escalate) => Step::StayPending,
        (Has::Approved, Outcome::Allow) => Step::Resume,
        (Has::Approved, Outcome::Escalate) => Step::CheckOwnApproval,
    }
}

fn resumed_call(
    approval: ApprovalStanding,
    outcome: Outcome,
    escalation: Escalation,
) -> AdmissionStep {
    use AdmissionStep as Step;
    use ApprovalStanding as Has;
    match (approval, outcome) {
        (_, Outcome::Deny | Outcome::Error) => Step::Refuse,
        (Has::Pending, _) => Step::StayPending,
        (Has::Approved, Outcome::Allow) => Step::ResumeConsuming,
        (Has::Approved, Outcome::Escalate) => match escalation {
            Escalation::Covered | Escalation::Wider => Step::Ask,
            Escalation::Exhausted => Step::Refuse,
        },
        (Has::Absent | Has::Rejected | Has::Overdue, Outcome::Escalate) => Step::Ask,
        // Only what escalates without an approval comes here.
        (Has::Absent | Has::Rejected | Has::Overdue, Outcome::Allow) => Step::Resume,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOMES: [Outcome; 4] = [
        Outcome::Allow,
        Outcome::Deny,
        Outcome::Escalate,
        Outcome::Error,
    ];

    fn every_row(
        mut check: impl FnMut(CallPhase, ApprovalStanding, Outcome, Escalation, AdmissionStep),
    ) {
        for &phase in CallPhase::ALL {
            for &approval in ApprovalStanding::ALL {
                for outcome in OUTCOMES {
                    for &escalation in Escalation::ALL {
                        let step = next_step(phase, approval, outcome, escalation);
                        check(phase, approval, outcome, escalation, step);
                    }
                }
            }
        }
    }

    #[test]
    fn only_an_allow_runs() {
        every_row(|phase, approval, outcome, escalation, step| {
            if step.runs() {
                assert_eq!(
                    outcome,
                    Outcome::Allow,
                    "{phase:?} {approval:?} {escalation:?}"
                );
            }
        });
    }

    #[test]
    fn a_rejection_or_an_overdue_approval_never_runs_the_call() {
        every_row(|phase, approval, outcome, _, step| {
            let stops = matches!(
                approval,
                ApprovalStanding::Rejected | ApprovalStanding::Overdue
            );
            if stops && phase != CallPhase::Resumed {
                assert!(!step.runs(), "{phase:?} {approval:?} {outcome:?}");
                assert_ne!(step, AdmissionStep::Ask, "{phase:?} {approval:?}");
            }
        });
    }

    #[test]
    fn an_error_or_a_denial_asks_nobody() {
        every_row(|phase, approval, outcome, _, step| {
            if matches!(outcome, Outcome::Deny | Outcome::Error) {
                assert!(
                    !matches!(
                        step,
                        AdmissionStep::Ask
                            | AdmissionStep::StayPending
                            | AdmissionStep::CheckOwnApproval
                    ),
                    "{phase:?} {approval:?} {outcome:?} {step:?}"
                );
            }
        });
    }

    #[test]
    fn a_call_that_has_asked_too_often_does_not_ask_again() {
        every_row(|phase, approval, _, escalation, step| {
            let asked = matches!(
                approval,
                ApprovalStanding::Pending | ApprovalStanding::Approved
            );
            if asked && escalation == Escalation::Exhausted {
                assert_ne!(step, AdmissionStep::Ask, "{phase:?} {approval:?}");
            }
        });
    }

    #[test]
    fn an_approval_is_consumed_only_where_there_is_one() {
        every_row(|phase, approval, _, _, step| {
            if step == AdmissionStep::ResumeConsuming {
                assert!(
                    matches!(
                        approval,
                        ApprovalStanding::Approved | ApprovalStanding::Pending
                    ),
                    "{phase:?} {approval:?}"
                );
            }
        });
    }

    #[test]
    fn what_is_over_is_as_if_it_had_not_been() {
        for &state in ApprovalState::ALL {
            for overdue in [false, true] {
                let standing = ApprovalStanding::of(state, overdue);
                let open = matches!(state, ApprovalState::Pending | ApprovalState::Approved);
                assert_eq!(
                    standing == ApprovalStanding::Overdue,
                    open && overdue,
                    "{state:?}"
                );
                assert_eq!(
                    standing == ApprovalStanding::Rejected,
                    state == ApprovalState::Rejected && !overdue,
                    "{state:?}"
                );
            }
        }
    }
}
