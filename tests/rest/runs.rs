//! What is said about runs, how two of them differ, and how they are found.

use serde_json::{Value, json};
use tollgate_testkit::rest::HttpGate;

fn refund(order: &str, amount: u64) -> Value {
    json!({ "order": order, "amount": amount, "currency": "EUR", "reason": "broken" })
}

/// The run of the agent's last call.
async fn last_run(served: &HttpGate, agent: &str) -> String {
    let list = served.get(agent, "/v1/runs").await.is(200);
    list["runs"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reports_about_its_own_run_only() {
    let served = HttpGate::new("").await;
    let (agent, other) = (served.agent("support").await, served.agent("other").await);
    served
        .call(&agent, "payments__refund", refund("A-1", 100))
        .await;
    let run = last_run(&served, &agent).await;
    let path = |what: &str| format!("/v1/runs/{run}/{what}");
    let report = json!({ "report": { "request": "refund A-1", "prompt_version": "7", "context": ["a", "b"] } });
    served
        .post(&agent, &path("self-report"), report.clone())
        .await
        .is(200);
    served
        .post(&other, &path("self-report"), report)
        .await
        .fails(404, "not_found");
    let wrong = json!({ "report": { "reqest": "x" } });
    served
        .post(&agent, &path("self-report"), wrong)
        .await
        .fails(400, "invalid_request");

    let case = served.get(&agent, &path("case")).await.is(200);
    let told = case["context"]["self_reports"].as_array().unwrap();
    assert_eq!(told.len(), 4);
    assert!(
        told.iter()
            .any(|t| t["topic"] == "request" && t["text"] == "refund A-1")
    );
    served
        .get(&other, &path("case"))
        .await
        .fails(404, "not_found");

    let found = served
        .get(&agent, "/v1/runs?text=refund%20A-1")
        .await
        .is(200);
    assert_eq!(found["runs"][0]["id"], run.as_str());
    let none = served
        .get(&other, "/v1/runs?text=refund%20A-1")
        .await
        .is(200);
    assert_eq!(
        none["runs"],
        json!([]),
        "an agent does not find another agent's runs"
    );
    let by_tool = served
        .get(&agent, "/v1/runs?tool=payments__refund")
        .await
        .is(200);
    assert_eq!(by_tool["runs"].as_array().unwrap().len(), 1);
    let by_tool = served
        .get(&agent, "/v1/runs?tool=files__read")
        .await
        .is(200);
    assert_eq!(by_tool["runs"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_has_what_its_kind_needs() {
    let served = HttpGate::new("").await;
    let (agent, other) = (served.agent("support").await, served.agent("other").await);
    served
        .call(&agent, "payments__refund", refund("A-1", 100))
        .await;
    let run = last_run(&served, &agent).await;
    let path = format!("/v1/runs/{run}/feedback");
    let good = json!({ "kind": "business_outcome", "label": "resolved" });
    let kept = served.post(&agent, &path, good.clone()).await.is(200);
    assert_eq!(kept["by"], "Agent::support");
    served
        .post(&other, &path, good)
        .await
        .fails(404, "not_found");
    for bad in [
        json!({ "kind": "correction" }),
        json!({ "kind": "edit_distance", "value": 2 }),
    ] {
        served
            .post(&agent, &path, bad)
            .await
            .fails(400, "invalid_request");
    }
    let unknown = json!({ "kind": "applause" });
    served
        .post(&agent, &path, unknown)
        .await
        .fails(400, "invalid_body");
    let note = json!({ "label": "a b", "note": "x" });
    let notes = format!("/v1/runs/{run}/notes");
    served
        .post(&agent, &notes, note)
        .await
        .fails(400, "invalid_value");
    let secret = json!({ "label": "goal", "note": "key AKIAIOSFODNN7EXAMPLE was used" });
    let kept = served.post(&agent, &notes, secret).await.is(200);
    assert!(!kept.to_string().contains("AKIAIOSFODNN7EXAMPLE"), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_are_compared_by_a_caller_who_may_read_both() {
    let served = HttpGate::new("").await;
    let (agent, other) = (served.agent("support").await, served.agent("other").await);
    served
        .call(&agent, "payments__refund", refund("A-1", 100))
        .await;
    let a = last_run(&served, &agent).await;
    let end = json!({ "outcome": "success" });
    served
        .post(&agent, &format!("/v1/runs/{a}/end"), end)
        .await
        .is(204);
    served.world.pass(1);
    let again = json!({
        "tool": "payments__refund",
        "arguments": refund("A-1", 6000),
        "run": "again",
    });
    let asked = served.post(&agent, "/v1/calls", again).await;
    assert_eq!(asked.status, 202, "{}", asked.body);
    let b = last_run(&served, &agent).await;
    assert_ne!(a, b);
    let path = format!("/v1/runs/{a}/diff/{b}");
    let found = served.get(&agent, &path).await.is(200);
    assert_eq!(found["diff"]["first"], 0);
    let what: Vec<&str> = found["diff"]["steps"][0]["differs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| difference["what"].as_str().unwrap())
        .collect();
    assert!(
        what.contains(&"arguments") && what.contains(&"decision"),
        "{what:?}"
    );
    assert!(
        !found.to_string().contains("broken"),
        "no argument is shown"
    );
    served.get(&other, &path).await.fails(404, "not_found");
}
