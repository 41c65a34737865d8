//! What an agent could never call is not listed to it, over both transports and in both protocol generations.

use serde_json::{Value, json};
use tollgate_testkit::{
    command::World,
    mcp::{Client, Era, decision, world},
    serve::Server,
};

const SERVER: &str = env!("CARGO_BIN_EXE_mcp-server");

/// A gate that closes tools and prompts in each way.
fn gate() -> World {
    let world = world("0s", "0s");
    let prompts = json!({"prompts": [{"name": "open"}, {"name": "closed"}]});
    std::fs::create_dir(world.path("server")).unwrap();
    world.write("server/features.json", prompts.to_string());
    let server = world.path("server");
    world.configure(
        "[policies]\n",
        &format!(
            "[upstream.box]\ncommand = [{SERVER:?}, {server:?}]\nprompts = true\nlabels = []\ntaints = []\n[policies]\n"
        ),
    );
    world.write(
        "policies/reach.cedar",
        r#"@id("clerks-write-nothing") @owner("tests") @reason("Clerks read.")
        forbid (principal, action in Tollgate::Action::"call", resource)
        when { context.environment == "test" && resource == Tollgate::Tool::"files__write" }
        unless { context.run.calls > 3 && principal in Tollgate::Role::"operator" };
        @id("writers-elsewhere") @owner("tests") @reason("Not here.")
        forbid (principal, action == Tollgate::Action::"files__list", resource)
        when { context.environment == "live" };
        @id("closed") @owner("tests") @reason("Closed.")
        forbid (principal, action, resource == Tollgate::Prompt::"box__closed");"#,
    );
    world.accept_upstream("box");
    world
}

async fn check(client: &Client) {
    let listed = client.service.list_tools(None).await.unwrap();
    let names: Vec<&str> = listed.tools.iter().map(|tool| &*tool.name).collect();
    assert!(!names.contains(&"files__write"), "{names:?}");
    for name in [
        "files__read",
        "files__delete",
        "payments__refund",
        "tollgate_resume",
    ] {
        assert!(names.contains(&name), "{name} is missing: {names:?}");
    }
    let count = |meta: &Option<rmcp::model::MetaObject>, key: &str| -> Value {
        let meta = meta.as_ref().expect("it says how many");
        meta[key].clone()
    };
    assert_eq!(count(&listed.meta, "dev.tollgate/tools-left-out"), 1);
    let listed = client.service.list_prompts(None).await.unwrap();
    let names: Vec<&str> = listed.prompts.iter().map(|prompt| &*prompt.name).collect();
    assert_eq!(names, ["box__open"]);
    assert_eq!(count(&listed.meta, "dev.tollgate/prompts-left-out"), 1);

    let arguments = json!({"path": "new.txt", "text": "x"});
    let denied = client.call("files__write", arguments).await;
    assert_eq!(decision(&denied)["outcome"], "denied", "{denied:?}");
    let by = &decision(&denied)["policies"][0]["id"];
    assert_eq!(by, "clerks-write-nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_could_never_call_is_not_listed() {
    let world = gate();
    for era in [Era::Legacy, Era::Modern] {
        let client = Client::stdio(&world, era, false).await;
        check(&client).await;
        client.end().await;
    }
    let server = Server::start(&world);
    for era in [Era::Legacy, Era::Modern] {
        let client = Client::http(&server, era, false).await;
        check(&client).await;
        client.end().await;
    }
    server.signal("TERM");
    server.ends();
}
