//! Trees of synthetic runs.

mod reported;
mod story;

use std::collections::BTreeSet;

use tollgate_model::{
    canonical::Sha256Digest,
    decision::{
        Approvers, DecisionError, DeterminingPolicy, PolicyRef, Requirement, Severity, ShadowFlip,
    },
    entity::{Kind, Uid},
    ids::{ApprovalId, RunId, SpanId},
    life::ApprovalState,
    record::{
        ApprovalAnswered, ApprovalRequested, ApprovalResolved, CallInvalid, ComponentLog,
        DecisionRecord, EffectDetails, HttpEffect, KeyedDigest, OutcomeRecord, Record, Release,
        RunStarted, SecretEffect, Start, Status,
    },
    time::Timestamp,
};

use tollgate_trace::store::{Body, SpanOrigin, StoredLog, Usage};

use super::*;
use story::*;

/// An agent reads a ticket, is refused, and escalates a refund that is approved.
fn support_desk() -> Story {
    let mut s = Story::new();
    let clerks = [policy(
        "clerks-look-things-up",
        "support",
        "Clerks may read tickets and files.",
    )];
    let grants = [policy(
        "components-read-their-grants",
        "operator",
        "A component may read within its grants.",
    )];
    s.call(10, 20, "tickets__read", Outcome::Allow, &clerks);
    s.start(10, "tickets", None);
    s.file(
        10,
        21,
        Action::ReadFile,
        "tickets/book:/T-7.json",
        Outcome::Allow,
        &grants,
    );
    s.effect(10, 21, "read_file", "book:/T-7.json", 412);
    s.release(10, 22, "tickets__read");
    s.outcome(
        10,
        Status::Ok,
        Some(Release::Released),
        &["private", "untrusted"],
    );

    let trifecta = [policy(
        "private-data-stays-in",
        "security",
        "This run has read private data and untrusted content; sending it out needs security's approval.",
    )];
    s.now += 4_200_000;
    s.call(30, 32, "mail__send", Outcome::Deny, &trifecta);
    s.call(33, 35, "shell__run", Outcome::Deny, &[]);
    approved_refund(&mut s, &grants);
    s
}

/// It waits, is asked about twice, is approved, and writes a file.
fn approved_refund(s: &mut Story, grants: &[DeterminingPolicy]) {
    let large = [policy(
        "large-refunds-need-finance",
        "finance",
        "A refund of more than 50.00 needs finance's approval.",
    )];
    let id = ApprovalId::from_bytes([7; 8]);
    s.now += 1_000_000;
    s.call(40, 42, "payments__refund", Outcome::Escalate, &large);
    s.ask(40, 43, "payments__refund", id);
    s.again(40, 44, "payments__refund", &large);
    s.again(40, 45, "payments__refund", &large);
    s.answer(40, 43, id, true, Some("checked with the customer"));
    let refund = [policy("clerks-refund", "finance", "Clerks may refund.")];
    s.call_with(
        40,
        46,
        "payments__refund",
        Outcome::Allow,
        &refund,
        |decision| {
            decision.approval = Some(id);
            decision.resumption = true;
        },
    );
    s.start(40, "payments", Some(id));
    s.file(
        40,
        47,
        Action::WriteFile,
        "payments/book:/refunds.jsonl",
        Outcome::Allow,
        grants,
    );
    s.effect(40, 47, "write_file", "book:/refunds.jsonl", 2048);
    s.release(40, 48, "payments__refund");
    s.outcome(40, Status::Ok, Some(Release::Released), &[]);
}

#[test]
fn a_run_reads_from_top_to_bottom() {
    insta::assert_snapshot!(support_desk().draw(false));
}

#[test]
fn in_full_every_span_has_a_line() {
    insta::assert_snapshot!(support_desk().draw(true));
}

#[test]
fn requests_show_where_they_went() {
    let mut s = Story::new();
    let allowed = [policy(
        "components-reach-labelled-hosts",
        "operator",
        "May.",
    )];
    let closed = [policy(
        "private-networks-stay-closed",
        "security",
        "Not there.",
    )];
    s.call(10, 20, "web__fetch", Outcome::Allow, &allowed);
    s.start(10, "web", None);
    let wiki = Uid::new(Kind::Secret, "wiki");
    s.decide(10, 21, Action::UseSecret, wiki, Outcome::Allow, &allowed);
    s.request(22, "wiki.example.com", Outcome::Allow, &allowed);
    let secret = EffectDetails::Secret(SecretEffect {
        host: "wiki.example.com".into(),
        name: "wiki".into(),
        version: "9f86d081884c".into(),
    });
    s.details(21, secret, None, "wiki for wiki.example.com");
    s.response(22, "wiki.example.com", "/a", 0, Some(302));
    s.request(23, "cdn.example.com", Outcome::Allow, &allowed);
    s.response(23, "cdn.example.com", "/b", 1, Some(404));
    s.request(24, "slow.example.com", Outcome::Allow, &allowed);
    s.response(24, "slow.example.com", "/", 0, None);
    s.request(25, "169.254.169.254", Outcome::Deny, &closed);
    s.outcome(
        10,
        Status::ToolError,
        Some(Release::Released),
        &["untrusted"],
    );
    insta::assert_snapshot!(format!("{}\n{}", s.draw(false), s.draw(true)));
}

/// Arguments that no policy saw, and a call whose component was denied a file and reported an error.
fn failed_calls(s: &mut Story, clerks: &[DeterminingPolicy]) {
    s.add(
        100,
        Event::CallInvalid(CallInvalid {
            parent: None,
            call: span(5),
            arrival: Default::default(),
            caller_span: None,
            pointers: vec!["/amount".into()],
            principal: Uid::new(Kind::Agent, "support"),
            problem: "invalid_arguments".into(),
            tool: "payments__refund\u{1b}[2J".into(),
        }),
    );
    s.call(10, 20, "files__write", Outcome::Allow, clerks);
    s.start(10, "files", None);
    let outside = [policy(
        "no-contracts",
        "security",
        "Contracts stay as they are.",
    )];
    let contract = "files/shared:/contracts/a.txt";
    s.file(10, 21, Action::WriteFile, contract, Outcome::Deny, &outside);
    s.add(
        10,
        Event::ComponentLog(ComponentLog {
            call: span(10),
            labels: BTreeSet::new(),
            level: "warn".into(),
            message: "disk quota is nearly used up".into(),
            parent: span(11),
        }),
    );
    s.release(10, 22, "files__write");
    s.outcome(10, Status::ToolError, Some(Release::Released), &[]);
}

/// Calls that were stopped, and one whose decision failed.
fn interrupted_calls(s: &mut Story, clerks: &[DeterminingPolicy]) {
    s.call(30, 32, "files__read", Outcome::Allow, clerks);
    s.start(30, "files", None);
    s.outcome(30, Status::Timeout, None, &[]);

    s.call(40, 42, "payments__quote", Outcome::Allow, clerks);
    s.start(40, "payments", None);
    s.outcome(40, Status::Indeterminate, None, &[]);

    s.call_with(50, 52, "tickets__list", Outcome::Error, &[], |decision| {
        decision.errors = vec![DecisionError {
            message: "integer overflow while evaluating `+`".into(),
            policy: Some("sums".into()),
        }];
    });
}

/// A rejected call, a withheld result, a call that waits, and one that a shadow policy would deny.
fn guarded_calls(s: &mut Story, clerks: &[DeterminingPolicy]) {
    let id = ApprovalId::from_bytes([8; 8]);
    s.call(60, 62, "mail__send", Outcome::Escalate, clerks);
    s.ask(60, 63, "mail__send", id);
    s.answer(60, 63, id, false, None);

    let withheld = [policy(
        "secrets-stay-in",
        "security",
        "Secrets are not shown.",
    )];
    s.call(70, 73, "vault__read", Outcome::Allow, clerks);
    s.start(70, "vault", None);
    let vault = Uid::new(Kind::Tool, "vault__read");
    s.decide(
        70,
        72,
        Action::ReturnResult,
        vault,
        Outcome::Deny,
        &withheld,
    );
    s.outcome(70, Status::Ok, Some(Release::Withheld), &["private"]);

    let waiting = ApprovalId::from_bytes([9; 8]);
    s.call(80, 82, "mail__send", Outcome::Escalate, clerks);
    s.ask(80, 83, "mail__send", waiting);

    s.call_with(90, 92, "files__list", Outcome::Allow, clerks, |decision| {
        decision.shadow = Some(ShadowFlip {
            candidate: false,
            outcome: Outcome::Deny,
            policies: vec!["effects-in-working-hours".into()],
        });
    });
    s.start(90, "files", None);
}

#[test]
fn what_did_not_end_well_says_how() {
    let mut s = Story::new();
    let clerks = [policy("clerks", "support", "Clerks may.")];
    failed_calls(&mut s, &clerks);
    interrupted_calls(&mut s, &clerks);
    guarded_calls(&mut s, &clerks);
    insta::assert_snapshot!(s.draw(false));
}

#[test]
fn programs_get_every_span_with_its_attributes() {
    let story = support_desk();
    let views = serde_json::to_value(tollgate_server::reply::views(&story.records)).unwrap();
    let spans = views.as_array().unwrap();
    assert_eq!(spans.len(), 21);
    let denied = spans
        .iter()
        .find(|s| s["name"] == "execute_tool mail__send")
        .unwrap();
    assert_eq!(denied["error"], "policy_denied");
    assert_eq!(denied["attributes"]["tollgate.tool.executed"], false);
    let approval = spans.iter().find(|s| s["kind"] == "approval").unwrap();
    assert_eq!(
        approval["attributes"]["tollgate.approval.status"],
        "approved"
    );
    assert_eq!(approval["attributes"]["tollgate.approval.approver"], "bob");
    let invoked = spans
        .iter()
        .find(|s| s["name"] == "invoke_component tickets")
        .unwrap();
    assert_eq!(invoked["attributes"]["tollgate.wasm.fuel"], 1_234_567);
    assert!(
        spans
            .iter()
            .all(|s| s["parent"].is_string() || s["kind"] == "invoke_agent")
    );
}
