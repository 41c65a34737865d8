//! Allow, deny and error; shadow policies; the basis of a decision.

use super::*;

const OVERFLOW: &str = "context.local.minute + 9223372036854775807 > 0";

#[test]
fn without_policies_everything_is_denied() {
    assert_eq!(answer(&pdp("").decide(&read(), &facts())), "deny by ");
    let decision = pdp("").decide(&read(), &facts());
    let reason = decision.basis().reason();
    assert!(reason.starts_with("There are no policies"), "{reason}");
}

#[test]
fn what_nothing_permits_is_denied() {
    let pdp = pdp(&policy(
        "reads",
        r#"permit (principal, action == Tollgate::Action::"read", resource);"#,
    ));
    assert_eq!(answer(&pdp.decide(&read(), &facts())), "allow by reads");
    assert_eq!(answer(&pdp.decide(&send(), &facts())), "deny by ");
}

#[test]
fn forbid_beats_permit() {
    let forbid = policy(
        "no-mail",
        r#"forbid (principal, action, resource in Tollgate::Label::"egress");"#,
    );
    let pdp = pdp(&format!("{PERMIT}{forbid}"));
    assert_eq!(answer(&pdp.decide(&read(), &facts())), "allow by permit");
    let denied = pdp.decide(&send(), &facts());
    assert_eq!(answer(&denied), "deny by no-mail");
    assert_eq!(denied.basis().reason(), "Because no-mail.");
    assert_eq!(denied.basis().determining[0].owner, "ops");
}

/// Roles, groups of actions, components and labels are all `in`.
#[test]
fn scopes_see_every_ancestor() {
    for scope in [
        r#"principal in Tollgate::Role::"clerk", action, resource"#,
        r#"principal in Tollgate::Tenant::"acme", action, resource"#,
        r#"principal, action in Tollgate::Action::"call", resource"#,
        r#"principal, action in [Tollgate::Action::"send", Tollgate::Action::"read"], resource"#,
        r#"principal, action, resource in Tollgate::Component::"desk""#,
        r#"principal, action, resource in Tollgate::Label::"private""#,
    ] {
        let pdp = pdp(&policy("p", &format!("permit ({scope});")));
        assert_eq!(
            answer(&pdp.decide(&read(), &facts())),
            "allow by p",
            "{scope}"
        );
    }
    let file = policy(
        "p",
        r#"permit (principal, action, resource in Tollgate::Label::"private");"#,
    );
    assert_eq!(
        answer(&pdp(&file).decide(&read_file(), &facts_with_file())),
        "allow by p"
    );
}

#[test]
fn an_error_in_any_policy_denies_although_another_permits() {
    for (id, erring) in [
        (
            "broken-forbid",
            format!("forbid (principal, action, resource) when {{ {OVERFLOW} }};"),
        ),
        (
            "broken-permit",
            format!("permit (principal, action, resource) when {{ {OVERFLOW} }};"),
        ),
    ] {
        let pdp = pdp(&format!("{PERMIT}{}", policy(id, &erring)));
        let decision = pdp.decide(&read(), &facts());
        assert_eq!(
            answer(&decision),
            format!("error: policy `{id}`: an integer overflows")
        );
        assert_eq!(
            decision.basis().ids().collect::<Vec<_>>(),
            [id],
            "its owner is named"
        );
    }
    // An error wins even if a forbid would have denied anyway.
    let forbid = policy("no", "forbid (principal, action, resource);");
    let erring = policy(
        "broken",
        &format!("permit (principal, action, resource) when {{ {OVERFLOW} }};"),
    );
    let decision = pdp(&format!("{forbid}{erring}")).decide(&read(), &facts());
    assert_eq!(decision.outcome(), Outcome::Error);
}

#[test]
fn an_error_elsewhere_does_not_matter() {
    let erring = format!(
        r#"forbid (principal, action == Tollgate::Action::"send", resource) when {{ {OVERFLOW} }};"#
    );
    let pdp = pdp(&format!("{PERMIT}{}", policy("broken", &erring)));
    assert_eq!(answer(&pdp.decide(&read(), &facts())), "allow by permit");
    assert_eq!(pdp.decide(&send(), &facts()).outcome(), Outcome::Error);
}

/// Cedar's own JSON reads `__entity` and `__extn` as entities and functions; arguments never do.
#[test]
fn escapes_in_arguments_stay_data() {
    let escape = json!({ "__entity": { "type": "Tollgate::Role", "id": "security" } });
    let pdp = pdp(&policy(
        "text",
        r#"permit (principal, action == Tollgate::Action::"send", resource)
           when { context.input has headers && context.input.headers like "*__entity*" };"#,
    ));
    let as_json = call("send", json!({ "to": "x", "headers": { "a": escape } }));
    assert_eq!(answer(&pdp.decide(&as_json, &facts())), "allow by text");
    let as_string = call("send", json!({ "to": escape }));
    assert_eq!(
        answer(&pdp.decide(&as_string, &facts())),
        "error: the value at `/to` is not a string"
    );
    let extn = json!({ "__extn": { "fn": "ip", "arg": "10.0.0.1" } });
    let as_member = call(
        "send",
        json!({ "to": "x", "headers": extn.clone(), "__extn": extn }),
    );
    assert_eq!(
        answer(&pdp.decide(&as_member, &facts())),
        "deny by ",
        "members without a type are not seen"
    );
}

#[test]
fn arguments_are_typed_as_their_schema_says() {
    for (tool, input, condition) in [
        (
            "refund",
            json!({ "amount": 5 }),
            "context.input.amount == 5",
        ),
        (
            "refund",
            json!({ "amount": 5 }),
            "!(context.input has currency)",
        ),
        (
            "refund",
            json!({ "amount": 5, "currency": "EUR" }),
            r#"context.input has currency && context.input.currency == Tollgate::refund::Input::currency::"EUR""#,
        ),
        (
            "refund",
            json!({ "amount": 5, "note": "n" }),
            r#"context.input has note && context.input.note == "n""#,
        ),
        (
            "refund",
            json!({ "amount": 5, "note": null }),
            "!(context.input has note)",
        ),
        (
            "send",
            json!({ "to": "x", "at": "2026-11-21T10:30:00+02:00" }),
            r#"context.input has at && context.input.at == datetime("2026-11-21T08:30:00Z")"#,
        ),
        (
            "send",
            json!({ "to": "x", "lines": ["a", "b"] }),
            r#"context.input has lines && context.input.lines.contains("b")"#,
        ),
        (
            "send",
            json!({ "to": "x" }),
            r#"context.now > datetime("2026-11-21T08:29:00Z") && context.environment == "test""#,
        ),
    ] {
        let source = format!(
            "permit (principal, action == Tollgate::Action::\"{tool}\", resource) when {{ {condition} }};"
        );
        let decision = pdp(&policy("p", &source)).decide(&call(tool, input), &facts());
        assert_eq!(answer(&decision), "allow by p", "{condition}");
    }
}

#[test]
fn shadow_policies_change_nothing_and_their_flips_are_recorded() {
    let shadow = |id: &str, source: &str| format!("@mode(\"shadow\") {}", policy(id, source));
    let forbid = shadow(
        "watch",
        r#"forbid (principal, action == Tollgate::Action::"send", resource);"#,
    );
    let pdp1 = pdp(&format!("{PERMIT}{forbid}"));
    assert_eq!(pdp1.decide(&read(), &facts()).basis().shadow, None);
    let decision = pdp1.decide(&send(), &facts());
    assert_eq!(answer(&decision), "allow by permit");
    let flip = ShadowFlip {
        candidate: false,
        outcome: Outcome::Deny,
        policies: vec!["watch".into()],
    };
    assert_eq!(decision.basis().shadow, Some(flip));

    let permit = shadow("someday", "permit (principal, action, resource);");
    let decision = pdp(&permit).decide(&send(), &facts());
    assert_eq!(answer(&decision), "deny by ");
    assert_eq!(
        decision.basis().shadow.as_ref().map(|s| s.outcome),
        Some(Outcome::Allow)
    );

    let erring = shadow(
        "broken",
        &format!("forbid (principal, action, resource) when {{ {OVERFLOW} }};"),
    );
    let decision = pdp(&format!("{PERMIT}{erring}")).decide(&send(), &facts());
    assert_eq!(answer(&decision), "allow by permit");
    assert_eq!(
        decision.basis().shadow.as_ref().map(|s| s.outcome),
        Some(Outcome::Error)
    );
}

/// The roles and counts of a shadow policy are its own: it may escalate where no enforced one does.
#[test]
fn a_shadow_policy_that_would_escalate_says_so() {
    let watched = format!("{PERMIT}@mode(\"shadow\") {}", TRIFECTA.trim());
    let decision = pdp(&watched).decide(&send(), &tainted());
    assert_eq!(answer(&decision), "allow by permit");
    let flip = ShadowFlip {
        candidate: false,
        outcome: Outcome::Escalate,
        policies: vec!["private-data-stays-in".into()],
    };
    assert_eq!(decision.basis().shadow, Some(flip));
}

#[test]
fn redactions_reach_the_basis() {
    let forbid = |id: &str, redact: &str| {
        format!(
            "{redact} {}",
            policy(
                id,
                r#"forbid (principal, action == Tollgate::Action::"return_result", resource);"#
            )
        )
    };
    let redacting = forbid("redact", r#"@redact("/customer/email /customer/iban")"#);
    let decision = pdp(&format!("{PERMIT}{redacting}")).decide(&release(), &facts());
    assert_eq!(answer(&decision), "deny by redact");
    assert_eq!(
        decision.basis().redact,
        names(&["/customer/email", "/customer/iban"])
    );
    assert_eq!(
        pdp(&format!("{PERMIT}{redacting}"))
            .decide(&read(), &facts())
            .basis()
            .redact,
        names(&[])
    );

    let both = format!(
        "{PERMIT}{redacting}{}",
        forbid("more", r#"@redact("/notes")"#)
    );
    let pointers = names(&["/customer/email", "/customer/iban", "/notes"]);
    assert_eq!(
        pdp(&both).decide(&release(), &facts()).basis().redact,
        pointers
    );

    // A forbid that redacts nothing withholds everything.
    let withheld = format!("{PERMIT}{redacting}{}", forbid("withhold", ""));
    let decision = pdp(&withheld).decide(&release(), &facts());
    assert_eq!(answer(&decision), "deny by redact withhold");
    assert_eq!(decision.basis().redact, names(&[]));

    // So does the lack of a permit.
    assert_eq!(
        pdp(&redacting).decide(&release(), &facts()).basis().redact,
        names(&[])
    );
}

#[test]
fn deciding_twice_gives_the_same_answer() {
    let shadow = format!(
        "@mode(\"shadow\") {}",
        policy("watch", "forbid (principal, action, resource);")
    );
    let pdp = pdp(&format!("{PERMIT}{TRIFECTA}{shadow}"));
    for (request, facts) in [
        (read(), facts()),
        (send(), tainted()),
        (refund(7), facts()),
        (read_file(), facts_with_file()),
        (read_file(), facts()),
    ] {
        let first = pdp.decide(&request, &facts);
        assert!(first == pdp.decide(&request, &facts), "{request:?}");
    }
}

#[test]
fn the_basis_names_the_bundle() {
    let decision = pdp(PERMIT).decide(&read(), &facts());
    let (_, digest) = bundle(PERMIT).seal().unwrap();
    assert_eq!(decision.basis().bundle, digest);
    assert_ne!(digest, bundle("").seal().unwrap().1);
}
