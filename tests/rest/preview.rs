//! Previews of waiting calls.

use reqwest::Method;
use serde_json::Value;
use tollgate_testkit::{rest::HttpGate, world::World};

const POLICIES: &str = r#"
@id("finance-quotes") @owner("finance") @reason("Finance asks what payments cost.")
permit (principal in Tollgate::Role::"finance", action == Tollgate::Action::"payments__quote", resource);
"#;

#[tokio::test(flavor = "multi_thread")]
async fn people_get_previews_and_agents_do_not() {
    let world = World::new(POLICIES);
    let preview = "preview = { tool = \"payments__quote\", arguments = { amount = \"/amount\", currency = \"/currency\" } }";
    world.configure(
        "[tools.payments__refund]\n",
        &format!("[tools.payments__refund]\n{preview}\n"),
    );
    let served = HttpGate::at(world, "192.0.2.1:443").await;
    let (agent, dana) = (served.agent("support").await, served.user("dana").await);
    let id = served.waits(&agent, "A-1").await;
    let path = format!("/v1/approvals/{id}/preview");
    let post = |token: &str| served.request(Method::POST, &path).bearer_auth(token);
    let shown = served.send(post(&dana)).await.is(200);
    assert_eq!(shown["outcome"], "ok", "{shown}");
    assert_eq!(shown["tool"], "payments__quote");
    let shown_to_approve = served.get(&dana, &format!("/v1/approvals/{id}")).await;
    let shown_to_approve: Value = shown_to_approve.is(200);
    assert_eq!(shown["digest"], shown_to_approve["digest"]);
    served.send(post(&agent)).await.fails(403, "people_only");
}
