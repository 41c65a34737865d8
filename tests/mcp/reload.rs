//! Changed files take effect as a whole, and clients are notified of changed tools.

use serde_json::json;
use tollgate_testkit::{
    mcp::{Client, Era, PATIENCE, decision, is_ok, world},
    serve::Server,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_all_or_nothing_and_clients_hear_of_other_tools() {
    let world = world("0s", "0s");
    world.configure(
        "[users.dana]\nroles = [\"finance\"]",
        "[users.dana]\nroles = [\"finance\", \"security\"]",
    );
    world.configure("[policies]\n", "[serve]\nwatch = false\n[policies]\n");
    let server = Server::start(&world);
    let mut session = Client::http(&server, Era::Legacy, false).await;
    let modern = Client::http(&server, Era::Modern, false).await;
    let filter = rmcp::model::SubscriptionFilter::builder()
        .tools_list_changed()
        .build();
    let mut listening = modern.service.listen(filter).await.unwrap();
    let read = || session.call("files__read", json!({"path": "letter.txt"}));
    is_ok(&read().await);

    let as_dana = ["--as", "dana", "--token-file", "dana.token"];
    let reload = |exits| {
        let args = [&["reload"][..], &as_dana].concat();
        world.run(&args).exits(exits)
    };
    world.run(&["reload"]).exits(3).says(&["No policy permits"]);
    world.write("policies/more.cedar", "forbid (principal");
    reload(1);
    is_ok(&read().await);
    world.write(
        "policies/more.cedar",
        "@id(\"no-reading\") @owner(\"tests\") @reason(\"Closed.\")\nforbid (principal, action == \
         Tollgate::Action::\"files__read\", resource);",
    );
    reload(0).says(&["in force"]);
    assert_eq!(decision(&read().await)["policies"][0]["id"], "no-reading");
    assert!(
        session.changes.try_recv().is_err(),
        "the tools are the same"
    );

    world.write("policies/more.cedar", "");
    world.configure("[tools.files__read]\nlabels = []\ntaints = []\n", "");
    world.configure(
        "[components.files]\n",
        "[components.files]\nrename.read = \"read_file_here\"\n",
    );
    reload(0);
    tokio::time::timeout(PATIENCE, session.changes.recv())
        .await
        .unwrap()
        .unwrap();
    tokio::time::timeout(PATIENCE, listening.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let tools = session.service.list_all_tools().await.unwrap();
    assert!(tools.iter().any(|tool| tool.name == "read_file_here"));
    let decisions = world.run(&["decisions", "list"]).exits(0);
    assert!(
        decisions.out.contains("reload_refused"),
        "{}",
        decisions.out
    );
    session.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_comes_into_force_by_itself_and_by_sighup() {
    let world = world("0s", "0s");
    let server = Server::start(&world);
    let client = Client::http(&server, Era::Modern, false).await;
    let read = || client.call("files__read", json!({"path": "letter.txt"}));
    is_ok(&read().await);
    let closed = "@id(\"closed\") @owner(\"tests\")\nforbid (principal, action == \
                  Tollgate::Action::\"files__read\", resource);";
    // Like many editors: write another file, then rename it.
    world.write("unfinished", closed);
    std::fs::rename(world.path("unfinished"), world.path("policies/more.cedar")).unwrap();
    let begun = std::time::Instant::now();
    while decision(&read().await)["outcome"] != "denied" {
        assert!(begun.elapsed() < PATIENCE, "it never comes into force");
    }
    world.write("policies/more.cedar", "");
    server.signal("HUP");
    while decision(&read().await)["outcome"] != "ok" {
        assert!(begun.elapsed() < PATIENCE, "it never comes into force");
    }
    client.end().await;
}
