use super::*;

const OUTCOMES: [Outcome; 4] = [
    Outcome::Allow,
    Outcome::Deny,
    Outcome::Escalate,
    Outcome::Error,
];
const STATUSES: [ApprovalStatus; 5] = [
    ApprovalStatus::Absent,
    ApprovalStatus::Pending,
    ApprovalStatus::Granted,
    ApprovalStatus::Rejected,
    ApprovalStatus::Expired,
];
const PHASES: [Phase; 5] = [
    Phase::New,
    Phase::Asked,
    Phase::Suspended,
    Phase::SuspendedAndAsked,
    Phase::Standing,
];

fn every_situation() -> impl Iterator<Item = Situation> {
    let mut all = Vec::new();
    for phase in PHASES {
        for outcome in OUTCOMES {
            for approval in STATUSES {
                for bits in 0..8 {
                    all.push(Situation {
                        phase,
                        outcome,
                        approval,
                        covered: bits & 1 != 0,
                        may_ask_again: bits & 2 != 0,
                        has_standing: bits & 4 != 0,
                    });
                }
            }
        }
    }
    all.into_iter()
}

#[test]
fn nothing_starts_unless_policy_allows_it() {
    for situation in every_situation() {
        if matches!(
            next_step(situation),
            Step::Start | Step::Resume | Step::StartStanding
        ) {
            assert_eq!(situation.outcome, Outcome::Allow, "{situation:?}");
        }
    }
}

#[test]
fn a_call_that_has_run_starts_again_only_after_its_effect_was_approved() {
    for situation in every_situation() {
        if situation.phase == Phase::Suspended && next_step(situation) == Step::Resume {
            assert_eq!(situation.approval, ApprovalStatus::Granted, "{situation:?}");
        }
    }
}

#[test]
fn an_error_never_asks_and_never_starts() {
    for situation in every_situation().filter(|s| s.outcome == Outcome::Error) {
        let step = next_step(situation);
        assert!(
            !matches!(
                step,
                Step::Ask | Step::Start | Step::Resume | Step::StartStanding
            ),
            "{situation:?}: {step:?}"
        );
    }
}

#[test]
fn a_rejection_holds_while_policy_does_not_allow_the_call() {
    for situation in every_situation().filter(|s| s.approval == ApprovalStatus::Rejected) {
        let step = next_step(situation);
        match situation.phase {
            Phase::New if situation.outcome == Outcome::Allow => assert_eq!(step, Step::Start),
            Phase::New if situation.outcome == Outcome::Error => assert_eq!(step, Step::Deny),
            Phase::SuspendedAndAsked => {}
            _ => assert_eq!(step, Step::DenyRejected, "{situation:?}"),
        }
    }
}

#[test]
fn evaluating_again_always_goes_on_to_a_later_phase() {
    for situation in every_situation() {
        match next_step(situation) {
            Step::EvaluateAsked => assert_eq!(situation.phase, Phase::New),
            Step::EvaluateSuspendedAndAsked => assert_eq!(situation.phase, Phase::Suspended),
            Step::EvaluateStanding => assert_ne!(situation.phase, Phase::Standing),
            _ => {}
        }
    }
}

#[test]
fn an_approval_is_used_only_by_the_call_that_it_was_granted_for() {
    let situation = |covered, may_ask_again| Situation {
        phase: Phase::Asked,
        outcome: Outcome::Escalate,
        approval: ApprovalStatus::Pending,
        covered,
        may_ask_again,
        has_standing: false,
    };
    assert_eq!(next_step(situation(true, false)), Step::Wait);
    assert_eq!(next_step(situation(false, true)), Step::Ask);
    assert_eq!(next_step(situation(false, false)), Step::DenyAndCancel);
}

#[test]
fn standing_approvals_start_only_a_call_that_was_evaluated_with_them() {
    for situation in every_situation() {
        match next_step(situation) {
            Step::StartStanding => {
                assert_eq!(situation.phase, Phase::Standing, "{situation:?}");
                assert_ne!(situation.approval, ApprovalStatus::Rejected);
            }
            Step::EvaluateStanding => {
                assert!(situation.has_standing && situation.outcome == Outcome::Escalate);
                assert_ne!(situation.approval, ApprovalStatus::Rejected);
            }
            _ => {}
        }
    }
}

#[test]
fn without_standing_approvals_every_step_is_as_before() {
    for situation in every_situation().filter(|s| s.has_standing && !s.asks()) {
        let without = Situation {
            has_standing: false,
            ..situation
        };
        assert_eq!(next_step(situation), next_step(without));
    }
}
