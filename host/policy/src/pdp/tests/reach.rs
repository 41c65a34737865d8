//! What a principal could ever do.

use proptest::{prelude::*, strategy::ValueTree as _};

use super::{generators::*, *};

fn reaches(pdp: &Pdp, request: &Request, environment: &str) -> bool {
    pdp.may_allow(
        &request.principal,
        &request.action,
        &request.resource,
        environment,
    )
}

/// The tools that `support` could ever call.
fn reach(policies: &str) -> Vec<&'static str> {
    let pdp = pdp(policies);
    let calls = [("read", read()), ("refund", refund(7)), ("send", send())];
    let within = calls
        .into_iter()
        .filter(|(_, call)| reaches(&pdp, call, "test"));
    within.map(|(name, _)| name).collect()
}

const ALL: [&str; 3] = ["read", "refund", "send"];

#[test]
fn what_no_policy_permits_is_out_of_reach() {
    assert!(reach("").is_empty());
    assert_eq!(reach(PERMIT), ALL);
    for scope in [
        "principal == Tollgate::Agent::\"other\", action, resource",
        "principal in Tollgate::Role::\"finance\", action, resource",
        "principal is Tollgate::User, action, resource",
        "principal, action == Tollgate::Action::\"return_result\", resource",
    ] {
        assert!(
            reach(&policy("p", &format!("permit ({scope});"))).is_empty(),
            "{scope}"
        );
    }
    let clerks_read = policy(
        "p",
        "permit (principal in Tollgate::Role::\"clerk\", action, resource in Tollgate::Label::\"private\");",
    );
    assert_eq!(reach(&clerks_read), ["read"]);
    let shadow = format!(
        "@mode(\"shadow\")\n{}",
        policy("p", "permit (principal, action, resource);")
    );
    assert!(reach(&shadow).is_empty());
}

#[test]
fn what_is_surely_forbidden_is_out_of_reach() {
    let with = |forbid: &str| reach(&format!("{PERMIT}{}", policy("f", forbid)));
    let egress = "forbid (principal, action in Tollgate::Action::\"call\", resource in Tollgate::Label::\"egress\")";
    assert_eq!(with(&format!("{egress};")), ["read", "refund"]);
    for (condition, is_sure) in [
        ("when { context.run.calls > 5 }", false),
        ("unless { context.approval.count >= 1 }", false),
        ("when { context.run.calls > 5 || true }", true),
        (
            "when { context.run.calls > 5 || principal in Tollgate::Role::\"clerk\" }",
            true,
        ),
        (
            "when { context.run.calls > 5 && principal in Tollgate::Role::\"clerk\" }",
            false,
        ),
        (
            "unless { context.run.calls > 5 && principal in Tollgate::Role::\"finance\" }",
            true,
        ),
        (
            "when { !(context.run.calls > 5 && principal == Tollgate::Agent::\"other\") }",
            true,
        ),
        (
            "when { if context.run.calls > 5 then true else resource == Tollgate::Tool::\"send\" }",
            true,
        ),
        (
            "when { if context.run.calls > 5 then false else true }",
            false,
        ),
        ("when { context.environment == \"test\" }", true),
        ("when { context.environment != \"test\" }", false),
        (
            "when { [\"live\", \"test\"].contains(context.environment) }",
            true,
        ),
        (
            "when { context.via.contains(Tollgate::Component::\"desk\") }",
            false,
        ),
        // What does not evaluate may be anything.
        ("when { 9223372036854775807 + 1 > 0 }", false),
    ] {
        let left: &[&str] = if is_sure { &["read", "refund"] } else { &ALL };
        assert_eq!(with(&format!("{egress} {condition};")), left, "{condition}");
    }
    let redact =
        "@redact(\"/to\")\nforbid (principal, action == Tollgate::Action::\"send\", resource);";
    assert_eq!(
        with(redact),
        ALL,
        "a call with redacted arguments is allowed"
    );
}

#[test]
fn what_is_not_known_is_within_reach() {
    let pdp = pdp("");
    let stranger = Request {
        principal: uid(Kind::Agent, "stranger"),
        ..read()
    };
    assert!(reaches(&pdp, &stranger, "test"));
    assert!(reaches(&pdp, &call("nothing", json!({})), "test"));
    assert!(reaches(&pdp, &read_file(), "test"));
}

/// Conditions that mix what is known of a call with what is not.
fn mixed(leaf: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            3 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            3 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            2 => inner.clone().prop_map(|a| format!("!({a})")),
            1 => (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
        ]
    })
}

/// Conditions whose value is known before a call.
fn known() -> BoxedStrategy<String> {
    one_of(&[
        "true",
        "principal in Tollgate::Role::\"clerk\"",
        "principal == Tollgate::Agent::\"other\"",
        "resource in Tollgate::Label::\"egress\"",
        "resource == Tollgate::Tool::\"read\"",
        "context.environment == \"test\"",
        "context.environment like \"live*\"",
        "action in [Tollgate::Action::\"read\", Tollgate::Action::\"refund\"]",
    ])
    .prop_map(str::to_owned)
    .boxed()
}

/// Policies about calls with these conditions.
fn about_calls(condition: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let clause = one_of(&["when", "unless"]);
    (one_of(&["permit", "permit", "forbid"]), clause, condition).prop_map(
        |(effect, clause, condition)| {
            format!(
                "{effect} (principal, action in Tollgate::Action::\"call\", resource) {clause} {{ {condition} }};"
            )
        },
    )
}

fn any_policy() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![run_condition(), known()];
    prop_oneof![
        2 => scoped().boxed(),
        3 => about_calls(mixed(leaf.boxed())).boxed(),
        1 => approval_policy().boxed(),
    ]
}

/// Those that load, with their ids.
fn loaded(policies: &[String]) -> Pdp {
    pdp(&numbered(
        &BASE.with(|base| properties::accepted(base, policies.to_vec())),
    ))
}

thread_local! {
    static BASE: Pdp = pdp("");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// What is out of reach is never allowed and never waits for an approval.
    #[test]
    fn what_is_allowed_or_waits_is_within_reach(
        policies in prop::collection::vec(any_policy(), 1..6),
        requests in prop::collection::vec(any_request(), 6..16),
    ) {
        let pdp = loaded(&policies);
        for (request, facts) in requests {
            let outcome = pdp.decide(&request, &facts).outcome();
            if matches!(outcome, Outcome::Allow | Outcome::Escalate) {
                prop_assert!(reaches(&pdp, &request, &facts.environment), "{:?} {:?}", outcome, request);
            }
        }
    }

    /// Where everything that policies ask is known, a call is within reach exactly if it is allowed.
    #[test]
    fn what_is_known_is_used(
        policies in prop::collection::vec(about_calls(mixed(known())), 1..6),
        requests in prop::collection::vec(any_request(), 6..16),
    ) {
        let pdp = loaded(&policies);
        for (request, facts) in requests {
            if let Action::Call(_) = request.action {
                let allowed = pdp.decide(&request, &facts).outcome() == Outcome::Allow;
                prop_assert_eq!(reaches(&pdp, &request, &facts.environment), allowed, "{:?}", request);
            }
        }
    }
}

/// The property is meaningless if random policies leave nothing out, or everything.
#[test]
fn random_policies_leave_some_out() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (prop::collection::vec(any_policy(), 1..6), any_request());
    let mut seen: BTreeMap<(bool, &str), u32> = BTreeMap::new();
    for _ in 0..120 {
        let (policies, (request, facts)) = strategy.new_tree(&mut runner).unwrap().current();
        let pdp = loaded(&policies);
        let within = reaches(&pdp, &request, &facts.environment);
        let outcome = pdp.decide(&request, &facts).outcome();
        *seen.entry((within, outcome.as_str())).or_default() += 1;
    }
    for kind in [(false, "deny"), (true, "deny"), (true, "allow")] {
        assert!(seen.get(&kind).is_some_and(|n| *n > 3), "{seen:?}");
    }
}
