//! What users ask for, told by the hosts of their agents.

use serde_json::json;

use tollgate_testkit::{rest::HttpGate, world::World};

async fn served() -> HttpGate {
    let world = World::new("");
    let table = "[agents.support]\n";
    let config = world.read("tollgate.toml");
    assert!(config.contains(table));
    let trusted = config.replace(table, &format!("{table}request_from = [\"rest\"]\n"));
    let external = "[external.claude]\npreset = \"claude-code\"\nlabels = []\n";
    world.write("tollgate.toml", &format!("{trusted}\n{external}"));
    HttpGate::at(world, "192.0.2.1:443").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_belongs_to_the_run_of_the_calls_that_follow() {
    let served = served().await;
    let agent = served.agent("support").await;
    let told = json!({ "text": "Close ticket t1", "run": "r" });
    let reply = served.post(&agent, "/v1/requests", told).await.is(200);
    let call = json!({ "tool": "claude__Bash", "arguments": { "command": "ls" }, "run": "r" });
    let call = served.post(&agent, "/v1/authorize", call).await.is(200);
    assert_eq!(reply["run"], call["run"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_from_elsewhere_is_refused() {
    let served = served().await;
    let (agent, other) = (served.agent("support").await, served.agent("other").await);
    let told = json!({ "text": "Close ticket t1", "run": "r" });
    served
        .post(&other, "/v1/requests", told)
        .await
        .fails(403, "forbidden");
    let long = json!({ "text": "x".repeat(65_537), "run": "r" });
    served
        .post(&agent, "/v1/requests", long)
        .await
        .fails(400, "invalid_request");
}
