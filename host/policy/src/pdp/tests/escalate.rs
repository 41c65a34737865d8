//! Escalation, approvals and resumption.

use super::*;

const SECURITY: &str = r#"context.approval.roles.contains(Tollgate::Role::"security")"#;
const FINANCE: &str = r#"context.approval.roles.contains(Tollgate::Role::"finance")"#;

fn forbid(id: &str, unless: &str) -> String {
    policy(id, &format!("forbid (principal, action, resource in Tollgate::Label::\"egress\") unless {{ {unless} }};")
        .replace("(principal, action,", "(principal, action in Tollgate::Action::\"call\","))
}

fn alternatives(policies: &str) -> String {
    requirement(&pdp(policies).decide(&send(), &facts())).to_string()
}

#[test]
fn the_example_of_the_design_escalates_once_tainted() {
    let pdp = pdp(&format!("{PERMIT}{TRIFECTA}"));
    assert_eq!(answer(&pdp.decide(&send(), &facts())), "allow by permit");
    assert_eq!(answer(&pdp.decide(&read(), &tainted())), "allow by permit");
    let decision = pdp.decide(&send(), &tainted());
    assert_eq!(answer(&decision), "escalate by private-data-stays-in");
    let requirement = requirement(&decision);
    assert_eq!(requirement.to_string(), "approval by security");
    assert_eq!(
        requirement.severity,
        tollgate_model::decision::Severity::High
    );
    let lifted = pdp.policies()["private-data-stays-in"]
        .determining
        .policy
        .clone();
    assert_eq!(requirement.lifts, BTreeSet::from([lifted]));
    let resumed = pdp.decide(
        &send(),
        &approved(&tainted(), &requirement, &["security"], 1),
    );
    assert_eq!(answer(&resumed), "allow by permit");
}

#[test]
fn an_approval_that_would_not_help_is_not_asked_for() {
    assert_eq!(
        answer(&pdp(TRIFECTA).decide(&send(), &tainted())),
        "deny by ",
        "nothing permits: the policy that asks for an approval is not the reason"
    );
    let never = policy("never", "forbid (principal, action, resource);");
    let decision = pdp(&format!("{PERMIT}{TRIFECTA}{never}")).decide(&send(), &tainted());
    assert_eq!(
        answer(&decision),
        "deny by never",
        "what stands in the way of an approval too"
    );
}

#[test]
fn alternatives_are_minimal() {
    for (unless, expected) in [
        (SECURITY.to_owned(), "security"),
        (format!("{SECURITY} && {FINANCE}"), "finance and security"),
        (format!("{SECURITY} || {FINANCE}"), "finance, or by security"),
        (format!("{SECURITY} && context.approval.count >= 2"), "2 people who between them are security"),
        (format!("{SECURITY} || context.approval.count >= 3"), "3 people, or by security"),
        ("context.approval.count >= 1".into(), "one person"),
        ("context.approval.count >= 1 && context.approval.count >= 4".into(), "4 people"),
        (
            r#"context.approval.roles.containsAll([Tollgate::Role::"finance", Tollgate::Role::"operator"])"#.into(),
            "finance and operator",
        ),
        (
            r#"context.approval.roles.containsAny([Tollgate::Role::"finance", Tollgate::Role::"operator"])"#.into(),
            "finance, or by operator",
        ),
        (
            format!(r#"{SECURITY} && ({FINANCE} || context.approval.roles.contains(Tollgate::Role::"operator"))"#),
            "finance and security, or by operator and security",
        ),
        (
            format!(r#"{SECURITY} || ({FINANCE} && context.approval.roles.contains(Tollgate::Role::"operator"))"#),
            "security, or by finance and operator",
        ),
    ] {
        let asked = alternatives(&format!("{PERMIT}{}", forbid("guard", &unless)));
        assert_eq!(asked, format!("approval by {expected}"), "{unless}");
    }
}

#[test]
fn two_guards_need_both() {
    let policies = format!(
        "{PERMIT}{}{}",
        forbid("first", SECURITY),
        forbid("second", FINANCE)
    );
    let requirement = requirement(&pdp(&policies).decide(&send(), &facts()));
    assert_eq!(requirement.to_string(), "approval by finance and security");
    assert_eq!(
        requirement
            .lifts
            .iter()
            .map(|p| p.id.as_str())
            .collect::<BTreeSet<_>>(),
        ["first", "second"].into()
    );
    assert!(requirement.met_by(&names(&["finance", "security", "clerk"]), 1));
    assert!(!requirement.met_by(&names(&["finance"]), 9));
}

/// Roles that are not needed for an approval are not asked for.
#[test]
fn other_guards_are_not_asked_for() {
    let elsewhere = policy(
        "elsewhere",
        &format!(
            "forbid (principal, action == Tollgate::Action::\"refund\", resource) unless {{ {FINANCE} }};"
        ),
    );
    let policies = format!("{PERMIT}{}{elsewhere}", forbid("guard", SECURITY));
    assert_eq!(alternatives(&policies), "approval by security");
}

#[test]
fn past_64_probes_everything_is_asked_for() {
    let role = |i: usize| format!("context.approval.roles.contains(Tollgate::Role::\"r{i}\")");
    let any = |n: usize| (0..n).map(role).collect::<Vec<_>>().join(" || ");
    let six = requirement(
        &pdp(&format!("{PERMIT}{}", forbid("guard", &any(6)))).decide(&send(), &facts()),
    );
    assert_eq!(six.alternatives.len(), 6, "64 probes are enough");
    for (roles, count) in [(7, 1), (6, 2), (62, 2), (63, 2), (64, 2), (70, 16)] {
        let unless = format!(
            "{} || (context.approval.count >= {count} && {})",
            any(roles),
            role(0)
        );
        let decision =
            pdp(&format!("{PERMIT}{}", forbid("guard", &unless))).decide(&send(), &facts());
        let asked = requirement(&decision).alternatives;
        let all: BTreeSet<String> = (0..roles).map(|i| format!("r{i}")).collect();
        assert_eq!(asked, [Approvers { count, roles: all }], "{roles} roles");
    }
}

#[test]
fn a_permit_may_ask_for_approval_too() {
    let needs = policy(
        "with-approval",
        &format!(
            "permit (principal, action == Tollgate::Action::\"send\", resource) when {{ {SECURITY} }};"
        ),
    );
    let pdp1 = pdp(&needs);
    let decision = pdp1.decide(&send(), &facts());
    assert_eq!(answer(&decision), "escalate by with-approval");
    let asked = requirement(&decision);
    assert_eq!(asked.to_string(), "approval by security");
    let granted = approved(&facts(), &asked, &["security"], 1);
    assert_eq!(
        answer(&pdp1.decide(&send(), &granted)),
        "allow by with-approval"
    );

    // If a permit applies without the approval, only the forbid is lifted.
    let both = format!("{PERMIT}{needs}{}", forbid("guard", SECURITY));
    let lifts = requirement(&pdp(&both).decide(&send(), &facts())).lifts;
    assert_eq!(
        lifts.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(),
        ["guard"]
    );
}

#[test]
fn an_error_in_a_probe_is_an_error() {
    let overflow = "context.run.calls + 9223372036854775807 > 0";
    let armed = forbid("armed", &format!("{SECURITY} && {overflow}"));
    let pdp = pdp(&format!("{PERMIT}{armed}"));
    let used = Facts {
        run: RunFacts {
            calls: 1,
            ..RunFacts::default()
        },
        ..facts()
    };
    assert_eq!(answer(&pdp.decide(&send(), &facts())), "escalate by armed");
    assert_eq!(
        answer(&pdp.decide(&send(), &used)),
        "error: policy `armed`: an integer overflows"
    );
}

/// A guard whose approval is enough alone, and one that fails only for another role's approval.
#[test]
fn an_error_in_a_smaller_probe_is_an_error() {
    let overflow = "context.run.calls + 9223372036854775807 > 0";
    let guard = forbid("guard", &format!("{SECURITY} || ({FINANCE} && {overflow})"));
    let pdp = pdp(&format!("{PERMIT}{guard}"));
    let used = Facts {
        run: RunFacts {
            calls: 1,
            ..RunFacts::default()
        },
        ..facts()
    };
    assert_eq!(pdp.decide(&send(), &used).outcome(), Outcome::Error);
}

#[test]
fn another_approval_does_not_lift_it() {
    let pdp = pdp(&format!(
        "{PERMIT}{}",
        forbid(
            "guard",
            &format!("{SECURITY} && context.approval.count >= 2")
        )
    ));
    let asked = requirement(&pdp.decide(&send(), &facts()));
    for (roles, count) in [(&["finance"][..], 2), (&["security"], 1), (&[], 5)] {
        let decision = pdp.decide(&send(), &approved(&facts(), &asked, roles, count));
        assert_eq!(requirement(&decision), asked, "{roles:?} {count}");
    }
    let decision = pdp.decide(
        &send(),
        &approved(&facts(), &asked, &["security", "finance"], 3),
    );
    assert_eq!(decision.outcome(), Outcome::Allow, "more than enough");
}

#[test]
fn an_approval_lifts_only_what_it_was_given_for() {
    let before = pdp(&format!("{PERMIT}{}", forbid("old", SECURITY)));
    let asked = requirement(&before.decide(&send(), &facts()));
    let granted = approved(&facts(), &asked, &["security"], 1);
    assert_eq!(before.decide(&send(), &granted).outcome(), Outcome::Allow);

    // A policy that newly denies, although the same role could lift it.
    let after = pdp(&format!(
        "{PERMIT}{}{}",
        forbid("old", SECURITY),
        forbid("new", SECURITY)
    ));
    let again = after.decide(&send(), &granted);
    assert_eq!(answer(&again), "escalate by new old");
    let granted_again = approved(&facts(), &requirement(&again), &["security"], 1);
    assert_eq!(
        after.decide(&send(), &granted_again).outcome(),
        Outcome::Allow
    );

    // The same id with other contents; a comment or another layout does not change the contents.
    let changed = pdp(&format!(
        "{PERMIT}{}",
        forbid("old", &format!("{SECURITY} && context.run.calls < 100"))
    ));
    assert_eq!(
        answer(&changed.decide(&send(), &granted)),
        "escalate by old"
    );
    let reformatted = forbid("old", SECURITY).replace("unless", "// as before\n  unless");
    let reformatted = pdp(&format!("{reformatted}{PERMIT}"));
    assert_eq!(
        reformatted.decide(&send(), &granted).outcome(),
        Outcome::Allow
    );

    // A forbid that no approval lifts wins over an approval that was given.
    let forbidden = format!(
        "{PERMIT}{}{}",
        forbid("old", SECURITY),
        policy("never", "forbid (principal, action, resource);")
    );
    assert_eq!(
        answer(&pdp(&forbidden).decide(&send(), &granted)),
        "deny by never"
    );

    // If nothing denies any more, no approval is needed.
    assert_eq!(
        answer(&pdp(PERMIT).decide(&send(), &granted)),
        "allow by permit"
    );
}

/// A label that the run acquires between the request and the approval.
#[test]
fn a_policy_that_starts_to_block_later_escalates_again() {
    let pdp = pdp(&format!("{PERMIT}{TRIFECTA}{}", forbid("mail", FINANCE)));
    let asked = requirement(&pdp.decide(&send(), &facts()));
    let now_tainted = approved(&tainted(), &asked, &["finance", "security"], 2);
    let again = pdp.decide(&send(), &now_tainted);
    assert_eq!(answer(&again), "escalate by mail private-data-stays-in");
    assert_eq!(
        requirement(&again).to_string(),
        "approval by finance and security"
    );
}
