//! Standing approvals, by REST.

use serde_json::{Value, json};
use tollgate_model::entity::{Kind, Uid};
use tollgate_testkit::{rest::HttpGate, world::World};

use crate::callers_token::token_made_by;

async fn served() -> HttpGate {
    let world = World::new("");
    world.configure(
        "[components.files]",
        "[approvals.standing]\nmax_lifetime = \"8h\"\n[components.files]",
    );
    HttpGate::at(world, "192.0.2.1:443").await
}

fn refund(amount: u64) -> Value {
    json!({ "order": "A-1", "amount": amount, "currency": "EUR", "reason": "broken" })
}

/// An approval that waits, as dana is shown it.
async fn shown(served: &HttpGate, agent: &str, dana: &str) -> Value {
    let id = served.waits(agent, "A-1").await;
    let path = format!("/v1/approvals/{id}");
    served.get(dana, &path).await.is(200)
}

fn approve(shown: &Value) -> String {
    format!("/v1/approvals/{}/approve", shown["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn people_give_read_and_revoke_them_and_agents_only_read_their_own() {
    let served = served().await;
    let (agent, other) = (served.agent("support").await, served.agent("other").await);
    let (dana, eve) = (served.user("dana").await, served.user("eve").await);
    let shown = shown(&served, &agent, &dana).await;
    let terms =
        json!({ "lifetime": 3600, "uses": 2, "arguments": { "/amount": { "at_most": 7000 } } });
    let yes = json!({ "digest": shown["digest"], "standing": terms });
    let answered = served.post(&dana, &approve(&shown), yes).await.is(200);
    let id = answered["standing"].as_str().unwrap();
    served
        .call(&agent, "payments__refund", refund(6000))
        .await
        .is(200);
    let used = served
        .call(&agent, "payments__refund", refund(6500))
        .await
        .is(200);

    let path = format!("/v1/standing-approvals/{id}");
    let own = served.get(&agent, &path).await.is(200);
    assert_eq!(own["state"], "active");
    assert_eq!(own["uses"].as_array().unwrap().len(), 1);
    assert_eq!(own.get("pattern"), None, "the pattern is the approver's");
    served.get(&other, &path).await.fails(404, "not_found");
    served.get(&eve, &path).await.fails(404, "not_found");
    let seen = served.get(&dana, &path).await.is(200);
    let pattern: Value = serde_json::from_str(seen["pattern"].as_str().unwrap()).unwrap();
    assert_eq!(
        pattern["/amount"],
        json!({ "range": { "at_least": 0, "at_most": 7000 } })
    );
    assert_eq!(pattern["/order"], json!({ "equal": "A-1" }));
    assert_eq!(seen["policies"][0]["owner"], "finance");
    let list = served.get(&dana, "/v1/standing-approvals").await.is(200);
    assert_eq!(list[0]["id"], id);
    assert_eq!(
        served.get(&other, "/v1/standing-approvals").await.is(200),
        json!([])
    );
    let path_of_use = format!("/v1/decisions/{}", seen["uses"][0].as_str().unwrap());
    let decision = served.get(&dana, &path_of_use).await.is(200);
    assert_eq!(decision["run"], used["run"]);

    revoked_by_people_only(&served, [&agent, &eve, &dana], &path).await;
    assert_eq!(served.world.refunds(), 2);
    let all = "/v1/standing-approvals?all=true";
    let all = served.get(&dana, all).await.is(200);
    assert_eq!(all[0]["ended_by"], "dana");
    let active = served.get(&dana, "/v1/standing-approvals").await.is(200);
    assert_eq!(active, json!([]));
}

/// The agent and a person who may not answer do not end it, and the approver does, once. The next call waits.
async fn revoked_by_people_only(served: &HttpGate, [agent, eve, dana]: [&str; 3], path: &str) {
    let revoke = format!("{path}/revoke");
    served
        .post(agent, &revoke, json!({}))
        .await
        .fails(403, "people_only");
    served
        .post(eve, &revoke, json!({}))
        .await
        .fails(403, "forbidden");
    let revoked = served
        .post(dana, &revoke, json!({ "note": "done" }))
        .await
        .is(200);
    assert_eq!(revoked["state"], "revoked");
    served
        .post(dana, &revoke, json!({}))
        .await
        .fails(409, "already_ended");
    served
        .call(agent, "payments__refund", refund(6600))
        .await
        .is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_that_are_too_wide_are_refused_and_nothing_is_answered() {
    let served = served().await;
    let (agent, dana) = (served.agent("support").await, served.user("dana").await);
    let shown = shown(&served, &agent, &dana).await;
    for (arguments, lifetime, says) in [
        (json!({ "/order": "any" }), 60, "/order"),
        (json!({ "/amount": { "at_most": 10 } }), 60, "does not fit"),
        (json!({ "/extra": "any" }), 60, "no such argument"),
        (json!({}), 8 * 3600 + 1, "28800 seconds"),
        (json!({}), 0, "at most"),
    ] {
        let terms = json!({ "arguments": arguments, "lifetime": lifetime, "uses": 1 });
        let yes = json!({ "digest": shown["digest"], "standing": terms });
        let refused = served.post(&dana, &approve(&shown), yes).await;
        let refused = refused.fails(422, "not_standing");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{detail}");
    }
    for malformed in [
        json!({ "lifetime": 60 }),
        json!({ "lifetime": -1, "uses": 1 }),
        json!({ "lifetime": 60, "uses": 1, "scope": "everything" }),
        json!({ "lifetime": 60, "uses": 1, "arguments": { "/amount": { "at_least": 1 } } }),
        json!({ "lifetime": 60, "uses": 1, "for": "me" }),
    ] {
        let yes = json!({ "digest": shown["digest"], "standing": malformed });
        let refused = served.post(&dana, &approve(&shown), yes).await;
        assert_eq!(refused.status, 400, "{malformed}: {refused:?}");
    }
    served
        .call(&agent, "payments__refund", refund(6000))
        .await
        .is(202);
    assert_eq!(served.world.refunds(), 0);
}

/// Dana, known by this token, approves a refund and the calls like it in any run. The refund is made.
async fn granted(served: &HttpGate, agent: &str, dana: &str) {
    let shown = shown(served, agent, dana).await;
    let arguments = json!({ "/amount": { "at_most": 7000 } });
    let terms =
        json!({ "lifetime": 3600, "uses": 9, "scope": "principal", "arguments": arguments });
    let yes = json!({ "digest": shown["digest"], "standing": terms });
    let answered = served.post(dana, &approve(&shown), yes).await.is(200);
    assert_eq!(answered["state"], "approved");
    let repeated = served.call(agent, "payments__refund", refund(6000)).await;
    repeated.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_one_benefits_from_a_standing_approval_of_their_own() {
    let support = Uid::new(Kind::Agent, "support");
    let dana = Uid::new(Kind::User, "dana");
    // Who made the token with which it was given, and the token of the later call.
    for (giver, caller) in [(&[][..], "dana"), (&["frank"][..], "frank")] {
        let served = served().await;
        let agent = served.agent("support").await;
        let (_, token) = token_made_by(&served, dana.clone(), Some(giver)).await;
        granted(&served, &agent, &token).await;
        let (_, made) = token_made_by(&served, support.clone(), Some(&[caller])).await;
        let own = served.call(&made, "payments__refund", refund(6100)).await;
        own.is(202);
        assert_eq!(served.world.refunds(), 1, "{caller}");
        let (_, others) = token_made_by(&served, support.clone(), Some(&["eve"])).await;
        // Its maker was not among those that the approver saw.
        let unseen = served.call(&others, "payments__refund", refund(6200)).await;
        unseen.is(202);
        let covered = served.call(&agent, "payments__refund", refund(6300)).await;
        covered.is(200);
        assert_eq!(served.world.refunds(), 2, "{caller}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_the_newest_of_those_that_one_may_see() {
    let served = served().await;
    let (agent, dana) = (served.agent("support").await, served.user("dana").await);
    let all = "/v1/standing-approvals?all=true";
    for _ in 0..2 {
        granted(&served, &agent, &dana).await;
        let listed = served.get(&dana, all).await.is(200);
        let newest = listed[0]["id"].as_str().unwrap();
        let revoke = format!("/v1/standing-approvals/{newest}/revoke");
        served.post(&dana, &revoke, json!({})).await.is(200);
    }
    let listed = served.get(&dana, all).await.is(200);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let one = served.get(&dana, &format!("{all}&limit=1")).await.is(200);
    assert_eq!(one, json!([listed[0]]));
    let none = served.get(&dana, &format!("{all}&limit=0")).await.is(200);
    assert_eq!(none, json!([]));
    let eve = served.user("eve").await;
    let hidden = served.get(&eve, &format!("{all}&limit=1")).await.is(200);
    assert_eq!(hidden, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_what_policies_cost_in_runs_that_they_may_read() {
    let served = served().await;
    let (agent, dana) = (served.agent("support").await, served.user("dana").await);
    granted(&served, &agent, &dana).await;
    let covered = served.call(&agent, "payments__refund", refund(6500)).await;
    covered.is(200);
    let path = "/v1/stats/policies";
    let costs = served.get(&dana, path).await.is(200);
    let cost = &costs["policies"][0];
    assert_eq!(cost["policy"], "large-refunds");
    let numbers = ["questions", "calls", "approved", "in_advance"];
    assert_eq!(
        numbers.map(|name| cost[name].as_u64()),
        [1, 1, 1, 1].map(Some)
    );
    let eve = served.user("eve").await;
    assert_eq!(
        served.get(&eve, path).await.is(200)["policies"],
        json!([]),
        "a policy lets dana read the run, and no one else"
    );
    served.get(&agent, path).await.fails(403, "people_only");
    let other = format!("{path}?tool=files__read&since=0");
    assert_eq!(
        served.get(&dana, &other).await.is(200)["policies"],
        json!([])
    );
    for wrong in ["since=yesterday", "policy=large-refunds"] {
        let wrong = format!("{path}?{wrong}");
        served.get(&dana, &wrong).await.fails(400, "invalid_query");
    }
}
