//! Limits: under many callers at once, at the edges of windows, over restarts, with approvals, and in replays.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Barrier;
use tollgate_ledger::Sync;
use tollgate_model::{decision::Outcome, history::FactValue, record::HaltScope};
use tollgate_policy::policy::PolicyFile;

use super::{Desk, PERMIT, call, finish, for_user, latest, run_of};
use crate::{
    CallOutcome, Gate, Refusal, Verdict,
    enforce::{ApprovalResponse, Vote},
    gate::CallRef,
    replay::{Replay, ReplayReport},
};

/// No more than ten payments of a user in a day.
const LIMIT: (&str, &str) = (
    r#"
[facts.pays]
of = ["desk__pay"]
by = ["user"]
within = "24h"
"#,
    r#"
@id("limit") @owner("tests") @reason("Ten payments a day.")
forbid (principal, action == Tollgate::Action::"desk__pay", resource) when { context.facts.pays >= 10 };
"#,
);

const HOUR: i64 = 3_600_000_000;

fn pay(amount: i64) -> Value {
    json!({ "customer": "c1", "amount": amount })
}

async fn may(gate: &Gate, run: &str, tool: &str, arguments: &Value) -> bool {
    match call(gate, "alice", run, tool, arguments).await {
        Ok(_) => true,
        Err(answer) => {
            assert_eq!(answer.outcome(), CallOutcome::Denied, "{answer:?}");
            false
        }
    }
}

const CALLERS: usize = 64;

/// Sixty-four callers in so many runs, which have begun, call at once. Returns the amounts that were admitted.
async fn crowd(gate: &Gate, runs: usize, amount: fn(i64) -> i64) -> Vec<i64> {
    for n in 0..runs {
        assert!(may(gate, &format!("run{n}"), "desk__login", &json!({})).await);
    }
    let start = Arc::new(Barrier::new(CALLERS));
    let callers: Vec<_> = (0..CALLERS)
        .map(|n| {
            let (gate, start) = (gate.clone(), Arc::clone(&start));
            let (run, amount) = (format!("run{}", n % runs), amount(n.try_into().unwrap()));
            tokio::spawn(async move {
                start.wait().await;
                let admitted = may(&gate, &run, "desk__pay", &pay(amount)).await;
                admitted.then_some(amount)
            })
        })
        .collect();
    let mut admitted = Vec::new();
    for caller in callers {
        admitted.extend(caller.await.unwrap());
    }
    admitted
}

async fn ten_of_a_crowd(runs: usize) {
    let desk = Desk::new(LIMIT.0, LIMIT.1);
    let gate = desk.open_with(Sync::Full).await;
    assert_eq!(crowd(&gate, runs, |n| n).await.len(), 10);
    let (_, facts) = latest(&gate);
    assert_eq!(facts.history["pays"], FactValue::Long(10));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_at_once_never_pass_a_limit_in_one_run() {
    ten_of_a_crowd(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_at_once_never_pass_a_limit_over_many_runs() {
    ten_of_a_crowd(CALLERS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_at_once_never_spend_more_than_a_limit() {
    let desk = Desk::new(
        r#"
[facts.spent]
kind = "sum"
of = ["desk__pay"]
argument = "/amount"
by = ["principal"]
within = "1h"
with_call = true
"#,
        r#"
@id("limit") @owner("tests") @reason("A hundred an hour.")
forbid (principal, action == Tollgate::Action::"desk__pay", resource)
unless { context.facts has spent && context.facts.spent <= 100 };
"#,
    );
    let gate = desk.open_with(Sync::Full).await;
    let admitted = crowd(&gate, CALLERS, |n| 7 + n % 5).await;
    let spent: i64 = admitted.iter().sum();
    // Another seven would not fit.
    assert!((94..=100).contains(&spent), "{spent}");
    assert!(
        !may(&gate, "more", "desk__pay", &json!({ "customer": "c1" })).await,
        "not a number"
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_leaves_the_window_on_the_microsecond() {
    let desk = Desk::new(LIMIT.0, LIMIT.1);
    let gate = desk.open().await;
    for n in 0..10 {
        assert!(may(&gate, "r", "desk__pay", &pay(n)).await);
        desk.pass(1);
    }
    assert!(!may(&gate, "r", "desk__pay", &pay(0)).await);
    // The first was ten microseconds ago.
    desk.pass(24 * HOUR - 11);
    assert!(!may(&gate, "r", "desk__pay", &pay(0)).await);
    desk.pass(1);
    assert!(may(&gate, "r", "desk__pay", &pay(0)).await);
    assert!(!may(&gate, "r", "desk__pay", &pay(0)).await);
    desk.pass(1);
    assert!(may(&gate, "r", "desk__pay", &pay(0)).await);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_over_a_restart_and_a_rebuild() {
    let desk = Desk::new(LIMIT.0, LIMIT.1);
    let gate = desk.open().await;
    for n in 0..9 {
        assert!(may(&gate, "r", "desk__pay", &pay(n)).await);
    }
    gate.close().await;
    let gate = desk.open().await;
    assert!(may(&gate, "r", "desk__pay", &pay(0)).await);
    assert!(!may(&gate, "s", "desk__pay", &pay(0)).await);
    gate.ledger().rebuild().await.unwrap();
    assert!(!may(&gate, "s", "desk__pay", &pay(0)).await);
    gate.ledger().reader().verify(None, |_| {}).unwrap();
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_does_not_count() {
    let desk = Desk::new(
        LIMIT.0,
        &format!(
            "{}{}",
            LIMIT.1,
            r#"
@id("denied") @owner("tests") @reason("No.")
forbid (principal, action == Tollgate::Action::"desk__pay", resource) when { context.input has deny };
"#
        ),
    );
    let gate = desk.open().await;
    for _ in 0..20 {
        assert!(!may(&gate, "r", "desk__pay", &json!({ "deny": true })).await);
    }
    let alice = gate.user("alice").unwrap();
    gate.halt(&alice, HaltScope::Tool, "desk__pay", "stop")
        .await
        .unwrap();
    assert!(
        call(&gate, "alice", "r", "desk__pay", &pay(0))
            .await
            .is_err()
    );
    gate.resume(&alice, HaltScope::Tool, "desk__pay")
        .await
        .unwrap();
    assert!(may(&gate, "r", "desk__pay", &pay(0)).await);
    assert_eq!(latest(&gate).1.history["pays"], FactValue::Long(0));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waited_for_an_approval_counts_once_and_when_it_starts() {
    let facts = r#"
[facts.pays]
of = ["desk__pay"]
by = ["user"]
within = "24h"
[facts.approved]
of = ["desk__pay"]
outcome = "approved"
by = ["run"]
[facts.decided]
outcome = "decided"
by = ["run"]
"#;
    let policies = r#"
@id("ask") @owner("tests") @reason("Ask.")
forbid (principal, action == Tollgate::Action::"desk__pay", resource)
when { context.facts.pays >= 0 && context.input has ask }
unless { context.approval.count >= 1 };
@id("two") @owner("tests") @reason("Two.")
forbid (principal, action == Tollgate::Action::"desk__pay", resource) when { context.facts.pays >= 2 };
"#;
    let desk = Desk::new(facts, policies);
    let gate = desk.open().await;
    let asked = json!({ "customer": "c1", "ask": true });
    let Err(answer) = call(&gate, "alice", "r", "desk__pay", &asked).await else {
        panic!("it asks");
    };
    let Verdict::Refused(Refusal::Pending { approval, .. }) = answer.verdict else {
        panic!("{answer:?}");
    };
    // It has not started, so it does not count: another may start meanwhile.
    assert!(may(&gate, "r", "desk__pay", &pay(1)).await);
    let (bob, response) = (
        gate.user("bob").unwrap(),
        ApprovalResponse::new(Vote::Approve, "cli"),
    );
    gate.answer(&bob, approval, response).await.unwrap();
    let started = call(&gate, "alice", "r", "desk__pay", &asked)
        .await
        .unwrap();
    let (decision, facts) = latest(&gate);
    assert_eq!(decision.outcome, Outcome::Allow);
    let seen = ["pays", "approved", "decided"].map(|name| facts.history[name]);
    // Its own first decision is not among them.
    assert_eq!(seen, [1, 0, 1].map(FactValue::Long));
    finish(&gate, "alice", &started, false, "done").await;
    assert!(!may(&gate, "r", "desk__pay", &pay(2)).await);
    let facts = latest(&gate).1.history;
    let seen = ["pays", "approved", "decided"].map(|name| facts[name]);
    assert_eq!(seen, [2, 1, 2].map(FactValue::Long));
    gate.close().await;
}

fn replay(gate: &Gate, policies: &str) -> ReplayReport {
    let file = PolicyFile {
        name: "all.cedar".into(),
        text: format!("{PERMIT}{policies}"),
    };
    let replay = Replay {
        reader: gate.ledger().reader(),
        keys: gate.ledger().keys(),
        candidate: vec![file],
        filter: tollgate_ledger::RecordFilter::default(),
        tool: Some("desk__pay".into()),
        threads: 1,
    };
    replay.run(|_, _| {}).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn replaying_uses_the_facts_as_they_were() {
    let desk = Desk::new(LIMIT.0, LIMIT.1);
    let gate = desk.open().await;
    for n in 0..14 {
        may(&gate, "r", "desk__pay", &pay(n)).await;
    }
    desk.pass(48 * HOUR);
    let same = replay(&gate, LIMIT.1);
    assert_eq!((same.compared, same.flipped), (14, 0));
    let stricter = replay(&gate, &LIMIT.1.replace(">= 10", ">= 3"));
    assert_eq!((stricter.compared, stricter.flipped), (14, 7));
    let unlimited = replay(&gate, "");
    assert_eq!((unlimited.compared, unlimited.flipped), (14, 4));
    let unknown = LIMIT.1.replace("facts.pays", "facts.other");
    let unknown = replay(&gate, &unknown);
    assert_eq!((unknown.compared, unknown.not_comparable.len()), (0, 1));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_of_a_run_ends_with_it() {
    let desk = Desk::new("\n[facts.calls]\nby = [\"run\"]\n", "");
    let gate = desk.open().await;
    let first = call(&gate, "alice", "r", "desk__pay", &pay(1))
        .await
        .unwrap();
    assert!(may(&gate, "r", "desk__pay", &pay(2)).await);
    assert_eq!(latest(&gate).1.history["calls"], FactValue::Long(1));
    let id = run_of(&gate, "r").unwrap();
    let row = gate.ledger().reader().run(&id.to_string()).unwrap();
    gate.end_own_run(&for_user("alice"), &row, None, "done")
        .await
        .unwrap();
    // The outcome of a call may come later.
    let outcome = crate::gate::ReportedOutcome {
        failed: false,
        content: "done".into(),
    };
    gate.report_outcome(&for_user("alice"), &CallRef::Call(first.call), outcome)
        .await
        .unwrap();
    assert!(may(&gate, "s", "desk__pay", &pay(1)).await);
    assert_eq!(latest(&gate).1.history["calls"], FactValue::Long(0));
    gate.ledger().reader().verify(None, |_| {}).unwrap();
    gate.close().await;
}

/// The records say nothing that a stranger could read.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_holds_no_value_of_a_fact() {
    let facts = r#"
[facts.spent]
kind = "sum"
of = ["desk__pay"]
argument = "/amount"
by = ["/customer"]
within = "1h"
[facts.to]
kind = "distinct"
argument = "/to/*"
by = ["run"]
"#;
    let desk = Desk::new(facts, "");
    let gate = desk.open().await;
    let arguments = json!({ "customer": "customer-4711", "amount": 123_456 });
    assert!(may(&gate, "r", "desk__pay", &arguments).await);
    let decision = serde_json::to_string(&latest(&gate).0).unwrap();
    assert!(may(&gate, "r", "desk__send", &json!({ "to": ["mallory"] })).await);
    let sent = serde_json::to_string(&latest(&gate).0).unwrap();
    assert!(decision.contains("\"history\"") && sent.contains("\"history\""));
    for value in ["customer-4711", "123456", "mallory"] {
        assert!(
            !decision.contains(value) && !sent.contains(value),
            "{value}"
        );
    }
    gate.close().await;
}
