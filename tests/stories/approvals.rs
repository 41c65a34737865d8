//! Approvals: request, answer, decide again, run once.

use tollgate::{
    enforce::ApprovalError, enforce::ApprovalResponse, enforce::CallOptions, enforce::CallRequest,
    enforce::Refusal, enforce::Verdict, enforce::Vote, identity::RunKey,
};
use tollgate_model::{life::ApprovalState, record::Event};
use tollgate_testkit::world::{
    REFUND, World, agent, approve, call, denied_by, is_released, named, pending, records, starts,
    user,
};

const TOOL: &str = "payments__refund";

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_call_runs_once() {
    let world = World::new("");
    let gate = world.open().await;
    let asked = call(&gate, "r", TOOL, REFUND).await;
    let id = pending(&asked);
    assert_eq!(world.refunds(), 0);
    // Repeating the call does not request another approval.
    assert_eq!(pending(&call(&gate, "r", TOOL, REFUND).await), id);

    let view = gate.approval(&user("dana"), id).await.unwrap();
    assert!(view.arguments.unwrap().contains("\"amount\":6000"));
    let answered = approve(&gate, "dana", id).await.unwrap();
    assert_eq!(answered.state, ApprovalState::Approved);

    let resumed = call(&gate, "r", TOOL, REFUND).await;
    assert!(is_released(&resumed), "{:?}", resumed.verdict);
    assert_eq!(resumed.call, asked.call, "the same tool span");
    assert_eq!(world.refunds(), 1);
    assert_eq!(starts(&gate, resumed.run.unwrap()), 1);

    let late = approve(&gate, "dana", id).await;
    let consumed = ApprovalState::Consumed;
    assert_eq!(
        late,
        Err(ApprovalError::Resolved {
            id,
            state: consumed
        })
    );

    // The approval was for one call.
    assert_ne!(pending(&call(&gate, "r", TOOL, REFUND).await), id);
    assert_eq!(world.refunds(), 1);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_that_repeat_an_approved_call_at_once_run_it_once() {
    let world = World::new("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    approve(&gate, "dana", id).await.unwrap();
    let both = tokio::join!(
        call(&gate, "r", TOOL, REFUND),
        call(&gate, "r", TOOL, REFUND)
    );
    // The second client gets the first one's outcome, and no other approval is requested.
    assert!(is_released(&both.0), "{both:?}");
    assert_eq!(both.0, both.1);
    assert_eq!(starts(&gate, both.0.run.unwrap()), 1);
    assert_eq!(world.refunds(), 1);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_call_stays_denied_until_the_question_would_have_expired() {
    let world = World::new("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    gate.answer(
        &user("dana"),
        id,
        ApprovalResponse {
            note: Some("not this one"),
            ..ApprovalResponse::new(Vote::Reject, "cli")
        },
    )
    .await
    .unwrap();
    let again = call(&gate, "r", TOOL, REFUND).await;
    assert!(
        matches!(again.verdict, Verdict::Refused(Refusal::Rejected { approval, .. }) if approval == id),
        "{:?}",
        again.verdict
    );
    world.pass(3601);
    assert_ne!(pending(&call(&gate, "r", TOOL, REFUND).await), id);
    assert_eq!(world.refunds(), 0);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_came_too_late_or_was_used_too_late_runs_nothing() {
    let world = World::new("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    world.pass(3601);
    let late = approve(&gate, "dana", id).await;
    assert_eq!(
        late,
        Err(ApprovalError::Resolved {
            id,
            state: ApprovalState::Expired
        })
    );

    let second = pending(&call(&gate, "r", TOOL, REFUND).await);
    approve(&gate, "dana", second).await.unwrap();
    world.pass(3601);
    let third = pending(&call(&gate, "r", TOOL, REFUND).await);
    assert_ne!(third, second);
    assert_eq!(world.refunds(), 0);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_arguments_are_another_call() {
    let world = World::new("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    approve(&gate, "dana", id).await.unwrap();
    let other = call(&gate, "r", TOOL, &REFUND.replace("6000", "600000")).await;
    assert_ne!(pending(&other), id);
    // The same in another run.
    assert_ne!(pending(&call(&gate, "elsewhere", TOOL, REFUND).await), id);
    assert_eq!(world.refunds(), 0);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_acquired_meanwhile_asks_again() {
    let world = World::new(
        r#"@id("tainted-refunds") @owner("security") @reason("The run has read untrusted content.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           when { context.run.labels.contains(Tollgate::Label::"untrusted") }
           unless { context.approval.roles.contains(Tollgate::Role::"security") };"#,
    );
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    approve(&gate, "frank", id).await.unwrap();
    call(&gate, "r", "files__read", r#"{"path":"letter.txt"}"#).await;
    let again = call(&gate, "r", TOOL, REFUND).await;
    let second = pending(&again);
    assert_ne!(
        second, id,
        "finance's yes does not cover security's concern"
    );
    assert_eq!(world.refunds(), 0);
    approve(&gate, "dana", second).await.unwrap();
    assert!(is_released(&call(&gate, "r", TOOL, REFUND).await));
    assert_eq!(world.refunds(), 1);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_wins_over_an_approval() {
    let world = World::new("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    approve(&gate, "dana", id).await.unwrap();
    world.write(
        "policies/story.cedar",
        r#"@id("no-more-refunds") @owner("finance") @reason("The year is closed.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource);"#,
    );
    gate.reload("tests").await.unwrap();
    let denied = call(&gate, "r", TOOL, REFUND).await;
    assert!(denied_by(&denied).contains(&"no-more-refunds".to_owned()));
    assert_eq!(world.refunds(), 0);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_counts_neither_as_repeat_nor_as_denial() {
    let world = World::new("");
    let gate = world.open().await;
    let run = call(&gate, "r", TOOL, REFUND).await.run.unwrap();
    for _ in 0..5 {
        pending(&call(&gate, "r", TOOL, REFUND).await);
    }
    let arguments = records(&gate, run).iter().find_map(|r| match &r.event {
        Event::Decision(decision) => decision.arguments.clone(),
        _ => None,
    });
    let state = gate
        .ledger()
        .run_state(run, arguments.as_ref())
        .unwrap()
        .unwrap();
    assert_eq!((state.calls, state.denials), (1, 0));
    assert_eq!(state.repeats.values().sum::<u64>(), 1);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_survives_a_restart() {
    let world = World::new("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    approve(&gate, "dana", id).await.unwrap();
    gate.close().await;

    let gate = world.open().await;
    let caller = agent("support");
    let request = CallRequest {
        tool: TOOL.into(),
        arguments: REFUND.into(),
    };
    let resumed = gate.call(&caller, &named("r"), request).await;
    assert!(is_released(&resumed), "{:?}", resumed.verdict);
    assert_eq!(world.refunds(), 1);
    let used = records(&gate, resumed.run.unwrap());
    assert!(!used.is_empty());
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_may_withdraw_an_approval_until_its_call_begins() {
    let world = World::new("");
    let gate = world.open().await;
    let (support, dana) = (agent("support"), user("dana"));
    let asked = call(&gate, "r", TOOL, REFUND).await;
    let id = pending(&asked);
    let foreign = gate.withdraw(&agent("other"), id).await;
    assert_eq!(foreign, Err(ApprovalError::NotFound(id)));
    gate.answer(&dana, id, ApprovalResponse::new(Vote::Approve, "cli"))
        .await
        .unwrap();
    let cancelled = Ok(ApprovalState::Cancelled);
    assert_eq!(gate.withdraw(&support, id).await, cancelled);
    assert_eq!(gate.withdraw(&support, id).await, cancelled, "it is over");
    let withdrawn =
        records(&gate, asked.run.unwrap())
            .into_iter()
            .filter_map(|record| match record.event {
                Event::ApprovalResolved(resolved) => resolved.by,
                _ => None,
            });
    let by: Vec<String> = withdrawn.map(|by| by.id).collect();
    assert_eq!(by, ["support"], "once, and by whom");
    gate.close().await;

    let gate = world.open().await;
    let late = gate
        .answer(&dana, id, ApprovalResponse::new(Vote::Approve, "cli"))
        .await;
    let state = ApprovalState::Cancelled;
    assert_eq!(late, Err(ApprovalError::Resolved { id, state }));
    let next = pending(&call(&gate, "r", TOOL, REFUND).await);
    assert_ne!(next, id);
    assert_eq!(world.refunds(), 0);

    gate.answer(&dana, next, ApprovalResponse::new(Vote::Approve, "cli"))
        .await
        .unwrap();
    assert!(is_released(&call(&gate, "r", TOOL, REFUND).await));
    let consumed = Ok(ApprovalState::Consumed);
    assert_eq!(gate.withdraw(&support, next).await, consumed);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_no_longer_needs_an_approval_runs_and_the_approval_is_void() {
    let world = World::new(
        r#"@id("early") @owner("finance") @reason("Before half past ten finance looks at every refund.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           when { context.local.minute < 630 }
           unless { context.approval.roles.contains(Tollgate::Role::"finance") };
           @id("once") @owner("finance") @reason("Once is enough.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           when { context.run.repeats >= 1 };"#,
    );
    let gate = world.open().await;
    let small = REFUND.replace("6000", "100");
    let id = pending(&call(&gate, "r", TOOL, &small).await);
    world.pass(50 * 60);
    let resumed = call(&gate, "r", TOOL, &small).await;
    assert!(is_released(&resumed), "{:?}", resumed.verdict);
    assert_eq!(world.refunds(), 1);
    let row = gate.ledger().reader().approval(id).unwrap().unwrap();
    assert_eq!(row.state, ApprovalState::Cancelled);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_resumed_from_another_run_carries_labels_both_ways() {
    let world = World::new("");
    world.configure(
        "[tools.payments__refund]\nlabels = []\ntaints = []",
        "[tools.payments__refund]\nlabels = []\ntaints = [\"untrusted\"]",
    );
    let gate = world.open().await;
    let asked = call(&gate, "before", TOOL, REFUND).await;
    let id = pending(&asked);
    let secret = r#"{"path":"customer.json"}"#;
    let read = call(&gate, "after", "secret__read", secret).await;
    assert!(is_released(&read), "{:?}", read.verdict);
    approve(&gate, "dana", id).await.unwrap();

    let foreign = gate.pending_call(&agent("other"), id);
    assert_eq!(foreign.unwrap_err(), ApprovalError::NotFound(id));
    let stored = gate.pending_call(&agent("support"), id).unwrap();
    let same = gate.run_awaiting_approval(&agent("support"), &stored.request);
    assert_eq!(same, asked.run);
    let resumed = gate
        .resume_with(
            &agent("support"),
            &named("after"),
            stored.run,
            stored.request,
            CallOptions::default(),
        )
        .await;
    assert!(is_released(&resumed), "{:?}", resumed.verdict);
    assert_eq!((resumed.run, resumed.call), (asked.run, asked.call));
    assert_eq!(world.refunds(), 1);
    let labels = |run: &str| gate.ledger().reader().run(run).unwrap().labels;
    for run in [asked.run.unwrap(), read.run.unwrap()] {
        let held = labels(&run.to_string());
        assert!(held.contains("private"), "{run}: {held:?}");
        assert!(held.contains("untrusted"), "{run}: {held:?}");
    }
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_named_by_its_id_is_that_one() {
    let world = World::new("");
    let gate = world.open().await;
    let ambient = async || {
        let request = CallRequest {
            tool: "payments__quote".into(),
            arguments: r#"{"amount":1,"currency":"EUR"}"#.into(),
        };
        gate.call(&agent("support"), &RunKey::Ambient, request)
            .await
            .run
            .unwrap()
    };
    let first = ambient().await;
    world.pass(31 * 60);
    assert_ne!(ambient().await, first);
    let named = gate.run_key(&agent("support"), Some(first.to_string()));
    assert_eq!(named.unwrap(), RunKey::Id(first));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_one_is_asked_about_a_run_that_has_ended() {
    let world = World::new("");
    let gate = world.open().await;
    let waits = call(&gate, "r", "payments__refund", REFUND).await;
    let id = pending(&waits);
    let run = waits.run.unwrap().to_string();
    let row = gate.ledger().reader().run(&run).unwrap();
    gate.end_run(&user("alice"), &row, None, "enough")
        .await
        .unwrap();
    let state = gate.ledger().reader().approval(id).unwrap().unwrap().state;
    assert_eq!(state, ApprovalState::Cancelled);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_with_the_roles_that_its_approver_still_has() {
    let world = World::new("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    let yes = ApprovalResponse::new(Vote::Approve, "cli");
    gate.answer(&user("dana"), id, yes).await.unwrap();
    world.configure(
        "[users.dana]\nroles = [\"finance\", \"security\"]",
        "[users.dana]\nroles = [\"security\"]",
    );
    gate.reload("tests").await.unwrap();
    let again = call(&gate, "r", TOOL, REFUND).await;
    assert!(!is_released(&again), "{again:?}");
    assert_eq!(world.refunds(), 0);
    gate.close().await;
}
