//! One question for several calls of a run, and calls that an approver changes before approving them.

use serde_json::{Value, json};
use tollgate::{
    config::RequestChannel,
    enforce::{
        Answer, ApprovalError, ApprovalResponse, ApprovalResult, CallOptions, CallRequest,
        UserRequest, Vote,
    },
    gate::Gate,
};
use tollgate_model::{
    decision::Outcome,
    ids::ApprovalId,
    life::ApprovalState,
    record::{DecisionRecord, Event},
};
use tollgate_testkit::world::{
    REFUND, World, agent, approve, call, denied_by, is_released, named, pending, records, starts,
    user,
};

const TOOL: &str = "payments__refund";

fn refund(amount: u64) -> String {
    json!({ "order": "A-1", "amount": amount, "currency": "EUR", "reason": "broken" }).to_string()
}

async fn answer_all(
    gate: &Gate,
    name: &str,
    id: ApprovalId,
    vote: Vote,
    seen: &str,
) -> Result<Vec<ApprovalResult>, ApprovalError> {
    let response = ApprovalResponse {
        seen: Some(seen),
        ..ApprovalResponse::new(vote, "cli")
    };
    gate.answer_all(&user(name), id, response).await
}

async fn edit(
    gate: &Gate,
    name: &str,
    id: ApprovalId,
    arguments: &str,
) -> Result<ApprovalResult, ApprovalError> {
    let response = ApprovalResponse {
        edit: Some(arguments),
        ..ApprovalResponse::new(Vote::Approve, "cli")
    };
    gate.answer(&user(name), id, response).await
}

fn state(gate: &Gate, id: ApprovalId) -> ApprovalState {
    let row = gate.ledger().reader().approval(id).unwrap();
    row.unwrap().state
}

/// What the payments component has booked.
fn booked(world: &World) -> Vec<Value> {
    let book = world.read("book/refunds.jsonl");
    book.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn last_call(gate: &Gate, answer: &Answer) -> DecisionRecord {
    let records = records(gate, answer.run.unwrap()).into_iter();
    let mut decisions = records.filter_map(|record| match record.event {
        Event::Decision(decision) if decision.action.id() == TOOL => Some(*decision),
        _ => None,
    });
    decisions.next_back().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_run_that_wait_for_the_same_reason_are_one_question() {
    let world = World::new("");
    let gate = world.open().await;
    let mut ids = Vec::new();
    for amount in [5001, 5002, 5003] {
        ids.push(pending(&call(&gate, "r", TOOL, &refund(amount)).await));
    }
    let elsewhere = pending(&call(&gate, "other", TOOL, &refund(5001)).await);
    let view = gate.approval(&user("dana"), ids[1]).await.unwrap();
    let others: Vec<ApprovalId> = view.others.iter().map(|other| other.row.id).collect();
    assert_eq!(others, [ids[0], ids[2]]);
    assert!(view.others.iter().all(|other| other.arguments.is_some()));
    let seen = view.question_digest.unwrap().to_string();

    let answered = answer_all(&gate, "dana", ids[1], Vote::Approve, &seen)
        .await
        .unwrap();
    assert_eq!(answered.len(), 3);
    assert!(
        answered
            .iter()
            .all(|one| one.state == ApprovalState::Approved)
    );
    assert_eq!(state(&gate, elsewhere), ApprovalState::Pending);
    assert_eq!(world.refunds(), 0, "approving runs nothing");
    for amount in [5001, 5002, 5003] {
        assert!(is_released(&call(&gate, "r", TOOL, &refund(amount)).await));
    }
    assert_eq!(world.refunds(), 3);
    // Each was for one call.
    pending(&call(&gate, "r", TOOL, &refund(5001)).await);
    assert_eq!(world.refunds(), 3);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_has_changed_is_not_answered_and_a_rejection_is_for_all() {
    let world = World::new("");
    let gate = world.open().await;
    let first = pending(&call(&gate, "r", TOOL, &refund(5001)).await);
    let second = pending(&call(&gate, "r", TOOL, &refund(5002)).await);
    let view = gate.approval(&user("dana"), first).await.unwrap();
    let seen = view.question_digest.unwrap().to_string();
    let third = pending(&call(&gate, "r", TOOL, &refund(5003)).await);
    let changed = answer_all(&gate, "dana", first, Vote::Approve, &seen).await;
    assert_eq!(changed, Err(ApprovalError::OtherCall(first)));
    let eve = gate.approval(&user("dana"), first).await.unwrap();
    let seen = eve.question_digest.unwrap().to_string();
    let denied = answer_all(&gate, "eve", first, Vote::Approve, &seen).await;
    assert!(
        matches!(denied, Err(ApprovalError::Denied(_))),
        "{denied:?}"
    );
    for id in [first, second, third] {
        assert_eq!(state(&gate, id), ApprovalState::Pending);
    }
    answer_all(&gate, "frank", second, Vote::Reject, &seen)
        .await
        .unwrap();
    for id in [first, second, third] {
        assert_eq!(state(&gate, id), ApprovalState::Rejected);
    }
    let again = call(&gate, "r", TOOL, &refund(5003)).await;
    assert!(!is_released(&again));
    assert_eq!(world.refunds(), 0);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_call_runs_with_the_approvers_arguments_and_its_agent_gets_to_know() {
    let world = World::new("");
    let gate = world.open().await;
    let asked = call(&gate, "r", TOOL, REFUND).await;
    let id = pending(&asked);
    edit(&gate, "dana", id, &refund(5500)).await.unwrap();
    assert_eq!(world.refunds(), 0);
    let resumed = call(&gate, "r", TOOL, REFUND).await;
    assert!(is_released(&resumed), "{resumed:?}");
    assert_eq!(resumed.call, asked.call);
    let booked = booked(&world);
    assert_eq!(booked.len(), 1);
    assert_eq!(booked[0]["amount"], 5500);
    let told = resumed.edit.clone().unwrap();
    assert_eq!(told.by, "dana");
    assert_eq!(told.pointers.iter().collect::<Vec<_>>(), ["/amount"]);
    assert!(resumed.notice().unwrap().contains("5500"));

    // The record has both.
    let decided = last_call(&gate, &resumed);
    let row = gate.ledger().reader().approval(id).unwrap().unwrap();
    let edited = row.edited.unwrap();
    assert_eq!(decided.arguments.as_ref(), Some(&edited.arguments.digest));
    assert_ne!(edited.arguments.digest, row.arguments);
    // It was for one call.
    pending(&call(&gate, "r", TOOL, REFUND).await);
    pending(&call(&gate, "r", TOOL, &refund(5500)).await);
    assert_eq!(starts(&gate, resumed.run.unwrap()), 1);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_policy_or_the_schema_refuses_answers_nothing() {
    let world = World::new(
        r#"@id("huge") @owner("finance") @reason("Huge refunds need security.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           when { context.input.amount > 50000 }
           unless { context.approval.roles.contains(Tollgate::Role::"security") };
           @id("never") @owner("finance") @reason("Nothing to order B.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           when { context.input.order == "B" };"#,
    );
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    let with = |name: &str, value: Value| {
        let mut arguments: Value = serde_json::from_str(REFUND).unwrap();
        arguments[name] = value;
        arguments.to_string()
    };
    for (arguments, says) in [
        (with("amount", json!("many")), "/amount"),
        (with("extra", json!(1)), "/extra"),
        (r#"{"amount":1,"amount":2}"#.to_owned(), "twice"),
        (with("amount", json!(60000)), "security"),
        (with("order", json!("B")), "Nothing to order B"),
        (REFUND.to_owned(), "as it is"),
    ] {
        let error = edit(&gate, "dana", id, &arguments).await.unwrap_err();
        assert!(matches!(error, ApprovalError::NotEdited(_)), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let stranger = edit(&gate, "eve", id, &refund(5500)).await;
    assert!(
        matches!(stranger, Err(ApprovalError::Denied(_))),
        "{stranger:?}"
    );
    assert_eq!(state(&gate, id), ApprovalState::Pending);
    assert_eq!(pending(&call(&gate, "r", TOOL, REFUND).await), id);
    assert_eq!(world.refunds(), 0);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approver_vouches_for_no_value() {
    let world = World::new(
        r#"@id("made-up") @owner("finance") @reason("An order that no one named needs security.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           when { context.sinks.contains(Tollgate::Origin::"model") }
           unless { context.approval.roles.contains(Tollgate::Role::"security") };"#,
    );
    world.configure(
        "operator = \"alice\"\nroles = [\"clerk\"]\n[agents.other]",
        "operator = \"alice\"\nroles = [\"clerk\"]\nrequest_from = [\"rest\"]\n[agents.other]",
    );
    let gate = world.open().await;
    let request = UserRequest {
        channel: RequestChannel::Rest,
        text: "Refund order A-1, please".into(),
    };
    gate.tell_request(
        &agent("support"),
        &named("r"),
        CallOptions::default(),
        request,
    )
    .await
    .unwrap();
    let id = pending(&call(&gate, "r", TOOL, &refund(6000)).await);
    let of = |order: &str| {
        json!({ "order": order, "amount": 5500, "currency": "EUR", "reason": "broken" }).to_string()
    };
    let refused = edit(&gate, "frank", id, &of("B-9")).await.unwrap_err();
    assert!(refused.to_string().contains("security"), "{refused}");
    assert_eq!(state(&gate, id), ApprovalState::Pending);
    // What the user named needs no more than was asked for.
    let edited = edit(&gate, "frank", id, &of("A-1")).await.unwrap();
    assert_eq!(edited.state, ApprovalState::Approved);
    let answer = call(&gate, "r", TOOL, &refund(6000)).await;
    assert!(is_released(&answer), "{answer:?}");
    assert_eq!(booked(&world)[0]["amount"], 5500);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_forbids_edits_and_the_call_as_it_is_can_be_approved() {
    let world = World::new(
        r#"@id("as-it-is") @owner("finance") @reason("Approve it as it is, or not.")
           forbid (principal, action == Tollgate::Action::"approve_edited", resource);"#,
    );
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    let refused = edit(&gate, "dana", id, &refund(5500)).await.unwrap_err();
    assert!(
        refused.to_string().contains("Approve it as it is"),
        "{refused}"
    );
    assert_eq!(state(&gate, id), ApprovalState::Pending);
    approve(&gate, "dana", id).await.unwrap();
    assert!(is_released(&call(&gate, "r", TOOL, REFUND).await));
    assert_eq!(booked(&world)[0]["amount"], 6000);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_call_is_decided_again_when_it_resumes() {
    let world = World::new("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    edit(&gate, "dana", id, &refund(5500)).await.unwrap();
    world.write(
        "policies/story.cedar",
        r#"@id("less-now") @owner("finance") @reason("Less than that, today.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           when { context.input.amount < 5600 };"#,
    );
    gate.reload("tests").await.unwrap();
    let denied = call(&gate, "r", TOOL, REFUND).await;
    assert_eq!(denied_by(&denied), ["less-now"]);
    let decided = last_call(&gate, &denied);
    assert_eq!(decided.outcome, Outcome::Deny);
    assert_eq!(state(&gate, id), ApprovalState::Cancelled);
    assert_eq!(world.refunds(), 0);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_call_that_needs_another_approval_by_then_does_not_run() {
    let world = World::new("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    edit(&gate, "dana", id, &refund(5500)).await.unwrap();
    world.write(
        "policies/story.cedar",
        r#"@id("odd-refunds") @owner("security") @reason("Security looks at odd refunds.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           when { context.input.amount == 5500 }
           unless { context.approval.count >= 2 };"#,
    );
    gate.reload("tests").await.unwrap();
    // Dana was not shown that. The agent's own call does not run instead.
    let denied = call(&gate, "r", TOOL, REFUND).await;
    let policies = denied_by(&denied);
    assert!(
        policies.iter().any(|id| id == "odd-refunds"),
        "{policies:?}"
    );
    assert_eq!(state(&gate, id), ApprovalState::Cancelled);
    assert_eq!(world.refunds(), 0);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_of_other_arguments_do_not_count_for_edited_ones() {
    let world = World::new(
        r#"@id("two-people") @owner("finance") @reason("Refunds take two people.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           unless { context.approval.count >= 2 };"#,
    );
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    let before = gate.approval(&user("frank"), id).await.unwrap();
    let seen = before.row.shown_digest().as_str().to_owned();
    approve(&gate, "frank", id).await.unwrap();
    let edited = edit(&gate, "dana", id, &refund(5500)).await.unwrap();
    assert_eq!(
        edited.state,
        ApprovalState::Pending,
        "frank approved another call"
    );
    // What frank was shown is not what waits.
    let stale = ApprovalResponse {
        seen: Some(&seen),
        ..ApprovalResponse::new(Vote::Approve, "cli")
    };
    let stale = gate.answer(&user("frank"), id, stale).await;
    assert_eq!(stale, Err(ApprovalError::OtherCall(id)));
    let view = gate.approval(&user("frank"), id).await.unwrap();
    assert!(view.arguments.unwrap().contains("5500"));
    assert!(view.original_arguments.unwrap().contains("6000"));
    let answered = approve(&gate, "frank", id).await.unwrap();
    assert_eq!(answered.state, ApprovalState::Approved);
    assert!(is_released(&call(&gate, "r", TOOL, REFUND).await));
    assert_eq!(booked(&world)[0]["amount"], 5500);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_survives_a_restart_and_is_resumed_by_its_approval() {
    let world = World::new("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    edit(&gate, "dana", id, &refund(5500)).await.unwrap();
    gate.close().await;
    let gate = world.open().await;
    let stored: CallRequest = gate.pending_call(&agent("support"), id).unwrap().request;
    let resumed = gate.call(&agent("support"), &named("r"), stored).await;
    assert!(is_released(&resumed), "{resumed:?}");
    assert_eq!(booked(&world)[0]["amount"], 5500);
    gate.close().await;
}
