//! Callers without credentials.

use reqwest::Method;
use tollgate_testkit::{rest::HttpGate, world::World};

/// A gate on which callers without credentials are an agent.
fn anonymous(more: &str) -> World {
    let world = World::new("");
    let config = world.read("tollgate.toml");
    let serve = format!("{config}\n[serve]\nagent = \"support\"\n{more}");
    world.write("tollgate.toml", &serve);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_only_where_no_agent_has_any() {
    let oauth = "[serve.oauth]\nresource = \"https://gate.example/mcp\"\n\
                 issuer = \"https://id.example/\"\njwks = \"keys.json\"\n";
    for more in ["hosts = [\"gate.example\"]\n", oauth] {
        let served = HttpGate::at(anonymous(more), "127.0.0.1:8080").await;
        let got = served.send(served.request(Method::GET, "/v1/tools")).await;
        let got = got.fails(401, "unauthenticated");
        assert!(got.headers.contains_key("www-authenticate"), "{more}");
    }
    let served = HttpGate::at(anonymous(""), "127.0.0.1:8080").await;
    let tools = async || served.send(served.request(Method::GET, "/v1/tools")).await;
    // An approver's token does not count: agents still have none.
    served.user("dana").await;
    assert_eq!(tools().await.status, 200);
    served.agent("other").await;
    tools().await.fails(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_only_on_this_machine() {
    let here = HttpGate::at(anonymous(""), "127.0.0.1:8080").await;
    let got = here.send(here.request(Method::GET, "/v1/tools")).await;
    assert_eq!(got.status, 200);
    // An invalid credential is refused, although none at all would be accepted.
    here.get("tollgate_00", "/v1/tools")
        .await
        .fails(401, "invalid_token");
    let got = here.send(here.request(Method::GET, "/v1/policies")).await;
    got.fails(403, "people_only");
    let everywhere = HttpGate::at(anonymous(""), "0.0.0.0:8080").await;
    let got = everywhere
        .send(everywhere.request(Method::GET, "/v1/tools"))
        .await;
    got.fails(401, "unauthenticated");
    let basic = here
        .request(Method::GET, "/v1/tools")
        .basic_auth("a", Some("b"));
    here.send(basic).await.fails(400, "invalid_request");
}
