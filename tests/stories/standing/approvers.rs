//! What a standing approval takes of its approver: a permit, the roles, another side than that of the call, and where
//! policy asks for two people, another person.

use std::{collections::BTreeSet, time::Duration};

use tollgate::{
    enforce::{ApprovalError, ApprovalResponse, StandingRequest, Vote},
    identity::Caller,
};
use tollgate_model::life::ApprovalState;
use tollgate_testkit::world::{REFUND, World, approve, call, is_released, named, pending, user};

use super::{TOOL, answer, asked, decisions, granted, in_any_run, refund, request, row, world};

#[tokio::test(flavor = "multi_thread")]
async fn it_counts_only_while_its_approver_might_approve_the_call() {
    let forbid = |text: &str| {
        format!(
            "@id(\"not-now\") @owner(\"tests\") forbid (principal, action, resource) when {{ {text} }};"
        )
    };
    let in_class =
        r#"action in [Tollgate::Action::"approve", Tollgate::Action::"approve_standing"]"#;
    for change in [
        forbid(&format!(
            "{in_class} && principal == Tollgate::User::\"dana\""
        )),
        forbid(
            r#"action == Tollgate::Action::"approve_standing" && context has uses && context.uses > 1"#,
        ),
        forbid(
            r#"action == Tollgate::Action::"approve" && resource in Tollgate::Tool::"payments__refund""#,
        ),
    ] {
        let world = world("");
        let gate = world.open().await;
        granted(&gate, &request(9)).await;
        world.write("policies/story.cedar", &change);
        gate.reload("tests").await.unwrap();
        asked(&world, &call(&gate, "r", TOOL, &refund(6000)).await, 1);
        world.write("policies/story.cedar", "");
        gate.reload("tests").await.unwrap();
        assert!(is_released(&call(&gate, "r", TOOL, &refund(6002)).await));
        gate.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_its_approver_lost_does_not_count() {
    // Who may approve is one thing, and the role that policy asks for another.
    let dana = r#"@id("dana-approves") @owner("tests")
        permit (principal == Tollgate::User::"dana",
                action in [Tollgate::Action::"approve", Tollgate::Action::"approve_standing"], resource);"#;
    for roles in ["[\"security\"]", "[]"] {
        let world = world(dana);
        let gate = world.open().await;
        granted(&gate, &request(9)).await;
        world.configure(
            "[users.dana]\nroles = [\"finance\", \"security\"]",
            &format!("[users.dana]\nroles = {roles}"),
        );
        gate.reload("tests").await.unwrap();
        asked(&world, &call(&gate, "r", TOOL, &refund(6000)).await, 1);
        gate.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_its_approver_makes_in_the_agents_name_is_asked_about() {
    let world = world("");
    let gate = world.open().await;
    granted(&gate, &in_any_run(9)).await;
    let spoken = Caller::Spoken {
        agent: "support".into(),
        by: "dana".into(),
        channel: "cli".into(),
    };
    let request = tollgate::enforce::CallRequest {
        tool: TOOL.into(),
        arguments: refund(6000),
    };
    asked(&world, &gate.call(&spoken, &named("d"), request).await, 1);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_for_one_who_makes_the_calls_is_not_for_another() {
    let world = world("");
    let gate = world.open().await;
    // Alice makes these calls in the agent's name.
    granted(&gate, &in_any_run(9)).await;
    let itself = Caller::Agent {
        name: "support".into(),
        on_behalf_of: None,
    };
    let request = |amount| tollgate::enforce::CallRequest {
        tool: TOOL.into(),
        arguments: refund(amount),
    };
    let waits = gate.call(&itself, &named("s"), request(6000)).await;
    let id = asked(&world, &waits, 1);
    let answered = answer(&gate, "dana", id, &in_any_run(9)).await.unwrap();
    assert!(answered.standing.is_some());
    for amount in [6000, 6100] {
        let answer = gate.call(&itself, &named("s"), request(amount)).await;
        assert!(is_released(&answer), "{answer:?}");
    }
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_configuration_or_a_permit_there_are_none_and_nothing_is_answered() {
    let no_limits = World::new("");
    let gate = no_limits.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    let refused = answer(&gate, "dana", id, &request(3)).await;
    assert!(
        matches!(&refused, Err(ApprovalError::NotStanding(why)) if why.contains("max_lifetime"))
    );
    asked(&no_limits, &call(&gate, "r", TOOL, REFUND).await, 0);
    gate.close().await;

    let world = world(
        r#"@id("each-time") @owner("finance") @reason("Refunds are looked at one by one.")
           forbid (principal, action == Tollgate::Action::"approve_standing",
                   resource in Tollgate::Tool::"payments__refund");"#,
    );
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    let refused = answer(&gate, "dana", id, &request(3)).await.unwrap_err();
    assert!(refused.to_string().contains("one by one"), "{refused}");
    let long = StandingRequest {
        lifetime: Duration::from_secs(8 * 3600 + 1),
        ..request(3)
    };
    for (bad, word) in [
        (long, "28800 seconds"),
        (request(0), "1 to 50"),
        (request(51), "1 to 50"),
    ] {
        let error = answer(&gate, "dana", id, &bad).await.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    asked(&world, &call(&gate, "r", TOOL, REFUND).await, 0);
    approve(&gate, "dana", id).await.unwrap();
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_are_needed_for_the_like_of_what_needs_two() {
    let world = world(
        r#"@id("two-people") @owner("finance") @reason("Refunds take two people.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           unless { context.approval.count >= 2 };"#,
    );
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    let first = answer(&gate, "dana", id, &request(5)).await.unwrap();
    assert_eq!(first.state, ApprovalState::Pending);
    approve(&gate, "frank", id).await.unwrap();
    assert!(is_released(&call(&gate, "r", TOOL, REFUND).await));

    // Dana's alone is not enough.
    let waits = call(&gate, "r", TOOL, &refund(6000)).await;
    let id = asked(&world, &waits, 1);
    approve(&gate, "dana", id).await.unwrap();
    answer(&gate, "frank", id, &request(5)).await.unwrap();
    assert!(is_released(&call(&gate, "r", TOOL, &refund(6000)).await));
    // Both together are.
    let answer = call(&gate, "r", TOOL, &refund(6500)).await;
    assert!(is_released(&answer), "{answer:?}");
    let used = decisions(&gate, answer.run.unwrap());
    assert_eq!(used.last().unwrap().standing.len(), 0, "the release");
    let of_call = used.iter().rfind(|d| d.action.id() == TOOL).unwrap();
    assert_eq!(of_call.standing.len(), 2);
    assert_eq!(world.refunds(), 3);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_one_person_are_not_of_two_people() {
    let world = world(
        r#"@id("two-people") @owner("finance") @reason("Refunds take two people.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           unless { context.approval.count >= 2 };"#,
    );
    let gate = world.open().await;
    for (refunds, amount) in [(0, 6000), (1, 6100)] {
        let waits = call(&gate, "r", TOOL, &refund(amount)).await;
        let id = asked(&world, &waits, refunds);
        answer(&gate, "dana", id, &request(5)).await.unwrap();
        approve(&gate, "frank", id).await.unwrap();
        assert!(is_released(&call(&gate, "r", TOOL, &refund(amount)).await));
    }
    // Dana gave two, frank none.
    asked(&world, &call(&gate, "r", TOOL, &refund(6200)).await, 2);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_no_call_of_another_tenant() {
    let world = world("");
    let gate = world.open().await;
    let id = granted(&gate, &in_any_run(9)).await;
    gate.close().await;
    // Another tenant of the same store, with the same agents and people.
    world.configure("[gate]", "[gate]\ntenant = \"other\"");
    let gate = world.open().await;
    asked(&world, &call(&gate, "t", TOOL, &refund(6000)).await, 1);
    assert_eq!(
        gate.standing(&user("dana"), id).await,
        Err(ApprovalError::NoStanding(id))
    );
    gate.close().await;
    world.configure("[gate]\ntenant = \"other\"", "[gate]");
    let gate = world.open().await;
    assert_eq!(row(&gate, id).uses.len(), 0);
    assert!(is_released(&call(&gate, "u", TOOL, &refund(6000)).await));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_maker_of_an_approvers_token_and_the_approver_are_one_person() {
    let world = world(
        r#"@id("two-people") @owner("finance") @reason("Refunds take two people.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           unless { context.approval.count >= 2 };"#,
    );
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", TOOL, REFUND).await);
    answer(&gate, "dana", id, &request(5)).await.unwrap();
    approve(&gate, "frank", id).await.unwrap();
    assert!(is_released(&call(&gate, "r", TOOL, REFUND).await));
    // Dana made the token with which frank gives his.
    let id = asked(&world, &call(&gate, "r", TOOL, &refund(6000)).await, 1);
    let (dana, like_it) = (BTreeSet::from(["dana".to_owned()]), request(5));
    let of_frank = ApprovalResponse {
        standing: Some(&like_it),
        token_makers: &dana,
        ..ApprovalResponse::new(Vote::Approve, "cli")
    };
    let given = gate.answer(&user("frank"), id, of_frank).await.unwrap();
    assert!(given.standing.is_some());
    asked(&world, &call(&gate, "r", TOOL, &refund(6500)).await, 1);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_changed_is_another_one() {
    let world = world("");
    let gate = world.open().await;
    granted(&gate, &in_any_run(9)).await;
    gate.close().await;
    let file = world.path("payments.wasm");
    let mut bytes = std::fs::read(&file).unwrap();
    // A custom section changes the digest and nothing else.
    bytes.extend([0, 5, 4, b'n', b'o', b't', b'e']);
    std::fs::write(&file, bytes).unwrap();
    world.accept();
    let gate = world.open().await;
    asked(&world, &call(&gate, "s", TOOL, &refund(6000)).await, 1);
    gate.close().await;
}
