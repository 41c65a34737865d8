//! History facts, as policies see them.

use tollgate_model::history::{Absence, FactShape, FactType, FactValue};

use super::*;

fn with_facts(policies: &str) -> Bundle {
    let shape = |ty, absent| FactShape {
        absent,
        of_run: false,
        ty,
    };
    let of_run = |name: &str, ty, absent| {
        let shape = FactShape {
            absent,
            of_run: true,
            ty,
        };
        (name.to_owned(), shape)
    };
    Bundle {
        facts: BTreeMap::from([
            ("refunds".to_owned(), shape(FactType::Long, None)),
            (
                "refunds_of_customer".to_owned(),
                shape(FactType::Long, Some(Absence::Unknown)),
            ),
            (
                "spent".to_owned(),
                shape(FactType::Decimal, Some(Absence::Unknown)),
            ),
            (
                "last_refund".to_owned(),
                shape(FactType::Datetime, Some(Absence::Never)),
            ),
            of_run("refunds_in_run", FactType::Long, None),
            of_run("since_in_run", FactType::Long, Some(Absence::Never)),
            of_run("of_customer_in_run", FactType::Long, Some(Absence::Unknown)),
            of_run("spent_in_run", FactType::Decimal, Some(Absence::Unknown)),
        ]),
        ..bundle(policies)
    }
}

fn load(policies: &str) -> Pdp {
    let permit = policy("calls", "permit (principal, action, resource);");
    match Pdp::load(&with_facts(&format!("{permit}{policies}"))) {
        Ok(pdp) => pdp,
        Err(error) => panic!("{error:#?}"),
    }
}

fn known(values: &[(&str, FactValue)]) -> Facts {
    let refunds = ["refunds", "refunds_in_run"].map(|name| (name, FactValue::Long(0)));
    let values = refunds.iter().chain(values);
    Facts {
        history: values.map(|(n, v)| ((*n).to_owned(), *v)).collect(),
        ..facts()
    }
}

fn outcome(policies: &str, values: &[(&str, FactValue)]) -> Outcome {
    let text = policy("p", policies);
    load(&text).decide(&refund(10), &known(values)).outcome()
}

#[test]
fn a_policy_compares_facts_of_each_type() {
    let ago = |minutes: i64| FactValue::Datetime(Timestamp(facts().now.0 - minutes * 60_000_000));
    for (condition, values, expected) in [
        (
            "context.facts.refunds >= 3",
            vec![("refunds", FactValue::Long(2))],
            Outcome::Allow,
        ),
        (
            "context.facts.refunds >= 3",
            vec![("refunds", FactValue::Long(3))],
            Outcome::Deny,
        ),
        (
            "!(context.facts has spent && context.facts.spent.lessThanOrEqual(decimal(\"100.0\")))",
            vec![("spent", FactValue::Decimal(1_000_000))],
            Outcome::Allow,
        ),
        (
            "!(context.facts has spent && context.facts.spent.lessThanOrEqual(decimal(\"100.0\")))",
            vec![("spent", FactValue::Decimal(1_000_001))],
            Outcome::Deny,
        ),
        (
            "!(context.facts has spent && context.facts.spent.lessThanOrEqual(decimal(\"100.0\")))",
            vec![],
            Outcome::Deny,
        ),
        (
            "context.facts has last_refund && context.now.durationSince(context.facts.last_refund) < duration(\"10m\")",
            vec![("last_refund", ago(9))],
            Outcome::Deny,
        ),
        (
            "context.facts has last_refund && context.now.durationSince(context.facts.last_refund) < duration(\"10m\")",
            vec![("last_refund", ago(10))],
            Outcome::Allow,
        ),
    ] {
        let text = format!("forbid (principal, action, resource) when {{ {condition} }};")
            .replace("action,", "action == Tollgate::Action::\"refund\",");
        assert_eq!(outcome(&text, &values), expected, "{condition} {values:?}");
    }
}

#[test]
fn a_fact_that_can_be_unknown_is_guarded_and_an_unknown_name_is_an_error() {
    for wrong in [
        "context.facts.spent.lessThan(decimal(\"1.0\"))",
        "context.facts.refund >= 3",
        "context.facts.refunds.lessThan(decimal(\"1.0\"))",
    ] {
        let text = format!(
            "forbid (principal, action == Tollgate::Action::\"refund\", resource) when {{ {wrong} }};"
        );
        let loaded = Pdp::load(&with_facts(&policy("p", &text)));
        assert!(loaded.is_err(), "{wrong}");
    }
}

#[test]
fn a_required_fact_that_was_not_counted_denies() {
    let pdp = load("");
    let decided = pdp.decide(&refund(10), &facts());
    assert_eq!(
        answer(&decided),
        "error: the fact `refunds` was not counted"
    );
    let wrong = known(&[("spent", FactValue::Long(3))]);
    let decided = pdp.decide(&refund(10), &wrong);
    assert_eq!(
        answer(&decided),
        "error: the fact `spent` is of another type"
    );
}

#[test]
fn a_decision_depends_on_the_facts_that_its_policies_read() {
    let text = [
        policy(
            "a",
            "forbid (principal, action == Tollgate::Action::\"refund\", resource) when { context.facts.refunds > 3 };",
        ),
        policy(
            "b",
            "forbid (principal, action in [Tollgate::Action::\"refund\", Tollgate::Action::\"send\"], resource) \
             unless { context.facts has spent };",
        ),
    ];
    let pdp = load(&text.concat());
    let read = |tool: &str| pdp.facts_read(&Action::Call(tool.into())).clone();
    assert_eq!(read("refund"), names(&["refunds", "spent"]));
    assert_eq!(read("send"), names(&["spent"]));
    assert_eq!(read("read"), names(&[]));
    let whole = policy(
        "c",
        "forbid (principal, action == Tollgate::Action::\"read\", resource) when { context.facts == context.facts };",
    );
    let pdp = load(&whole);
    let all = pdp.facts_read(&Action::Call("read".into()));
    assert_eq!(all.len(), 8);
}

/// What `policy check` says with this code of policies about refunds.
fn warned(code: &str, policies: &[&str]) -> Vec<String> {
    let named = (0..).zip(policies);
    let text: String = named
        .map(|(n, text)| {
            let text = text.replace(
                "…",
                "principal, action == Tollgate::Action::\"refund\", resource",
            );
            policy(&format!("p{n}"), &text)
        })
        .collect();
    let found = load(&text).lint();
    let found = found.into_iter().filter(|d| d.code == code);
    found.map(|d| d.message).collect()
}

#[test]
fn a_rule_that_an_unknown_fact_disables_is_a_warning() {
    let warned = |policies: &[&str]| warned("policy::unknown-fact", policies);
    let evaded = "forbid (…) when { context.facts has refunds_of_customer && context.facts.refunds_of_customer >= 3 };";
    assert_eq!(
        warned(&[evaded]),
        ["policy `p0` does not hold where the fact `refunds_of_customer` is unknown"]
    );
    for covered in [
        &[
            "forbid (…) unless { context.facts has refunds_of_customer && context.facts.refunds_of_customer < 3 };",
        ][..],
        &[
            evaded,
            "forbid (…) unless { context.facts has refunds_of_customer };",
        ],
        &[
            "forbid (…) when { if context.facts has spent then context.facts.spent.greaterThan(decimal(\"9.0\")) else true };",
        ],
        // Where nothing has happened, nothing is unknown.
        &[
            "forbid (…) when { context.facts has last_refund && context.facts.last_refund > datetime(\"2026-01-01\") };",
        ],
        &["permit (…) when { context.facts has spent };"],
    ] {
        assert_eq!(warned(covered), [""; 0], "{covered:?}");
    }
}

#[test]
fn a_rule_that_a_new_run_disables_is_a_warning() {
    let warned = |policy: &str| warned("policy::fact-of-run", &[policy]);
    for (evaded, fact) in [
        (
            "forbid (…) when { context.facts.refunds_in_run > 0 };",
            "refunds_in_run",
        ),
        (
            "forbid (…) when { context.facts.refunds > 3 || context.facts.refunds_in_run >= 3 };",
            "",
        ),
        (
            "forbid (…) when { context.facts.refunds > 3 && context.facts.refunds_in_run >= 3 };",
            "refunds_in_run",
        ),
        (
            "forbid (…) when { context.facts has since_in_run && context.facts.since_in_run == 0 };",
            "since_in_run",
        ),
        (
            "forbid (…) when { context.facts has of_customer_in_run && context.facts.of_customer_in_run > 1 };",
            "of_customer_in_run",
        ),
        (
            "forbid (…) unless { context.facts has spent_in_run && \
             context.facts.spent_in_run.lessThanOrEqual(decimal(\"9.0\")) };",
            "",
        ),
        (
            "forbid (…) when { context.facts has spent_in_run && \
             context.facts.spent_in_run.greaterThan(decimal(\"9.0\")) };",
            "spent_in_run",
        ),
        // What a run must have done before is not forgotten in another one.
        (
            "forbid (…) unless { context.facts.refunds_in_run > 0 };",
            "",
        ),
        (
            "forbid (…) unless { context.facts has since_in_run && context.facts.since_in_run == 0 };",
            "",
        ),
        ("forbid (…) when { context.facts.refunds_in_run == 0 };", ""),
        ("forbid (…) when { context.facts.refunds > 0 };", ""),
        ("permit (…) when { context.facts.refunds_in_run > 0 };", ""),
    ] {
        let expected: Vec<String> = match fact {
            "" => Vec::new(),
            fact => vec![format!(
                "policy `p0` does not hold in a new run: the fact `{fact}` counts by run"
            )],
        };
        assert_eq!(warned(evaded), expected, "{evaded}");
    }
}

#[test]
fn a_rule_that_a_missing_request_lifts_is_a_warning() {
    let warned = |text| warned("policy::request-of-run", &[text]);
    for evaded in [
        "forbid (…) when { context.provenance.request && context.sinks.contains(Tollgate::Origin::\"untrusted\") };",
        "forbid (…) when { context.provenance.known && context.provenance.echoed };",
    ] {
        let expected = "policy `p0` does not hold in a run without a request";
        assert_eq!(warned(evaded), [expected], "{evaded}");
    }
    for holds in [
        "forbid (…) when { (context.provenance.request || context.provenance.expected) && context.provenance.echoed };",
        "forbid (…) unless { context.provenance.known && context.provenance.asked };",
        "forbid (…) when { context.provenance.exposed };",
        "permit (…) when { context.provenance.request };",
    ] {
        assert_eq!(warned(holds), [""; 0], "{holds}");
    }
}
