//! Who may answer an approval, and what they are shown.

use std::collections::BTreeSet;

use tollgate::{
    enforce::ApprovalError, enforce::ApprovalResponse, enforce::Vote, gate::OperateError,
};
use tollgate_model::{
    life::ApprovalState,
    record::{AdminAction, Event},
};
use tollgate_testkit::world::{REFUND, World, approve, call, is_released, pending, records, user};

const TOOL: &str = "payments__refund";

#[tokio::test(flavor = "multi_thread")]
async fn who_may_approve_is_a_decision() {
    let world = World::new("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    // Alice runs the agent; eve holds no role.
    for name in ["alice", "eve"] {
        let refused = gate
            .answer(&user(name), id, ApprovalResponse::new(Vote::Approve, "cli"))
            .await;
        assert!(
            matches!(refused, Err(ApprovalError::Denied(_))),
            "{name}: {refused:?}"
        );
        // Alice sees that her agent waits, and no arguments; eve has nothing to do with it.
        match gate.approval(&user(name), id).await {
            Ok(view) => assert_eq!((name, view.arguments), ("alice", None)),
            Err(error) => assert_eq!((name, error), ("eve", ApprovalError::NotFound(id))),
        }
    }
    // The operator may stop it, though.
    gate.answer(
        &user("alice"),
        id,
        ApprovalResponse::new(Vote::Reject, "cli"),
    )
    .await
    .unwrap();
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_are_two_people() {
    let world = World::new(
        r#"@id("two") @owner("finance") @reason("Two people must agree.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           unless { context.approval.count >= 2 };"#,
    );
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    let first = approve(&gate, "frank", id).await.unwrap();
    assert_eq!(first.state, ApprovalState::Pending);
    let twice = approve(&gate, "frank", id).await;
    assert!(
        matches!(twice, Err(ApprovalError::Twice { .. })),
        "{twice:?}"
    );
    assert_eq!(pending(&call(&gate, "r", TOOL, REFUND).await), id);
    let second = approve(&gate, "dana", id).await.unwrap();
    assert_eq!(second.state, ApprovalState::Approved);
    assert!(is_released(&call(&gate, "r", TOOL, REFUND).await));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_approvers_race_and_the_first_commit_wins() {
    let world = World::new("");
    let gate = world.open().await;
    for round in 0..8 {
        let run = format!("race-{round}");
        let id = pending(&call(&gate, &run, TOOL, REFUND).await);
        let (dana, frank) = (user("dana"), user("frank"));
        let (yes, no) = tokio::join!(
            gate.answer(&dana, id, ApprovalResponse::new(Vote::Approve, "cli")),
            gate.answer(&frank, id, ApprovalResponse::new(Vote::Reject, "cli"))
        );
        // A rejection may follow an approval that has not been used; never the other way round.
        assert!(no.is_ok() || yes.is_ok());
        let state = gate.ledger().reader().approval(id).unwrap().unwrap().state;
        let expected = if no.is_ok() {
            ApprovalState::Rejected
        } else {
            ApprovalState::Approved
        };
        assert_eq!(state, expected);
    }
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_approver_answers_to_what_was_shown() {
    let world = World::new("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    let wrong = gate
        .answer(
            &user("dana"),
            id,
            ApprovalResponse {
                seen: Some("hmac:v1:00"),
                ..ApprovalResponse::new(Vote::Approve, "cli")
            },
        )
        .await;
    assert_eq!(wrong, Err(ApprovalError::OtherCall(id)));
    let shown = gate
        .approval(&user("dana"), id)
        .await
        .unwrap()
        .row
        .arguments;
    gate.answer(
        &user("dana"),
        id,
        ApprovalResponse {
            seen: Some(shown.as_str()),
            ..ApprovalResponse::new(Vote::Approve, "cli")
        },
    )
    .await
    .unwrap();
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_shown_what_waits_is_recorded_once() {
    let world = World::new("");
    let gate = world.open().await;
    let asked = call(&gate, "r", TOOL, REFUND).await;
    let id = pending(&asked);
    let shown = || {
        let records = records(&gate, asked.run.unwrap()).into_iter();
        let acts = records.filter_map(|record| match record.event {
            Event::Administered(act) if act.action == AdminAction::ApprovalArgumentsViewed => {
                Some((act.by, act.target))
            }
            _ => None,
        });
        acts.collect::<Vec<_>>()
    };
    for name in ["alice", "dana", "dana", "frank", "dana"] {
        gate.approval(&user(name), id).await.unwrap();
    }
    let act = |by: &str| (by.to_owned(), id.to_string());
    assert_eq!(shown(), [act("dana"), act("frank")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approver_cannot_answer_for_another_tenant() {
    let world = World::new("");
    let gate = world.open().await;
    let asked = call(&gate, "r", TOOL, REFUND).await;
    let id = pending(&asked);
    gate.close().await;
    world.configure("[gate]", "[gate]\ntenant = \"other\"");
    let gate = world.open().await;
    let dana = user("dana");
    for approve in [true, false] {
        let answered = gate
            .answer(
                &dana,
                id,
                ApprovalResponse::new(if approve { Vote::Approve } else { Vote::Reject }, "cli"),
            )
            .await;
        assert_eq!(answered, Err(ApprovalError::NotFound(id)));
    }
    let seen = gate.approval(&dana, id).await;
    assert_eq!(seen, Err(ApprovalError::NotFound(id)));
    let row = gate.ledger().reader().approval(id).unwrap().unwrap();
    assert!(!gate.can_answer(&dana, &row));
    let run = gate
        .ledger()
        .reader()
        .run(&asked.run.unwrap().to_string())
        .unwrap();
    let cancelled = gate.cancel_run(&user("alice"), &run, "x").await;
    assert!(
        matches!(cancelled, Err(OperateError::Unknown(_))),
        "{cancelled:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_makers_of_a_token_and_its_user_are_one_person() {
    let world = World::new(
        r#"@id("two") @owner("finance") @reason("Two people must agree.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           unless { context.approval.count >= 2 };"#,
    );
    let gate = world.open().await;
    let by = |user: &str| BTreeSet::from([user.to_owned()]);
    let (by_frank, by_alice) = (by("frank"), by("alice"));
    fn with(makers: &BTreeSet<String>) -> ApprovalResponse<'_> {
        ApprovalResponse {
            token_makers: makers,
            ..ApprovalResponse::new(Vote::Approve, "rest")
        }
    }
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    // Alice runs the agent that asks.
    let dana = user("dana");
    let own = gate.answer(&dana, id, with(&by_alice)).await;
    assert!(
        matches!(&own, Err(ApprovalError::TokenOfAsker { maker, .. }) if maker == "alice"),
        "{own:?}"
    );
    let frank = ApprovalResponse::new(Vote::Approve, "cli");
    gate.answer(&user("frank"), id, frank).await.unwrap();
    let again = gate.answer(&dana, id, with(&by_frank)).await;
    assert!(
        matches!(again, Err(ApprovalError::Twice { .. })),
        "{again:?}"
    );
    let view = gate.approval(&dana, id).await.unwrap();
    assert_eq!(view.row.state, ApprovalState::Pending);
    let answers = view.row.answers.iter();
    let answers: Vec<_> = answers
        .map(|answer| {
            (
                answer.by.id.as_str(),
                answer.took_effect,
                answer.token_makers.clone(),
            )
        })
        .collect();
    assert_eq!(
        answers,
        [
            ("dana", false, by_alice.clone()),
            ("frank", true, BTreeSet::new())
        ]
    );
    assert_eq!(pending(&call(&gate, "r", TOOL, REFUND).await), id);
    // Rejecting takes no second person.
    let no = ApprovalResponse {
        vote: Vote::Reject,
        ..with(&by_alice)
    };
    let rejected = gate.answer(&dana, id, no).await.unwrap();
    assert_eq!(rejected.state, ApprovalState::Rejected);
    gate.close().await;
}
