//! Policies with `@redact` over calls.

use serde_json::json;

use super::*;
use crate::case::{Case, Defaults};

/// Text of a forbid of `refund` that redacts.
fn redacts_refund(id: &str, redact: &str, rest: &str) -> String {
    let source = format!(
        "@redact(\"{redact}\")\nforbid (principal, action == Tollgate::Action::\"refund\", resource){rest};"
    );
    policy(id, &source)
}

fn refund_with(more: &Value) -> Request {
    let mut input = json!({ "amount": 5 });
    let members = input.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    call("refund", input)
}

#[test]
fn a_call_is_denied_until_its_arguments_are_redacted() {
    let pdp = pdp(&format!("{PERMIT}{}", redacts_refund("notes", "/note", "")));
    let sent = pdp.decide(&refund_with(&json!({ "note": "DE02" })), &facts());
    assert_eq!(answer(&sent), "deny by notes");
    assert_eq!(sent.basis().redact, names(&["/note"]));

    let redacted = refund_with(&json!({ "note": "[redacted]" }));
    let done = pdp.decide(&redacted, &facts());
    assert_eq!(answer(&done), "allow by permit");
    assert_eq!(done.basis().redact, names(&[]));
    let met = &done.basis().redacted;
    let ids: Vec<&str> = met.policies.iter().map(|p| p.id.as_str()).collect();
    assert_eq!((ids, &met.pointers), (vec!["notes"], &names(&["/note"])));
    let made = pdp.redacted(&refund_with(&json!({ "note": "DE02" })), &names(&["/note"]));
    assert_eq!(made, Some(redacted));

    // Where the schema lets it be absent there is nothing to remove.
    for absent in [json!({}), json!({ "note": null })] {
        let decision = pdp.decide(&refund_with(&absent), &facts());
        assert_eq!(answer(&decision), "allow by permit", "{absent}");
    }
}

/// Nothing is hidden from other policies, and what cannot be redacted is denied.
#[test]
fn redaction_lifts_nothing_else() {
    let notes = redacts_refund("notes", "/note", "");
    let hard = policy(
        "iban",
        "forbid (principal, action == Tollgate::Action::\"refund\", resource)\n\
         when { context.input has note && context.input.note like \"DE*\" };",
    );
    let sent = refund_with(&json!({ "note": "DE02" }));
    for (policies, why) in [
        (
            format!("{PERMIT}{notes}{hard}"),
            "a forbid of what was sent",
        ),
        (notes.clone(), "no permit"),
        (
            format!("{PERMIT}{}", redacts_refund("typo", "/notes", "")),
            "no such argument",
        ),
        (
            format!("{PERMIT}{}", redacts_refund("deep", "/note/iban", "")),
            "no JSON in the text",
        ),
    ] {
        let decision = pdp(&policies).decide(&sent, &facts());
        assert_eq!(decision.outcome(), Outcome::Deny, "{why}");
        assert_eq!(decision.basis().redact, names(&[]), "{why}");
    }
    // A value that is no text cannot hold the placeholder.
    let amount = pdp(&format!(
        "{PERMIT}{}",
        redacts_refund("amounts", "/amount", "")
    ));
    assert_eq!(amount.redacted(&sent, &names(&["/amount"])), None);
    // An erring policy denies, whatever else redacts.
    let errs = policy(
        "errs",
        "forbid (principal, action == Tollgate::Action::\"refund\", resource)\n\
         when { context.input.amount + 9223372036854775807 > 0 };",
    );
    let decision = pdp(&format!("{PERMIT}{notes}{errs}")).decide(&sent, &facts());
    assert_eq!(decision.outcome(), Outcome::Error);
}

/// A policy whose condition reads what was removed is met as well, and does not err.
#[test]
fn a_condition_over_what_was_removed_is_not_asked_again() {
    let source = "@redact(\"/at\")\nforbid (principal, action == Tollgate::Action::\"send\", resource)\n\
                  when { context.input has at && context.input.at > datetime(\"2026-01-01\") };";
    let pdp = pdp(&format!("{PERMIT}{}", policy("dates", source)));
    let sent = json!({ "to": "x", "at": "2026-11-21T10:30:00Z" });
    let sent = pdp.decide(&call("send", sent), &facts());
    assert_eq!(sent.basis().redact, names(&["/at"]));
    let done = json!({ "to": "x", "at": "[redacted]" });
    let done = pdp.decide(&call("send", done), &facts());
    assert_eq!(answer(&done), "allow by permit");
}

/// The approver of a redacted call is asked about the redacted arguments.
#[test]
fn a_redacted_call_may_need_an_approval() {
    let asks = policy(
        "asks",
        "forbid (principal, action == Tollgate::Action::\"refund\", resource)\n\
         unless { context.approval.roles.contains(Tollgate::Role::\"finance\") };",
    );
    let notes = redacts_refund("notes", "/note", "");
    let pdp = pdp(&format!("{PERMIT}{notes}{asks}"));
    let sent = pdp.decide(&refund_with(&json!({ "note": "DE02" })), &facts());
    assert_eq!(answer(&sent), "deny by notes");
    assert_eq!(sent.basis().redact, names(&["/note"]));
    let redacted = refund_with(&json!({ "note": "[redacted]" }));
    let asked = pdp.decide(&redacted, &facts());
    assert_eq!(answer(&asked), "escalate by asks");
    assert_eq!(asked.basis().redacted.pointers, names(&["/note"]));
    let granted = approved(&facts(), &requirement(&asked), &["finance"], 1);
    assert_eq!(answer(&pdp.decide(&redacted, &granted)), "allow by permit");
    // An approval of one form is none of the other.
    assert_eq!(
        pdp.decide(&refund_with(&json!({ "note": "DE02" })), &granted)
            .outcome(),
        Outcome::Deny
    );
    // A result is never redacted where it would need an approval.
    let release_asks = policy(
        "asks",
        "forbid (principal, action == Tollgate::Action::\"return_result\", resource)\n\
         unless { context.approval.roles.contains(Tollgate::Role::\"finance\") };",
    );
    let result = policy(
        "results",
        "@redact(\"/iban\")\nforbid (principal, action == Tollgate::Action::\"return_result\", resource);",
    );
    let pdp = super::pdp(&format!("{PERMIT}{result}{release_asks}"));
    assert_eq!(pdp.decide(&release(), &facts()).basis().redact, names(&[]));
}

#[test]
fn a_shadow_redaction_changes_nothing() {
    let shadow = format!("@mode(\"shadow\") {}", redacts_refund("notes", "/note", ""));
    let pdp = pdp(&format!("{PERMIT}{shadow}"));
    let decision = pdp.decide(&refund_with(&json!({ "note": "DE02" })), &facts());
    assert_eq!(answer(&decision), "allow by permit");
    let flip = decision.basis().shadow.clone().unwrap();
    assert_eq!(flip.outcome, Outcome::Deny);
}

/// Cases are played as the gate decides: first as it was sent, then redacted.
#[test]
fn a_case_says_what_is_redacted() {
    let pdp = pdp(&format!("{PERMIT}{}", redacts_refund("notes", "/note", "")));
    let case = |redact: &[&str]| -> Case {
        serde_json::from_value(json!({
            "name": "notes", "principal": "Agent::support", "action": "refund",
            "on_behalf_of": "alice", "input": { "amount": 5, "note": "DE02" },
            "expect": "allow", "by": ["permit"], "redact": redact,
        }))
        .unwrap()
    };
    let played = case(&["/note"]).play(&pdp, &Defaults::default());
    assert_eq!(played.wrong, Vec::<String>::new());
    assert_eq!(played.answer.redacted_by, ["notes"]);
    let played = case(&[]).play(&pdp, &Defaults::default());
    assert_eq!(played.wrong, ["redact: expected nothing, got /note"]);
}

#[test]
fn a_pointer_that_can_never_be_redacted_is_found() {
    let lint = |redact: &str| -> Vec<String> {
        let pdp = pdp(&format!("{PERMIT}{}", redacts_refund("notes", redact, "")));
        pdp.lint().iter().map(|d| d.message.clone()).collect()
    };
    assert_eq!(lint("/note"), Vec::<String>::new());
    assert_eq!(lint("/note/iban"), Vec::<String>::new(), "it may be JSON");
    for pointer in ["/amount", "/notes", "/currency/x"] {
        let found = lint(pointer);
        assert_eq!(found.len(), 1, "{pointer}: {found:?}");
        assert!(found[0].contains(pointer), "{found:?}");
    }
}
