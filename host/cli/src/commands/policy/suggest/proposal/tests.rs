use serde_json::json;
use tollgate_model::entity::Kind;

use super::*;

const HOUR: i64 = 3_600_000_000;

/// A refund of this amount in the hour and the run of its number.
fn asked(n: u8, amount: u64) -> AskedCall {
    AskedCall {
        kind: CallKind {
            policies: BTreeSet::from(["large-refunds".to_owned()]),
            tool: "payments__refund".into(),
            principal: Uid::new(Kind::Agent, "support"),
            on_behalf_of: Uid::new(Kind::User, "alice"),
            via: Vec::new(),
        },
        approval: ApprovalId::from_bytes([n; 8]),
        question: ApprovalId::from_bytes([n; 8]),
        run: RunId::from_bytes([n; 16]),
        at: Timestamp(i64::from(n) * HOUR),
        answer: CallAnswer::Approved,
        arguments: Some(json!({ "order": "A-1", "amount": amount })),
        sinks: SinkTrust::Safe,
    }
}

fn week() -> Vec<AskedCall> {
    (0..6).map(|n| asked(n, 5000 + u64::from(n))).collect()
}

fn thresholds() -> Thresholds {
    Thresholds {
        answers: 5,
        rejected: 0,
        any: BTreeSet::new(),
        limits: StandingLimits {
            lifetime: Duration::from_secs(3 * 3600),
            uses: 20,
        },
    }
}

fn found(calls: &[AskedCall]) -> (Vec<Proposal>, Vec<Omission>) {
    found_with(calls, &thresholds())
}

fn found_with(calls: &[AskedCall], thresholds: &Thresholds) -> (Vec<Proposal>, Vec<Omission>) {
    let roles = ArgumentRoles::default();
    proposals(calls, thresholds, |_| Some(&roles))
}

/// Why nothing is proposed.
fn reason(calls: &[AskedCall]) -> String {
    let (found, omitted) = found(calls);
    assert_eq!(found, []);
    omitted[0].reasons.join("; ")
}

#[test]
fn it_has_the_bounds_uses_and_time_of_what_was_approved() {
    let (found, omitted) = found(&week());
    assert_eq!(omitted, []);
    assert_eq!(
        found[0].command,
        "tollgate approvals approve APPROVAL --standing 3h --uses 2 --any-run --differ /amount=at-most:5005"
    );
    // Asked in the hours 0 and 3; the others are within three hours of these.
    assert_eq!((found[0].questions, found[0].saved), (6, 4));
}

#[test]
fn calls_of_one_run_need_no_other_and_a_question_counts_once() {
    let mut calls = week();
    for call in &mut calls {
        call.run = RunId::from_bytes([9; 16]);
    }
    let (proposals, _) = found(&calls);
    assert!(!proposals[0].command.contains("--any-run"));
    for call in &mut calls {
        call.question = calls_question();
    }
    assert!(reason(&calls).contains("1 of 5"));
}

fn calls_question() -> ApprovalId {
    ApprovalId::from_bytes([77; 8])
}

#[test]
fn a_waiting_call_that_it_covers_is_named() {
    let mut calls = week();
    for (n, amount) in [(40, 9000), (41, 5001)] {
        calls.push(AskedCall {
            answer: CallAnswer::Pending,
            ..asked(n, amount)
        });
    }
    let (proposals, _) = found(&calls);
    assert_eq!(proposals[0].approval, Some(ApprovalId::from_bytes([41; 8])));
    assert!(proposals[0].command.contains(" apr-29292929"));
}

#[test]
fn nothing_is_proposed_that_would_let_a_refused_call_through() {
    let mut thresholds = thresholds();
    for answer in [CallAnswer::Rejected, CallAnswer::Edited] {
        let refused = |amount| {
            let mut calls = week();
            calls.push(AskedCall {
                answer,
                ..asked(50, amount)
            });
            calls
        };
        assert!(reason(&refused(9000)).contains("1 call rejected"));
        thresholds.rejected = 1;
        assert_eq!(found_with(&refused(9000), &thresholds).0.len(), 1);
        let (none, omitted) = found_with(&refused(4999), &thresholds);
        assert_eq!(none, []);
        assert!(omitted[0].reasons[0].contains("it would let apr-32323232"));
        let mut unknown = refused(9000);
        unknown[6].arguments = None;
        let (none, omitted) = found_with(&unknown, &thresholds);
        assert_eq!(none, []);
        assert!(omitted[0].reasons[0].contains("not known"));
        // Also if another policy asked about it.
        let mut other = refused(4999);
        other[6].kind.policies = BTreeSet::from(["night".to_owned()]);
        assert_eq!(found_with(&other, &thresholds).0, []);
        thresholds.rejected = 0;
    }
}

#[test]
fn nothing_is_drawn_from_calls_that_strangers_directed() {
    let mut calls = week();
    calls[5].arguments = Some(json!({ "order": "Z-9", "amount": 1 }));
    calls[5].sinks = SinkTrust::Untrusted;
    let (proposals, _) = found(&calls);
    assert!(
        !proposals[0].command.contains("Z-9"),
        "the order is as in the others"
    );
    assert!(proposals[0].left_out[0].contains("1 approved call left out: what strangers wrote"));
    // Nor is one covered.
    calls[5].arguments = calls[4].arguments.clone();
    assert!(reason(&calls).contains("value from strangers"));
    let all: Vec<AskedCall> = week()
        .into_iter()
        .map(|call| AskedCall {
            sinks: SinkTrust::Untrusted,
            ..call
        })
        .collect();
    assert!(reason(&all).contains("no approved call to draw on"));
}

#[test]
fn arguments_that_cannot_be_read_count_as_unknown() {
    let mut calls = week();
    calls[0].arguments = None;
    calls[1].sinks = SinkTrust::Unknown;
    let (proposals, _) = found(&calls);
    assert_eq!(
        (proposals[0].questions, proposals[0].unknown_origins),
        (5, 1)
    );
    assert!(proposals[0].left_out[0].contains("not kept, or you may not read"));
    calls[1].arguments = None;
    let why = reason(&calls);
    assert!(
        why.contains("2 approved calls left out") && why.contains("4 of 5"),
        "{why}"
    );
}

#[test]
fn what_saves_no_question_is_not_proposed() {
    let mut thresholds = thresholds();
    thresholds.limits.lifetime = Duration::from_secs(60);
    let (none, omitted) = found_with(&week(), &thresholds);
    assert_eq!(none, []);
    assert_eq!(omitted[0].reasons, ["it would have saved no question"]);
}
