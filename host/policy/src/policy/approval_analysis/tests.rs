use cedar_policy::Policy;

use super::*;

fn check(source: &str) -> Result<ApprovalUse, &'static str> {
    analyse(&Policy::parse(None, source).unwrap().to_json().unwrap())
}

const SECURITY: &str = r#"context.approval.roles.contains(Tollgate::Role::"security")"#;

#[test]
fn the_allowed_forms_are_understood() {
    let forbid = check(&format!(
        "forbid (principal, action, resource) unless {{ {SECURITY} && context.approval.count >= 2 }};"
    ));
    let expected = ApprovalUse {
        roles: BTreeSet::from(["security".into()]),
        counts: BTreeSet::from([2]),
    };
    assert_eq!(forbid.as_ref(), Ok(&expected));
    let negated = check(&format!(
        "forbid (principal, action, resource) when {{ !({SECURITY}) }};"
    ));
    assert!(negated.unwrap().reads());
    let permit = check(
        "permit (principal, action, resource) when \
             { context.approval.roles.containsAny([Tollgate::Role::\"a\", Tollgate::Role::\"b\"]) };",
    );
    assert_eq!(permit.unwrap().roles.len(), 2);
    let branch = check(&format!(
        "permit (principal, action, resource) when {{ if context.x > 1 then {SECURITY} else true }};"
    ));
    assert!(branch.unwrap().reads());
}

#[test]
fn an_approval_may_never_deny_more() {
    for source in [
        format!("forbid (principal, action, resource) when {{ {SECURITY} }};"),
        format!("permit (principal, action, resource) unless {{ {SECURITY} }};"),
        format!("permit (principal, action, resource) when {{ !({SECURITY}) }};"),
        format!("permit (principal, action, resource) when {{ if {SECURITY} then true else true }};"),
        format!("permit (principal, action, resource) when {{ {SECURITY} == true }};"),
        "permit (principal, action, resource) when { context.approval.count == 1 };".into(),
        "permit (principal, action, resource) when { context.approval.count < 2 };".into(),
        "permit (principal, action, resource) when { context.approval.count >= context.x };".into(),
        "permit (principal, action, resource) when { context.approval.roles.isEmpty() };".into(),
        "permit (principal, action, resource) when { context.approval == context.x };".into(),
        "permit (principal, action, resource) when { [context].contains(context) };".into(),
        "permit (principal, action, resource) when { context has approval };".into(),
        "permit (principal, action, resource) when { context[\"approval\"].roles == [] };".into(),
        "permit (principal, action, resource) when { context.approval.roles.contains(principal) };".into(),
        "permit (principal, action, resource) when { context.approval.roles.contains(Tollgate::Label::\"x\") };".into(),
    ] {
        assert!(check(&source).is_err(), "{source}");
    }
}

#[test]
fn other_policies_are_left_alone() {
    let source = "forbid (principal, action, resource) \
                      when { context.run.calls > 3 && context.input.approval == \"x\" && context has input };";
    assert_eq!(check(source), Ok(ApprovalUse::default()));
}
