//! Calls, approvals and what people see, by REST.

use serde_json::json;
use tollgate_model::entity::{Kind, Uid};
use tollgate_testkit::rest::HttpGate;

const QUORUM: &str = r#"
@id("two-for-huge-refunds") @owner("finance") @severity("critical")
@reason("A huge refund needs two of finance.")
forbid (principal, action == Tollgate::Action::"payments__refund", resource)
when { context.input.amount > 50000 }
unless { context.approval.roles.contains(Tollgate::Role::"finance") && context.approval.count >= 2 };
"#;

fn refund(amount: u64) -> serde_json::Value {
    json!({ "order": "A-1", "amount": amount, "currency": "EUR", "reason": "broken" })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_call_runs_once() {
    let served = HttpGate::new("").await;
    let (agent, dana) = (served.agent("support").await, served.user("dana").await);
    let waiting = served
        .call(&agent, "payments__refund", refund(6000))
        .await
        .is(202);
    assert_eq!(waiting["outcome"], "waiting");
    assert!(
        waiting.get("exit").is_none(),
        "exit codes are for the command line"
    );
    let id = waiting["approval"]["id"].as_str().unwrap();
    let list = served.get(&dana, "/v1/approvals").await.is(200);
    assert_eq!(list[0]["id"], id);
    let path = format!("/v1/approvals/{id}");
    let shown = served.get(&dana, &path).await.is(200);
    assert!(shown["arguments"].as_str().unwrap().contains("6000"));
    assert_eq!(shown["policies"][0]["owner"], "finance");
    let wrong = json!({ "digest": "hmac:v1:00" });
    served
        .post(&dana, &format!("{path}/approve"), wrong)
        .await
        .fails(409, "other_call");
    let yes = json!({ "digest": shown["digest"], "note": "checked" });
    let answered = served
        .post(&dana, &format!("{path}/approve"), yes.clone())
        .await
        .is(200);
    assert_eq!(answered["state"], "approved");
    assert_eq!(served.world.refunds(), 0);
    let done = served
        .call(&agent, "payments__refund", refund(6000))
        .await
        .is(200);
    assert_eq!(done["outcome"], "ok");
    assert_eq!(served.world.refunds(), 1);
    served
        .post(&dana, &format!("{path}/approve"), yes)
        .await
        .fails(409, "already_resolved");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_never_administers() {
    let served = HttpGate::new("").await;
    let (agent, other) = (served.agent("support").await, served.agent("other").await);
    let id = served.waits(&agent, "A-1").await;
    let path = format!("/v1/approvals/{id}");
    let own = served.get(&agent, &path).await.is(200);
    assert_eq!(
        own.get("arguments"),
        None,
        "the approver's view is the approver's"
    );
    let yes = json!({ "digest": own["digest"] });
    served
        .post(&agent, &format!("{path}/approve"), yes)
        .await
        .fails(403, "people_only");
    served
        .post(&agent, &format!("{path}/reject"), json!({}))
        .await
        .fails(403, "people_only");
    let halt = json!({ "scope": "all", "reason": "x" });
    served
        .post(&agent, "/v1/halts", halt)
        .await
        .fails(403, "people_only");
    served
        .post(&agent, "/v1/reload", json!({}))
        .await
        .fails(403, "people_only");
    for path in [
        "/v1/policies",
        "/v1/decisions",
        "/v1/decisions/dec-1",
        "/v1/halts",
    ] {
        served.get(&agent, path).await.fails(403, "people_only");
    }
    let runs = served.get(&agent, "/v1/runs").await.is(200);
    let run = runs["runs"][0]["id"].as_str().unwrap().to_owned();
    let cancel = json!({ "reason": "x" });
    served
        .post(&agent, &format!("/v1/runs/{run}/cancel"), cancel)
        .await
        .fails(403, "people_only");
    is_hidden_from(&served, &other, &run, &id).await;
    // Its own run it may end.
    let end = json!({ "outcome": "success" });
    let path = format!("/v1/runs/{run}/end");
    assert_eq!(served.post(&agent, &path, end).await.status, 204);
    assert_eq!(served.world.refunds(), 0);
}

/// Another agent finds nothing of a run and its approval.
async fn is_hidden_from(served: &HttpGate, other: &str, run: &str, approval: &str) {
    assert_eq!(
        served.get(other, "/v1/runs").await.is(200)["runs"],
        json!([])
    );
    assert_eq!(served.get(other, "/v1/approvals").await.is(200), json!([]));
    served
        .get(other, &format!("/v1/approvals/{approval}"))
        .await
        .fails(404, "not_found");
    let end = json!({ "outcome": "success" });
    for path in [format!("/v1/runs/{run}"), "/v1/runs/zz".into()] {
        served.get(other, &path).await.fails(404, "not_found");
    }
    served
        .post(other, &format!("/v1/runs/{run}/end"), end)
        .await
        .fails(404, "not_found");
    let named = json!({ "tool": "files__read", "arguments": {"path": "letter.txt"}, "run": run });
    served
        .post(other, "/v1/calls", named)
        .await
        .fails(404, "other_run");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_answer_is_a_decision() {
    let served = HttpGate::new("").await;
    let agent = served.agent("support").await;
    let (alice, eve) = (served.user("alice").await, served.user("eve").await);
    let id = served.waits(&agent, "A-1").await;
    let path = format!("/v1/approvals/{id}");
    let seen = served.get(&alice, &path).await.is(200);
    let yes = json!({ "digest": seen["digest"] });
    let refused = served
        .post(&alice, &format!("{path}/approve"), yes.clone())
        .await;
    let refused = refused.fails(403, "forbidden");
    assert!(
        refused.body["decision"]
            .as_str()
            .unwrap()
            .starts_with("dec-")
    );
    assert!(
        refused.body["detail"]
            .as_str()
            .unwrap()
            .contains("another person must approve")
    );
    served.get(&eve, &path).await.fails(404, "not_found");
    served
        .post(&eve, &format!("{path}/approve"), yes)
        .await
        .fails(403, "forbidden");
    // Her own agent she may stop.
    let no = served
        .post(&alice, &format!("{path}/reject"), json!({}))
        .await
        .is(200);
    assert_eq!(no["state"], "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_is_of_different_people() {
    let served = HttpGate::new(QUORUM).await;
    let agent = served.agent("support").await;
    let (dana, frank) = (served.user("dana").await, served.user("frank").await);
    served
        .call(&agent, "payments__refund", refund(6000))
        .await
        .is(202);
    let huge = served
        .call(&agent, "payments__refund", refund(60_000))
        .await
        .is(202);
    let id = huge["approval"]["id"].as_str().unwrap();
    let list = served.get(&dana, "/v1/approvals").await.is(200);
    let severities: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["severity"].as_str().unwrap())
        .collect();
    assert_eq!(severities, ["critical", "high"], "the most severe first");
    let yes = json!({ "digest": list[0]["digest"] });
    let path = format!("/v1/approvals/{id}/approve");
    let first = served.post(&dana, &path, yes.clone()).await.is(200);
    assert_eq!(first["state"], "pending");
    assert!(
        first["needs"]
            .as_str()
            .unwrap()
            .contains("1 approved so far")
    );
    served
        .post(&dana, &path, yes.clone())
        .await
        .fails(409, "already_answered");
    served
        .call(&agent, "payments__refund", refund(60_000))
        .await
        .is(202);
    assert_eq!(
        served.post(&frank, &path, yes).await.is(200)["state"],
        "approved"
    );
    let done = served
        .call(&agent, "payments__refund", refund(60_000))
        .await
        .is(200);
    assert_eq!(
        (&done["outcome"], served.world.refunds()),
        (&json!("ok"), 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_one_agent_share_nothing() {
    let served = HttpGate::new("").await;
    let support = Uid::new(Kind::Agent, "support");
    let for_dana = served.token(support.clone(), Some("dana")).await;
    let for_eve = served.token(support, Some("eve")).await;
    let id = served.waits(&for_dana, "A-1").await;
    let other = served.waits(&for_eve, "A-1").await;
    assert_ne!(
        id, other,
        "the same run name, tool and arguments, for another user"
    );
    for (token, id, run_of) in [(&for_dana, &id, "dana"), (&for_eve, &other, "eve")] {
        let list = served.get(token, "/v1/approvals").await.is(200);
        assert_eq!(list.as_array().unwrap().len(), 1);
        assert_eq!(list[0]["id"], **id);
        let runs = served.get(token, "/v1/runs").await.is(200)["runs"].clone();
        assert_eq!(runs.as_array().unwrap().len(), 1);
        assert_eq!(runs[0]["on_behalf_of"]["id"], run_of);
    }
    let frank = served.user("frank").await;
    let digest = served
        .get(&frank, &format!("/v1/approvals/{id}"))
        .await
        .is(200)["digest"]
        .clone();
    let yes = json!({ "digest": digest });
    served
        .post(&frank, &format!("/v1/approvals/{id}/approve"), yes)
        .await
        .is(200);
    assert_eq!(
        served.waits(&for_eve, "A-1").await,
        other,
        "hers still waits"
    );
    assert_eq!(served.world.refunds(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_agent_is_its_own_trouble() {
    let served = HttpGate::new("").await;
    served
        .world
        .configure("expires = \"1h\"", "expires = \"1h\"\nmax_pending = 3");
    served.gate.reload("tests").await.unwrap();
    let (agent, other) = (served.agent("support").await, served.agent("other").await);
    let order = |n: usize| json!({ "order": format!("A-{n}"), "amount": 6000, "currency": "EUR", "reason": "x" });
    let mut outcomes = Vec::new();
    for n in 0..6 {
        let reply = served.call(&agent, "payments__refund", order(n)).await;
        outcomes.push((
            reply.status,
            reply.body["outcome"].as_str().unwrap().to_owned(),
        ));
    }
    let count = |wanted: &str| {
        outcomes
            .iter()
            .filter(|(_, outcome)| outcome == wanted)
            .count()
    };
    assert_eq!((count("waiting"), count("denied")), (3, 3), "{outcomes:?}");
    let denied = served
        .call(&agent, "payments__refund", order(9))
        .await
        .is(200);
    assert!(
        denied["message"]
            .as_str()
            .unwrap()
            .contains("3 of your calls already wait for one")
    );
    assert!(denied["decision"].as_str().is_some(), "it is recorded");
    // Others, and what waits already, are not touched.
    served.waits(&other, "A-1").await;
    served
        .call(&agent, "payments__refund", order(0))
        .await
        .is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_what_policy_lets_them() {
    let served = HttpGate::new("").await;
    let agent = served.agent("support").await;
    let (alice, eve) = (served.user("alice").await, served.user("eve").await);
    let read = json!({ "path": "letter.txt" });
    let reply = served.call(&agent, "files__read", read).await.is(200);
    let run = reply["run"].as_str().unwrap();
    let shown = served.get(&alice, &format!("/v1/runs/{run}")).await.is(200);
    let kinds: Vec<&str> = shown["spans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"invoke_component"), "{kinds:?}");
    served
        .get(&eve, &format!("/v1/runs/{run}"))
        .await
        .fails(403, "forbidden");
    assert_eq!(
        served.get(&eve, "/v1/runs").await.is(200)["runs"],
        json!([])
    );
    let decision = reply["decision"].as_str().unwrap();
    let path = format!("/v1/decisions/{decision}");
    assert_eq!(
        served.get(&alice, &path).await.is(200)["decision"]["outcome"],
        "allow"
    );
    served.get(&eve, &path).await.fails(403, "forbidden");
    let all = served.get(&alice, "/v1/decisions?limit=3").await.is(200);
    assert_eq!(all["decisions"].as_array().unwrap().len(), 3);
    let next = all["next"].as_u64().unwrap();
    let more = served
        .get(&alice, &format!("/v1/decisions?before={next}&limit=500"))
        .await
        .is(200);
    assert!(
        more["decisions"]
            .as_array()
            .unwrap()
            .iter()
            .all(|d| d["index"].as_u64() < Some(next))
    );
    assert_eq!(
        served.get(&eve, "/v1/decisions").await.is(200)["decisions"],
        json!([])
    );
    let bundle = served.get(&eve, "/v1/policies").await.is(200);
    let ids: Vec<&str> = bundle["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["id"].as_str().unwrap())
        .collect();
    assert!(ids.contains(&"large-refunds"));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_halt_what_policy_lets_them() {
    let served = HttpGate::new("").await;
    let agent = served.agent("support").await;
    let (alice, eve) = (served.user("alice").await, served.user("eve").await);
    let halt = json!({ "scope": "agent", "name": "support", "reason": "a test" });
    served
        .post(&eve, "/v1/halts", halt.clone())
        .await
        .fails(403, "forbidden");
    let stopped = served.post(&alice, "/v1/halts", halt).await.is(200);
    assert_eq!(
        stopped,
        json!({ "calls": 0, "approvals": 0, "standing": 0 })
    );
    let halted = served
        .call(&agent, "files__read", json!({ "path": "letter.txt" }))
        .await
        .is(200);
    assert_eq!(halted["outcome"], "halted");
    let lift = json!({ "scope": "agent", "name": "support" });
    assert_eq!(
        served
            .post(&alice, "/v1/halts/lift", lift.clone())
            .await
            .status,
        204
    );
    served
        .post(&alice, "/v1/halts/lift", lift)
        .await
        .fails(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_decided_and_whole() {
    let served = HttpGate::new("").await;
    let (alice, dana) = (served.user("alice").await, served.user("dana").await);
    let before = served.get(&dana, "/v1/policies").await.is(200)["bundle"].clone();
    served
        .post(&alice, "/v1/reload", json!({}))
        .await
        .fails(403, "forbidden");
    served.world.write("policies/story.cedar", "permit (");
    served
        .post(&dana, "/v1/reload", json!({}))
        .await
        .fails(409, "not_loaded");
    assert_eq!(
        served.get(&dana, "/v1/policies").await.is(200)["bundle"],
        before
    );
    let more = "@id(\"more\") @owner(\"t\") forbid (principal, action == Tollgate::Action::\"files__read\", resource);";
    served.world.write("policies/story.cedar", more);
    let after = served.post(&dana, "/v1/reload", json!({})).await.is(200);
    assert_ne!(after["bundle"], before);
}
