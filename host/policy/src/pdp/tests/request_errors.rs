//! Requests that cannot be evaluated: entities, arguments and facts that do not fit the schema.

use super::*;

fn ghost(kind: Kind) -> Uid {
    uid(kind, "ghost")
}

/// In Cedar an unknown entity makes `in` quietly false, which would disable a forbid.
#[track_caller]
fn assert_unknown(kind: &str, request: &Request, facts: &Facts) {
    let answer = answer(&pdp(PERMIT).decide(request, facts));
    assert!(
        answer.starts_with(&format!("error: Tollgate::{kind}::")),
        "{kind}: {answer}"
    );
    assert!(
        answer.ends_with(" is not known to this gate"),
        "{kind}: {answer}"
    );
}

#[test]
fn an_unknown_entity_of_a_call_is_an_error() {
    let call = |on_behalf_of, via| Request {
        context: ActionContext::Call {
            on_behalf_of,
            input: json!({ "id": "t1", "limit": 1 }),
            via,
        },
        ..read()
    };
    let principal = Request {
        principal: ghost(Kind::Agent),
        ..read()
    };
    let resource = Request {
        resource: ghost(Kind::Tool),
        ..read()
    };
    let on_behalf_of = call(ghost(Kind::User), BTreeSet::new());
    let via = call(uid(Kind::User, "alice"), names(&["ghost"]));
    for (kind, request) in [
        ("Agent", principal),
        ("Tool", resource),
        ("User", on_behalf_of),
        ("Component", via),
    ] {
        assert_unknown(kind, &request, &facts());
    }
}

#[test]
fn an_unknown_entity_of_the_facts_is_an_error() {
    let run = |run| Facts { run, ..facts() };
    let labels = run(RunFacts {
        labels: names(&["ghost"]),
        ..RunFacts::default()
    });
    let tools = run(RunFacts {
        tools: names(&["ghost"]),
        ..RunFacts::default()
    });
    let granted = PriorApproval {
        count: 1,
        lifts: BTreeSet::new(),
        roles: names(&["ghost"]),
    };
    let approval = Facts {
        approval: Some(granted),
        ..facts()
    };
    for (kind, facts) in [("Label", labels), ("Tool", tools), ("Role", approval)] {
        assert_unknown(kind, &read(), &facts);
    }
}

#[test]
fn an_unknown_entity_of_a_file_operation_is_an_error() {
    let orphan = vec![Entity::new(
        uid(Kind::File, "desk/data:/a.txt"),
        [ghost(Kind::Directory)],
    )];
    let orphan = Facts {
        entities: orphan,
        ..facts()
    };
    assert_unknown("Directory", &read_file(), &orphan);
    assert_unknown("File", &read_file(), &facts());
    let by = |agent, tool| Request {
        context: ActionContext::Capability {
            guest: GuestCaller {
                agent,
                on_behalf_of: uid(Kind::User, "alice"),
                tool,
            },
            size: 0,
        },
        ..read_file()
    };
    let agent = by(ghost(Kind::Agent), uid(Kind::Tool, "read"));
    assert_unknown("Agent", &agent, &facts_with_file());
    let tool = by(uid(Kind::Agent, "support"), ghost(Kind::Tool));
    assert_unknown("Tool", &tool, &facts_with_file());
    assert_eq!(
        answer(&pdp(PERMIT).decide(&read_file(), &facts_with_file())),
        "allow by permit"
    );
}

#[test]
fn an_unknown_role_of_an_approver_is_an_error() {
    let answering = Request {
        action: Action::Approve,
        context: ActionContext::Approver {
            tool: uid(Kind::Tool, "read"),
            on_behalf_of: uid(Kind::User, "alice"),
            operator: uid(Kind::User, "alice"),
            roles: names(&["ghost"]),
            escalated_to: BTreeSet::new(),
            speaker: None,
            standing: None,
            makers: BTreeSet::new(),
            channel: "rest".into(),
        },
        principal: uid(Kind::User, "carol"),
        resource: uid(Kind::Approval, "apr"),
    };
    let approval = Facts {
        entities: vec![Entity::new(uid(Kind::Approval, "apr"), [])],
        ..facts()
    };
    assert_unknown("Role", &answering, &approval);
}

#[test]
fn what_the_configuration_says_of_an_entity_stands() {
    let pdp = pdp(&policy(
        "p",
        r#"permit (principal in Tollgate::Role::"security", action, resource);"#,
    ));
    let promoted = Entity::new(uid(Kind::Agent, "support"), [uid(Kind::Role, "security")]);
    let facts = Facts {
        entities: vec![promoted],
        ..facts()
    };
    assert_eq!(answer(&pdp.decide(&read(), &facts)), "deny by ");
}

#[test]
fn entities_in_a_circle_are_an_error() {
    let (a, b) = (
        uid(Kind::Directory, "desk/data:/a"),
        uid(Kind::Directory, "desk/data:/b"),
    );
    let circle = vec![
        Entity::new(a.clone(), [b.clone()]),
        Entity::new(b, [a.clone()]),
    ];
    let request = Request {
        action: Action::ListDirectory,
        resource: a,
        ..read_file()
    };
    let decision = pdp(PERMIT).decide(
        &request,
        &Facts {
            entities: circle,
            ..facts()
        },
    );
    assert_eq!(
        answer(&decision),
        "error: the entities of this request are inconsistent"
    );
}

#[test]
fn arguments_that_do_not_type_are_an_error() {
    let pdp = pdp(PERMIT);
    for (request, expected) in [
        (
            call("refund", json!({ "amount": "5" })),
            "the value at `/amount` is not an integer",
        ),
        (
            call("refund", json!({ "amount": 1, "currency": "GBP" })),
            "the value at `/currency` is not a variant of the enumeration",
        ),
        (
            call("refund", json!({ "amount": 1, "note": [] })),
            "the value at `/note` is not a string",
        ),
        (
            call("refund", json!([1])),
            "the value at `/` is not an object",
        ),
        (
            call("refund", json!({})),
            "the request does not validate against the schema",
        ),
        (
            call("send", json!({ "to": "x", "lines": ["a", 1] })),
            "the value at `/lines/1` is not a string",
        ),
        (
            call("ghost", json!({})),
            "Tollgate::Tool::\"ghost\" is not known to this gate",
        ),
    ] {
        assert_eq!(
            answer(&pdp.decide(&request, &facts())),
            format!("error: {expected}")
        );
    }
    let tricked = Request {
        action: Action::Call("halt".into()),
        ..read()
    };
    assert_eq!(
        answer(&pdp.decide(&tricked, &facts())),
        "error: the tool `halt` is not loaded"
    );
    let mixed = Request {
        action: Action::ReadFile,
        ..read()
    };
    assert_eq!(
        pdp.decide(&mixed, &facts()).outcome(),
        Outcome::Error,
        "a call's context for a file"
    );
}

#[test]
fn a_number_that_a_decimal_cannot_hold_fails_only_the_policies_that_ask_for_it() {
    let pdp = pdp(&policy(
        "cheap",
        r#"permit (principal, action == Tollgate::Action::"refund", resource)
           when { context.input has rate && context.input.rate.lessThan(decimal("1.5")) };"#,
    ));
    let rate = |rate: Value| {
        answer(&pdp.decide(
            &call("refund", json!({ "amount": 1, "rate": rate })),
            &facts(),
        ))
    };
    assert_eq!(rate(json!(1.4999)), "allow by cheap");
    assert_eq!(rate(json!(1)), "allow by cheap");
    assert_eq!(rate(json!(2)), "deny by ");
    assert!(rate(json!(1.49999)).starts_with("error"));
    let compares = |condition: &str| {
        let pdp = super::pdp(&policy(
            "rate",
            &format!(
                "permit (principal, action == Tollgate::Action::\"refund\", resource) when {{ {condition} }};"
            ),
        ));
        let input = json!({ "amount": 1, "rate": 1.49999 });
        answer(&pdp.decide(&call("refund", input), &facts()))
    };
    assert_eq!(compares("context.input.amount == 1"), "allow by rate");
    assert_eq!(compares("context.input has rate"), "allow by rate");
    for asks in [
        "context.input has rate && context.input.rate != decimal(\"1.5\")",
        "context.input != context.input",
    ] {
        let answer = compares(asks);
        assert!(answer.starts_with("error"), "{asks}: {answer}");
    }
}

#[test]
fn facts_that_do_not_type_are_an_error() {
    let reported = tollgate_model::request::SelfReport {
        cost: "much".into(),
        ..Default::default()
    };
    let cost = Facts {
        run: RunFacts {
            reported,
            ..RunFacts::default()
        },
        ..facts()
    };
    let calls = Facts {
        run: RunFacts {
            calls: u64::MAX,
            ..RunFacts::default()
        },
        ..facts()
    };
    let now = Facts {
        now: Timestamp(i64::MAX),
        ..facts()
    };
    for facts in [cost, calls, now] {
        assert_eq!(
            pdp(PERMIT).decide(&read(), &facts).outcome(),
            Outcome::Error
        );
    }
}
