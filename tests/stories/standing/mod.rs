//! Standing approvals: given with an answer, used, run out, revoked; and calls that they do not cover.

mod approvers;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tollgate::{
    enforce::{Answer, ApprovalError, ApprovalResponse, ApprovalResult, StandingRequest, Vote},
    gate::Gate,
    identity::Caller,
};
use tollgate_ledger::{ApprovalFilter, StandingRow};
use tollgate_model::{
    decision::Outcome,
    ids::{ApprovalId, RunId, StandingId},
    life::{ApprovalState, StandingState},
    record::{DecisionRecord, Event, HaltScope},
    standing::{Allowance, StandingScope},
};
use tollgate_testkit::world::{
    REFUND, World, agent, call, is_released, named, pending, records, starts, user,
};

const TOOL: &str = "payments__refund";

/// A world in which standing approvals last eight hours at most.
fn world(policies: &str) -> World {
    let world = World::new(policies);
    world.configure(
        "[components.files]",
        "[approvals.standing]\nmax_lifetime = \"8h\"\nmax_uses = 50\n[components.files]",
    );
    world
}

/// Refunds of the same order up to 7000, with any reason, for an hour.
fn request(uses: u64) -> StandingRequest {
    StandingRequest {
        arguments: BTreeMap::from([
            ("/amount".to_owned(), Allowance::AtMost(7000.into())),
            ("/reason".to_owned(), Allowance::Any),
        ]),
        lifetime: Duration::from_secs(3600),
        scope: StandingScope::Run,
        uses,
    }
}

fn in_any_run(uses: u64) -> StandingRequest {
    StandingRequest {
        scope: StandingScope::Principal,
        ..request(uses)
    }
}

async fn answer(
    gate: &Gate,
    name: &str,
    id: ApprovalId,
    standing: &StandingRequest,
) -> Result<ApprovalResult, ApprovalError> {
    let response = ApprovalResponse {
        standing: Some(standing),
        ..ApprovalResponse::new(Vote::Approve, "cli")
    };
    gate.answer(&user(name), id, response).await
}

/// A refund was asked about in run `r`, and dana approved the like of it. The refund itself was made.
async fn granted(gate: &Gate, standing: &StandingRequest) -> StandingId {
    let id = pending(&call(gate, "r", TOOL, REFUND).await);
    let answered = answer(gate, "dana", id, standing).await.unwrap();
    assert_eq!(answered.state, ApprovalState::Approved);
    assert!(is_released(&call(gate, "r", TOOL, REFUND).await));
    answered.standing.unwrap()
}

fn refund(amount: u64) -> String {
    json!({ "order": "A-1", "amount": amount, "currency": "EUR", "reason": format!("broken {amount}") })
        .to_string()
}

fn row(gate: &Gate, id: StandingId) -> StandingRow {
    let row = gate.ledger().reader().standing_approval(id);
    row.unwrap().unwrap()
}

fn decisions(gate: &Gate, run: RunId) -> Vec<DecisionRecord> {
    let records = records(gate, run).into_iter();
    let decisions = records.filter_map(|record| match record.event {
        Event::Decision(decision) => Some(*decision),
        _ => None,
    });
    decisions.collect()
}

fn open_approvals(gate: &Gate) -> usize {
    let open = gate.ledger().reader().approvals(&ApprovalFilter::open());
    open.unwrap().len()
}

/// Asserts that a call is asked about, and that nothing ran.
#[track_caller]
fn asked(world: &World, answer: &Answer, refunds: usize) -> ApprovalId {
    let id = pending(answer);
    assert_eq!(world.refunds(), refunds, "nothing ran");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standing_approval_is_used_three_times_and_runs_out() {
    let world = world("");
    let gate = world.open().await;
    let id = granted(&gate, &request(3)).await;
    let mut run = None;
    for amount in [5001, 7000, 6000] {
        let answer = call(&gate, "r", TOOL, &refund(amount)).await;
        assert!(is_released(&answer), "{answer:?}");
        run = answer.run;
    }
    assert_eq!(world.refunds(), 4);
    assert_eq!(open_approvals(&gate), 0, "no one was asked");
    let standing = row(&gate, id);
    assert_eq!(standing.state, StandingState::Exhausted);
    assert_eq!(standing.uses.len(), 3);

    // Each use is a decision that names it, after the decisions about its approver's rights.
    let named: Vec<(String, String, Outcome)> = decisions(&gate, run.unwrap())
        .into_iter()
        .filter(|decision| decision.standing.contains(&id))
        .map(|d| (d.principal.id, d.action.id().to_owned(), d.outcome))
        .collect();
    let of = |who: &str, action: &str| (who.to_owned(), action.to_owned(), Outcome::Allow);
    let each = [
        of("dana", "approve"),
        of("dana", "approve_standing"),
        of("support", TOOL),
    ];
    let mut expected = vec![of("dana", "approve_standing")];
    expected.extend(each.iter().cycle().take(9).cloned());
    assert_eq!(named, expected);

    asked(&world, &call(&gate, "r", TOOL, &refund(6001)).await, 4);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_standing_approval_counts_no_more() {
    let world = world("");
    let gate = world.open().await;
    let id = granted(&gate, &request(3)).await;
    assert!(is_released(&call(&gate, "r", TOOL, &refund(5500)).await));
    let stranger = gate.revoke_standing(&user("eve"), id, None, "cli").await;
    assert!(
        matches!(stranger, Err(ApprovalError::Denied(_))),
        "{stranger:?}"
    );
    assert_eq!(row(&gate, id).state, StandingState::Active);

    let note = Some("the order was sent back");
    gate.revoke_standing(&user("frank"), id, note, "cli")
        .await
        .unwrap();
    let ended = row(&gate, id);
    assert_eq!(ended.state, StandingState::Revoked);
    let ended = ended.ended.unwrap();
    assert_eq!(ended.by, Some(user("frank")));
    assert_eq!(ended.note.as_deref(), note);
    asked(&world, &call(&gate, "r", TOOL, &refund(5600)).await, 2);
    let state = StandingState::Revoked;
    assert_eq!(
        gate.revoke_standing(&user("frank"), id, None, "cli").await,
        Err(ApprovalError::StandingOver { id, state })
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_outside_its_pattern_are_asked_about() {
    let world = world("");
    let gate = world.open().await;
    let id = granted(&gate, &request(9)).await;
    let change = |pointer: &str, value: Value| {
        let mut call: Value = serde_json::from_str(REFUND).unwrap();
        call[pointer] = value;
        call.to_string()
    };
    for other in [
        change("amount", json!(7001)),
        change("amount", json!(7000.5)),
        change("currency", json!("USD")),
        change("order", json!("A-2")),
        change("order", json!("А-1")),
        change("order", json!("A-1 ")),
    ] {
        let answer = call(&gate, "r", TOOL, &other).await;
        assert!(!is_released(&answer), "{other}");
        assert_eq!(world.refunds(), 1, "{other}");
    }
    let same = call(&gate, "r", TOOL, &change("amount", json!(6000.0))).await;
    assert!(is_released(&same), "{same:?}");
    assert_eq!(row(&gate, id).uses.len(), 1);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_counts_in_its_run_or_in_any_run_of_its_principal_for_its_user() {
    let world = world("");
    let gate = world.open().await;
    granted(&gate, &request(9)).await;
    asked(&world, &call(&gate, "other", TOOL, &refund(6000)).await, 1);
    gate.close().await;

    let world = self::world("");
    let gate = world.open().await;
    granted(&gate, &in_any_run(9)).await;
    assert!(is_released(
        &call(&gate, "other", TOOL, &refund(6000)).await
    ));
    let request = || tollgate::enforce::CallRequest {
        tool: TOOL.into(),
        arguments: refund(6000),
    };
    let other_agent = gate.call(&agent("other"), &named("x"), request()).await;
    asked(&world, &other_agent, 2);
    let other_user = Caller::Agent {
        name: "support".into(),
        on_behalf_of: Some("eve".into()),
    };
    asked(
        &world,
        &gate.call(&other_user, &named("x"), request()).await,
        2,
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_is_used_once() {
    let world = world("");
    let gate = world.open().await;
    let id = granted(&gate, &in_any_run(3)).await;
    let calls = (0..12).map(|n| {
        let gate = gate.clone();
        tokio::spawn(async move { call(&gate, &format!("run-{n}"), TOOL, &refund(5100 + n)).await })
    });
    let calls: Vec<_> = calls.collect();
    let mut released = 0;
    for call in calls {
        let answer = call.await.unwrap();
        match is_released(&answer) {
            true => released += 1,
            false => drop(pending(&answer)),
        }
    }
    assert_eq!(released, 3);
    assert_eq!(world.refunds(), 4);
    let standing = row(&gate, id);
    assert_eq!(
        (standing.uses.len(), standing.state),
        (3, StandingState::Exhausted)
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_expires_and_survives_a_restart() {
    let world = world("");
    let gate = world.open().await;
    let id = granted(&gate, &in_any_run(9)).await;
    gate.close().await;
    let gate = world.open().await;
    assert!(is_released(&call(&gate, "s", TOOL, &refund(6000)).await));
    world.pass(3600);
    // Not recorded as expired yet.
    asked(&world, &call(&gate, "t", TOOL, &refund(6000)).await, 2);
    gate.pass_time().await.unwrap();
    let standing = row(&gate, id);
    assert_eq!(
        (standing.uses.len(), standing.state),
        (1, StandingState::Expired)
    );
    gate.close().await;
    let gate = world.open().await;
    asked(&world, &call(&gate, "u", TOOL, &refund(6000)).await, 2);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_lifts_only_the_policies_that_its_approver_saw() {
    let world = world(
        r#"@id("tainted-refunds") @owner("security") @reason("The run has read untrusted content.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           when { context.run.labels.contains(Tollgate::Label::"untrusted") }
           unless { context.approval.roles.contains(Tollgate::Role::"security") };"#,
    );
    let gate = world.open().await;
    granted(&gate, &request(9)).await;
    // Dana has the role, and has not seen this policy.
    call(&gate, "r", "files__read", r#"{"path":"letter.txt"}"#).await;
    asked(&world, &call(&gate, "r", TOOL, &refund(6000)).await, 1);
    gate.close().await;

    let world = self::world("");
    let gate = world.open().await;
    granted(&gate, &request(9)).await;
    let changed = world.read("policies/base.cedar").replace("5000", "4000");
    world.write("policies/base.cedar", &changed);
    gate.reload("tests").await.unwrap();
    asked(&world, &call(&gate, "r", TOOL, &refund(6000)).await, 1);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_of_the_same_call_comes_first() {
    let world = world("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "elsewhere", TOOL, &refund(6100)).await);
    let no = ApprovalResponse::new(Vote::Reject, "cli");
    gate.answer(&user("frank"), id, no).await.unwrap();
    granted(&gate, &in_any_run(9)).await;
    asked(&world, &call(&gate, "r", TOOL, &refund(6100)).await, 1);
    assert!(is_released(&call(&gate, "r", TOOL, &refund(6200)).await));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_already_runs_when_it_is_repeated() {
    let world = world("");
    let gate = world.open().await;
    let first = call(&gate, "r", TOOL, REFUND).await;
    let waits = call(&gate, "r", TOOL, &refund(6000)).await;
    let (id, other) = (pending(&first), pending(&waits));
    answer(&gate, "dana", id, &request(1)).await.unwrap();
    let same = refund(6000);
    let both = tokio::join!(call(&gate, "r", TOOL, &same), call(&gate, "r", TOOL, &same));
    assert!(is_released(&both.0), "{both:?}");
    assert_eq!(
        both.0, both.1,
        "the second client gets the answer of the first"
    );
    assert_eq!(both.0.call, waits.call, "the same tool span");
    assert_eq!(starts(&gate, waits.run.unwrap()), 1);
    assert_eq!(world.refunds(), 1);
    let question = gate.ledger().reader().approval(other).unwrap().unwrap();
    assert_eq!(question.state, ApprovalState::Cancelled);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_and_the_end_of_the_run_void_it() {
    let world = world("");
    let gate = world.open().await;
    let id = granted(&gate, &in_any_run(9)).await;
    let alice = user("alice");
    let report = gate
        .halt(&alice, HaltScope::Tool, TOOL, "look at this")
        .await;
    assert_eq!(report.unwrap().standing, 1);
    gate.resume(&alice, HaltScope::Tool, TOOL).await.unwrap();
    assert_eq!(row(&gate, id).state, StandingState::Voided);
    asked(&world, &call(&gate, "r", TOOL, &refund(6000)).await, 1);

    let run = call(&gate, "r", TOOL, &refund(6000)).await.run.unwrap();
    let waits = pending(&call(&gate, "r", TOOL, &refund(6000)).await);
    let standing = answer(&gate, "dana", waits, &request(1))
        .await
        .unwrap()
        .standing;
    let run = gate.ledger().reader().run(&run.to_string()).unwrap();
    gate.end_run(&alice, &run, None, "done").await.unwrap();
    assert_eq!(row(&gate, standing.unwrap()).state, StandingState::Voided);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_read_models_are_rebuilt_from_the_records() {
    let world = world("");
    let gate = world.open().await;
    let used = granted(&gate, &in_any_run(2)).await;
    call(&gate, "s", TOOL, &refund(6000)).await;
    let before = row(&gate, used);
    gate.ledger().rebuild().await.unwrap();
    assert_eq!(row(&gate, used), before);
    assert!(is_released(&call(&gate, "s", TOOL, &refund(6001)).await));
    asked(&world, &call(&gate, "s", TOOL, &refund(6002)).await, 3);
    gate.close().await;
}
