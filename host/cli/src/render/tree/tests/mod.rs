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
    record::{
        ApprovalAnswered, ApprovalResolved, CallInvalid, ComponentLog, EffectDetails, HttpEffect,
        KeyedDigest, OutcomeRecord, Record, RunStarted, SecretEffect, Start,
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
    s.decide(
        10,
        22,
        Action::ReturnResult,
        Uid::new(Kind::Tool, "tickets__read"),
        Outcome::Allow,
        &release(),
    );
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
    let mut decision = Story::decision(
        40,
        46,
        Action::Call("payments__refund".into()),
        Uid::new(Kind::Tool, "payments__refund"),
        Outcome::Allow,
        &refund,
    );
    decision.approval = Some(id);
    decision.resumption = true;
    s.add(200, Event::Decision(Box::new(decision)));
    s.start(40, "payments", Some(id));
    s.file(
        40,
        47,
        Action::WriteFile,
        "payments/book:/refunds.jsonl",
        Outcome::Allow,
        &grants,
    );
    s.effect(40, 47, "write_file", "book:/refunds.jsonl", 2048);
    s.decide(
        40,
        48,
        Action::ReturnResult,
        Uid::new(Kind::Tool, "payments__refund"),
        Outcome::Allow,
        &release(),
    );
    s.outcome(40, Status::Ok, Some(Release::Released), &[]);
    s
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
    let http = |host: &str, redirects, status: Option<u16>| {
        EffectDetails::Http(HttpEffect {
            address: status.map(|_| "93.184.215.14".into()),
            host: host.into(),
            method: "GET".into(),
            port: 443,
            redirects,
            status,
        })
    };
    let host = |host| Uid::new(Kind::Host, host);
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
    s.decide(
        10,
        21,
        Action::UseSecret,
        Uid::new(Kind::Secret, "wiki"),
        Outcome::Allow,
        &allowed,
    );
    s.decide(
        10,
        22,
        Action::HttpRequest,
        host("wiki.example.com"),
        Outcome::Allow,
        &allowed,
    );
    let secret = SecretEffect {
        host: "wiki.example.com".into(),
        name: "wiki".into(),
        version: "9f86d081884c".into(),
    };
    s.details(
        21,
        EffectDetails::Secret(secret),
        None,
        "wiki for wiki.example.com",
    );
    s.details(
        22,
        http("wiki.example.com", 0, Some(302)),
        None,
        "https://wiki.example.com/a",
    );
    s.decide(
        10,
        23,
        Action::HttpRequest,
        host("cdn.example.com"),
        Outcome::Allow,
        &allowed,
    );
    s.details(
        23,
        http("cdn.example.com", 1, Some(404)),
        None,
        "https://cdn.example.com/b",
    );
    s.decide(
        10,
        24,
        Action::HttpRequest,
        host("slow.example.com"),
        Outcome::Allow,
        &allowed,
    );
    s.details(
        24,
        http("slow.example.com", 0, None),
        Some("timed out"),
        "https://slow.example.com/",
    );
    s.decide(
        10,
        25,
        Action::HttpRequest,
        host("169.254.169.254"),
        Outcome::Deny,
        &closed,
    );
    s.outcome(
        10,
        Status::ToolError,
        Some(Release::Released),
        &["untrusted"],
    );
    insta::assert_snapshot!(format!("{}\n{}", s.draw(false), s.draw(true)));
}

#[test]
fn what_did_not_end_well_says_how() {
    let mut s = Story::new();
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
    let clerks = [policy("clerks", "support", "Clerks may.")];
    s.call(10, 20, "files__write", Outcome::Allow, &clerks);
    s.start(10, "files", None);
    let outside = [policy(
        "no-contracts",
        "security",
        "Contracts stay as they are.",
    )];
    s.file(
        10,
        21,
        Action::WriteFile,
        "files/shared:/contracts/a.txt",
        Outcome::Deny,
        &outside,
    );
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
    s.decide(
        10,
        22,
        Action::ReturnResult,
        Uid::new(Kind::Tool, "files__write"),
        Outcome::Allow,
        &release(),
    );
    s.outcome(10, Status::ToolError, Some(Release::Released), &[]);

    s.call(30, 32, "files__read", Outcome::Allow, &clerks);
    s.start(30, "files", None);
    s.outcome(30, Status::Timeout, None, &[]);

    s.call(40, 42, "payments__quote", Outcome::Allow, &clerks);
    s.start(40, "payments", None);
    s.outcome(40, Status::Indeterminate, None, &[]);

    let mut broken = Story::decision(
        50,
        52,
        Action::Call("tickets__list".into()),
        Uid::new(Kind::Tool, "tickets__list"),
        Outcome::Error,
        &[],
    );
    broken.errors = vec![DecisionError {
        message: "integer overflow while evaluating `+`".into(),
        policy: Some("sums".into()),
    }];
    s.add(200, Event::Decision(Box::new(broken)));

    let id = ApprovalId::from_bytes([8; 8]);
    s.call(60, 62, "mail__send", Outcome::Escalate, &clerks);
    s.ask(60, 63, "mail__send", id);
    s.answer(60, 63, id, false, None);

    let withheld = [policy(
        "secrets-stay-in",
        "security",
        "Secrets are not shown.",
    )];
    s.call(70, 73, "vault__read", Outcome::Allow, &clerks);
    s.start(70, "vault", None);
    s.decide(
        70,
        72,
        Action::ReturnResult,
        Uid::new(Kind::Tool, "vault__read"),
        Outcome::Deny,
        &withheld,
    );
    s.outcome(70, Status::Ok, Some(Release::Withheld), &["private"]);

    let waiting = ApprovalId::from_bytes([9; 8]);
    s.call(80, 82, "mail__send", Outcome::Escalate, &clerks);
    s.ask(80, 83, "mail__send", waiting);

    let mut shadowed = Story::decision(
        90,
        92,
        Action::Call("files__list".into()),
        Uid::new(Kind::Tool, "files__list"),
        Outcome::Allow,
        &clerks,
    );
    shadowed.shadow = Some(ShadowFlip {
        candidate: false,
        outcome: Outcome::Deny,
        policies: vec!["effects-in-working-hours".into()],
    });
    s.add(200, Event::Decision(Box::new(shadowed)));
    s.start(90, "files", None);
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
