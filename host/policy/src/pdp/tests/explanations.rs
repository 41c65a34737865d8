//! Explanations and lints, over the small support desk of the decision point's tests.

use serde_json::json;

use super::*;
use crate::policy::Level;

fn explained(policies: &str, request: &Request, facts: &Facts) -> String {
    let explanation = pdp(policies).explain(request, facts);
    let mut text = format!("{}\n", answer(&explanation.decision));
    for policy in &explanation.policies {
        let told = match &policy.verdict {
            Verdict::Applies => "applies".to_owned(),
            Verdict::Redacted => "is met by redaction".to_owned(),
            Verdict::Errs { error } => format!("errs: {error}"),
            Verdict::Fails(failed) => {
                let seen = failed
                    .values
                    .iter()
                    .map(|s| format!("{} is {}", s.name, s.value));
                let seen: Vec<String> = seen.collect();
                format!(
                    "{}: {} [{}]",
                    failed.part,
                    failed.expression,
                    seen.join("; ")
                )
            }
        };
        text.push_str(&format!("  {} {told}\n", policy.id));
    }
    for change in &explanation.changes {
        text.push_str(&format!("  or else {}\n", change.join(", and ")));
    }
    text
}

#[test]
fn an_answer_is_explained_policy_by_policy() {
    let call = r#"action in Tollgate::Action::"call""#;
    let policies = [
        policy("a-clerk", &format!(r#"permit (principal in Tollgate::Role::"clerk", {call}, resource);"#)),
        policy("b-boss", &format!(r#"permit (principal in Tollgate::Role::"finance", {call}, resource);"#)),
        policy("c-few", &format!("forbid (principal, {call}, resource) when {{ principal is Tollgate::Agent && context.run.calls > 3 }};")),
        policy("d-amount", r#"forbid (principal, action == Tollgate::Action::"refund", resource) when { context.input.amount > 100 };"#),
        policy("e-night", &format!("forbid (principal, {call}, resource) unless {{ context.local.minute >= 420 && context.local.minute < 1140 }};")),
        policy("f-other", r#"forbid (principal, action == Tollgate::Action::"read", resource);"#),
        TRIFECTA.to_owned(),
    ]
    .concat();
    let other = Request {
        principal: uid(Kind::Agent, "other"),
        ..refund(7)
    };
    let night = Facts {
        local: LocalTime {
            minute: 3,
            weekday: 2,
        },
        ..facts()
    };
    let all = [
        ("allowed", explained(&policies, &refund(7), &facts())),
        ("too much", explained(&policies, &refund(101), &facts())),
        (
            "no policy permits it",
            explained(&policies, &other, &facts()),
        ),
        (
            "two things at once",
            explained(&policies, &refund(101), &night),
        ),
        (
            "an approval would do",
            explained(&policies, &send(), &tainted()),
        ),
        (
            "no request at all",
            explained(&policies, &call_of_nothing(), &facts()),
        ),
    ];
    let all: Vec<String> = all
        .iter()
        .map(|(what, text)| format!("{what}: {text}"))
        .collect();
    insta::assert_snapshot!(all.join("\n"));
}

fn call_of_nothing() -> Request {
    call("refund", json!({ "amount": "x" }))
}

/// An explanation is right: each listed change of an argument or a count changes the answer.
#[test]
fn changes_turn_the_answer() {
    let policies = format!(
        "{PERMIT}{}",
        policy(
            "limit",
            r#"forbid (principal, action == Tollgate::Action::"refund", resource) when { context.input.amount > 100 && context.run.calls >= 2 };"#
        )
    );
    let busy = Facts {
        run: RunFacts {
            calls: 2,
            ..RunFacts::default()
        },
        ..facts()
    };
    let explanation = pdp(&policies).explain(&refund(500), &busy);
    assert_eq!(
        explanation.changes,
        [
            ["if context.run.calls were 1"],
            ["if context.input.amount were 100"]
        ]
    );
    let pdp = pdp(&policies);
    assert_eq!(pdp.decide(&refund(100), &busy).outcome(), Outcome::Allow);
    let calmer = Facts {
        run: RunFacts {
            calls: 1,
            ..RunFacts::default()
        },
        ..facts()
    };
    assert_eq!(pdp.decide(&refund(500), &calmer).outcome(), Outcome::Allow);
}

/// What the lint says of policies, a line each.
fn lints(policies: &[(&str, &str)]) -> String {
    let text: String = policies
        .iter()
        .map(|(id, source)| policy(id, source))
        .collect();
    let found = pdp(&text).lint();
    let line = |d: &Diagnostic| {
        let level = match d.level {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        format!("{level} {}: {}", d.code, d.message)
    };
    let lines: Vec<String> = found.iter().map(line).collect();
    lines.join("\n")
}

#[test]
fn policies_that_make_no_difference_are_found() {
    let everything = ("all", "permit (principal, action, resource);");
    let cases = [
        lints(&[everything]),
        lints(&[(
            "wrong-tool",
            r#"forbid (principal, action == Tollgate::Action::"read", resource == Tollgate::Tool::"send");"#,
        )]),
        lints(&[(
            "not-that-tool",
            r#"forbid (principal, action == Tollgate::Action::"read", resource) when { resource == Tollgate::Tool::"send" && context.run.calls > 1 };"#,
        )]),
        lints(&[(
            "no-such-agent",
            r#"forbid (principal is Tollgate::Agent in Tollgate::Role::"finance", action in Tollgate::Action::"call", resource);"#,
        )]),
        lints(&[(
            "no-such-label",
            r#"forbid (principal, action in Tollgate::Action::"call", resource in Tollgate::Label::"untrusted");"#,
        )]),
        lints(&[(
            "files",
            r#"forbid (principal, action == Tollgate::Action::"read_file", resource in Tollgate::Directory::"x/y:/z");"#,
        )]),
        lints(&[
            everything,
            (
                "narrow",
                r#"permit (principal, action == Tollgate::Action::"read", resource) when { context.run.calls < 3 };"#,
            ),
        ]),
        lints(&[
            ("twin-a", "permit (principal, action, resource);"),
            ("twin-b", "permit (principal, action, resource);"),
        ]),
        lints(&[
            (
                "never",
                r#"permit (principal in Tollgate::Role::"clerk", action == Tollgate::Action::"send", resource);"#,
            ),
            (
                "no-sending",
                r#"forbid (principal, action == Tollgate::Action::"send", resource);"#,
            ),
        ]),
        lints(&[
            (
                "strict",
                r#"forbid (principal, action == Tollgate::Action::"send", resource) when { context.run.calls > 3 && context.run.denials > 1 };"#,
            ),
            (
                "loose",
                r#"forbid (principal, action in Tollgate::Action::"call", resource) when { context.run.calls > 3 };"#,
            ),
        ]),
        lints(&[
            (
                "one",
                r#"forbid (principal, action == Tollgate::Action::"send", resource) when { context.run.calls > 3 };"#,
            ),
            (
                "other",
                r#"forbid (principal, action == Tollgate::Action::"read", resource) when { context.run.calls > 3 };"#,
            ),
        ]),
    ];
    insta::assert_snapshot!(cases.join("\n--\n"));
}

/// A whole shadow set next to the one in force: it changes nothing, and what it would change is recorded.
#[test]
fn a_candidate_is_watched() {
    let mut bundle = bundle(PERMIT);
    let candidate = |text: String| {
        Some(vec![PolicyFile {
            name: "candidate.cedar".into(),
            text,
        }])
    };
    bundle.candidate = candidate(policy(
        "clerks",
        r#"permit (principal, action == Tollgate::Action::"read", resource);"#,
    ));
    let pdp = Pdp::load(&bundle).unwrap();
    assert_ne!(pdp.digest(), super::pdp(PERMIT).digest());
    assert_eq!(pdp.decide(&read(), &facts()).basis().shadow, None);
    let sent = pdp.decide(&send(), &facts());
    let flip = ShadowFlip {
        candidate: true,
        outcome: Outcome::Deny,
        policies: Vec::new(),
    };
    assert_eq!(answer(&sent), "allow by permit");
    assert_eq!(sent.basis().shadow, Some(flip));
    bundle.candidate = candidate("permit (".into());
    let refused = Pdp::load(&bundle).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("the candidate: candidate.cedar:1:"),
        "{refused}"
    );
}
