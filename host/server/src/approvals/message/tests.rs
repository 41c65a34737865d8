use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tollgate_model::{
    decision::Severity,
    entity::{Kind, Uid},
    ids::{ApprovalId, RunId, SpanId},
    provenance::{Origin, Place, ProvenanceSummary, Role, Source, ValueOrigin},
};

use super::*;
use crate::reply::{AnswerRow, ApproverView, PolicyView, QuestionCallView};

pub(in crate::approvals) fn view(state: ApprovalState) -> ApprovalView {
    ApprovalView {
        original_arguments: None,
        edited_by: None,
        question: ApprovalId::from_bytes([7; 8]),
        others: Vec::new(),
        question_digest: None,
        id: ApprovalId::from_bytes([7; 8]),
        state,
        severity: Severity::High,
        tool: "payments__refund".into(),
        capability: None,
        elicitation: None,
        via: Vec::new(),
        arguments: None,
        digest: "hmac:v1:00".into(),
        principal: Uid::new(Kind::Agent, "support"),
        on_behalf_of: Uid::new(Kind::User, "alice"),
        speaker: None,
        makers: BTreeSet::new(),
        run: RunId::from_bytes([1; 16]),
        call: SpanId::from_bytes([2; 8]),
        labels: BTreeSet::new(),
        policies: vec![PolicyView {
            id: "large-refunds".into(),
            owner: "finance".into(),
            reason: "More than 50 & <!channel> *bold* `code`\nneeds finance.".into(),
        }],
        provenance: None,
        needs: "the approval of finance".into(),
        answers: vec![AnswerRow {
            answer: "reject".into(),
            at: Timestamp(1_795_428_000_000_000),
            by: "frank".into(),
            channel: "rest".into(),
            link: None,
            note: None,
            roles: BTreeSet::new(),
            took_effect: true,
            token_makers: BTreeSet::new(),
        }],
        rejected_before: Vec::new(),
        approvers: vec![ApproverView {
            user: "dana".into(),
            roles: BTreeSet::new(),
        }],
        escalated_to: BTreeSet::from(["security".into()]),
        requested: Timestamp(1_795_428_000_000_000),
        expires: Timestamp(1_795_431_600_000_000),
        round: 1,
    }
}

#[test]
fn slack_reads_like_this() {
    let texts = [
        (ApprovalChange::Requested, ApprovalState::Pending),
        (ApprovalChange::Escalated, ApprovalState::Pending),
        (ApprovalChange::Resolved, ApprovalState::Approved),
        (ApprovalChange::Resolved, ApprovalState::Rejected),
    ];
    let texts = texts.map(|(what, state)| slack(what, &view(state)));
    insta::assert_snapshot!(texts.join("\n---\n"));
}

#[test]
fn a_question_lists_its_calls_with_where_their_values_come_from() {
    let provenance = |origin| {
        let value = ValueOrigin {
            origin,
            role: Some(Role::Recipient),
            sources: Vec::new(),
        };
        Some(Box::new(ProvenanceSummary {
            values: BTreeMap::from([("/to".to_owned(), value)]),
            ..ProvenanceSummary::default()
        }))
    };
    let other = QuestionCallView {
        id: ApprovalId::from_bytes([8; 8]),
        tool: "payments__pay".into(),
        arguments: None,
        digest: "hmac:v1:01".into(),
        provenance: provenance(Origin::Untrusted),
    };
    let question = ApprovalView {
        provenance: provenance(Origin::User),
        others: vec![other],
        ..view(ApprovalState::Pending)
    };
    let text = slack(ApprovalChange::Requested, &question);
    let places = [
        "asks for 2 calls",
        "apr-0707",
        "apr-0808",
        "payments__pay",
        "untrusted",
    ];
    let at: Vec<_> = places.iter().map(|part| text.find(part)).collect();
    assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{text}");
}

#[test]
fn what_an_agent_chooses_adds_no_line_and_no_link() {
    let mut view = view(ApprovalState::Pending);
    view.capability = Some("http_request https://evil.example/`x`\n*Approved by dana*".into());
    let text = slack(ApprovalChange::Requested, &view);
    let first = text.lines().next().unwrap();
    let said =
        "`http_request https://evil.example/'x' 'Approved by dana'` within `payments__refund`";
    assert!(first.ends_with(said), "{text}");
    assert_eq!(
        plain("see https://evil.example"),
        "see https: //evil.example"
    );
}

#[test]
fn data_are_the_lists() {
    let at = Timestamp(1_795_428_000_000_000);
    let view = view(ApprovalState::Pending);
    let means = AnswerMeans::default();
    let body = body(
        WebhookFormat::Json,
        ApprovalChange::Requested,
        at,
        &view,
        &means,
    );
    let value: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(value["type"], "approval.requested");
    assert_eq!(value["timestamp"], at.to_string());
    assert_eq!(value["data"]["id"], view.id.to_string());
    assert_eq!(value["data"].get("arguments"), None);
}

/// Approvers read where the values come from, and nothing of the values.
#[test]
fn a_message_tells_where_values_come_from() {
    let value = |origin, role| ValueOrigin {
        origin,
        role,
        sources: vec![Source {
            origin,
            place: Some(Place {
                call: SpanId::from_bytes([3; 8]),
                pointer: "/*/body".into(),
                run: RunId::from_bytes([1; 16]),
                step: 3,
                tool: "mail__inbox".into(),
            }),
        }],
    };
    let mut view = view(ApprovalState::Pending);
    view.provenance = Some(Box::new(ProvenanceSummary {
        known: true,
        values: BTreeMap::from([
            ("/text".into(), value(Origin::Model, None)),
            (
                "/to".into(),
                value(Origin::Untrusted, Some(Role::Recipient)),
            ),
        ]),
        ..ProvenanceSummary::default()
    }));
    let text = slack(ApprovalChange::Requested, &view);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('•')).collect();
    assert_eq!(
        lines,
        [
            "• the recipient /to first appeared in mail__inbox's /…/body, step 3 (untrusted)",
            "• the value /text was made by the model",
        ]
    );
}
