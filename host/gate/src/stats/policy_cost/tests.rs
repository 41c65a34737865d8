use tollgate_model::{
    canonical::Sha256Digest,
    decision::{Approvers, PolicyRef, Severity},
    entity::{Kind, Uid},
    ids::SpanId,
    record::{ElicitationMode, ElicitationSummary, KeyedDigest, StandingGranted},
    standing::StandingScope,
};

use super::*;
use crate::stats::tests::decided;

fn requirement(policies: &[&str]) -> Requirement {
    let lifts = policies.iter().map(|id| PolicyRef {
        digest: Sha256Digest::of(id.as_bytes()),
        id: (*id).to_owned(),
    });
    Requirement {
        alternatives: vec![Approvers {
            count: 1,
            roles: BTreeSet::new(),
        }],
        lifts: lifts.collect(),
        severity: Severity::Medium,
    }
}

/// Approval `id` of a call of `refund`, which these policies ask for.
fn asked(id: u8, policies: &[&str]) -> ApprovalRequested {
    ApprovalRequested {
        arguments: KeyedDigest::from("arguments".to_owned()),
        declared: None,
        call: SpanId::from_bytes([id; 8]),
        capability: None,
        component: Sha256Digest::of(b"wasm"),
        elicitation: None,
        expires: Timestamp(1_000_000),
        id: ApprovalId::from_bytes([id; 8]),
        makers: BTreeSet::new(),
        on_behalf_of: Uid::new(Kind::User, "alice"),
        payload: Sha256Digest::of(b"payload"),
        principal: Uid::new(Kind::Agent, "support"),
        question: None,
        requirement: requirement(policies),
        round: 1,
        span: SpanId::from_bytes([id; 8]),
        speaker: None,
        tool: "refund".into(),
        via: Vec::new(),
        waiting: Vec::new(),
    }
}

fn answered(id: u8, took_effect: bool) -> Event {
    Event::ApprovalAnswered(ApprovalAnswered {
        approve: true,
        by: Uid::new(Kind::User, "dana"),
        channel: "cli".into(),
        edited: None,
        elicitation: None,
        id: ApprovalId::from_bytes([id; 8]),
        link: None,
        question: None,
        roles: BTreeSet::new(),
        took_effect,
        token_makers: BTreeSet::new(),
        note: None,
    })
}

fn resolved(id: u8, state: ApprovalState) -> Event {
    Event::ApprovalResolved(ApprovalResolved {
        enclosing_calls: Vec::new(),
        by: None,
        call: SpanId::from_bytes([id; 8]),
        id: ApprovalId::from_bytes([id; 8]),
        span: SpanId::from_bytes([id; 8]),
        state,
        superseded: false,
    })
}

fn costs(tool: Option<&str>, events: Vec<(i64, Event)>) -> Vec<PolicyCost> {
    let mut watcher = CostWatcher::of(tool.map(str::to_owned));
    for (at, event) in events {
        watcher.watch(&Record::new("acme", None, Timestamp(at), event));
    }
    watcher.costs()
}

#[test]
fn calls_of_one_question_cost_people_once() {
    let first = asked(1, &["large"]);
    let other = ApprovalRequested {
        question: Some(first.id),
        ..asked(2, &["large"])
    };
    let found = costs(
        None,
        vec![
            (0, Event::ApprovalRequested(Box::new(first))),
            (10, Event::ApprovalRequested(Box::new(other))),
            (100, answered(1, true)),
            (100, answered(2, false)),
            (100, resolved(1, ApprovalState::Approved)),
            (110, resolved(2, ApprovalState::Rejected)),
            // The outcome of an answer is not another answer.
            (120, resolved(1, ApprovalState::Consumed)),
        ],
    );
    let cost = &found[0];
    assert_eq!((cost.questions, cost.calls, cost.answers), (1, 2, 1));
    assert_eq!((cost.approved, cost.rejected), (1, 1));
    assert_eq!(cost.approved_ratio, Some(0.5));
    assert_eq!((cost.wait.count, cost.wait.p95), (2, 100));
}

#[test]
fn what_several_policies_ask_costs_each_of_them_the_most_questions_first() {
    let both = asked(1, &["large", "night"]);
    let found = costs(
        None,
        vec![
            (0, Event::ApprovalRequested(Box::new(both))),
            (5, Event::ApprovalRequested(Box::new(asked(2, &["night"])))),
            (9, resolved(1, ApprovalState::Expired)),
            (9, resolved(2, ApprovalState::Cancelled)),
        ],
    );
    let of = |cost: &PolicyCost| {
        (
            cost.policy.clone(),
            cost.questions,
            cost.expired,
            cost.cancelled,
        )
    };
    let found: Vec<_> = found.iter().map(of).collect();
    assert_eq!(
        found,
        [("night".into(), 2, 1, 1), ("large".into(), 1, 1, 0)]
    );
}

#[test]
fn other_tools_and_questions_of_upstream_servers_do_not_count() {
    let elicitation = ElicitationSummary {
        upstream: "crm".into(),
        mode: ElicitationMode::Form,
        host: None,
    };
    let of_server = ApprovalRequested {
        elicitation: Some(elicitation),
        ..asked(1, &["large"])
    };
    let other = ApprovalRequested {
        tool: "look".into(),
        ..asked(2, &["large"])
    };
    let events = || {
        [of_server.clone(), other.clone()]
            .into_iter()
            .map(|asked| (0, Event::ApprovalRequested(Box::new(asked))))
            .collect()
    };
    assert_eq!(costs(Some("refund"), events()), []);
    assert_eq!(costs(None, events())[0].calls, 1);
}

#[test]
fn a_use_of_a_standing_approval_counts_for_the_policies_that_it_lifts() {
    let id = StandingId::from_bytes([7; 8]);
    let granted = Event::StandingGranted(Box::new(StandingGranted {
        approval: ApprovalId::from_bytes([1; 8]),
        by: Uid::new(Kind::User, "dana"),
        channel: "cli".into(),
        component: Sha256Digest::of(b"wasm"),
        expires: Timestamp(1_000),
        id,
        makers: BTreeSet::new(),
        max_uses: 3,
        note: None,
        on_behalf_of: Uid::new(Kind::User, "alice"),
        pattern: Sha256Digest::of(b"pattern"),
        principal: Uid::new(Kind::Agent, "support"),
        requirement: requirement(&["large"]),
        roles: BTreeSet::new(),
        scope: StandingScope::Run,
        speaker: None,
        token_makers: BTreeSet::new(),
        tool: "look".into(),
        via: Vec::new(),
    }));
    let used = |outcome, is_secondary| {
        let Event::Decision(decision) = decided(1, "a", outcome) else {
            unreachable!()
        };
        let standing = BTreeSet::from([id]);
        Event::Decision(Box::new(DecisionRecord {
            is_secondary,
            standing,
            ..*decision
        }))
    };
    let uses = vec![
        (1, used(Outcome::Allow, false)),
        (2, used(Outcome::Allow, true)),
        (3, used(Outcome::Deny, false)),
        (4, used(Outcome::Allow, false)),
    ];
    let known = std::iter::once((0, granted)).chain(uses.clone()).collect();
    let found = costs(None, known);
    assert_eq!((found[0].in_advance, found[0].questions), (2, 0));
    assert_eq!(costs(None, uses), [], "it is not known what it lifts");
}
