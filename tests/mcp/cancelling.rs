//! A client cancels a call that an upstream server is executing.

use std::{fs, time::Instant};

use rmcp::{
    model::{
        CallToolRequest, CallToolResponse, CancelTaskParams, ClientRequest, GetTaskParams,
        TaskPayload,
    },
    service::{PeerRequestOptions, RequestHandle},
};
use serde_json::json;
use tollgate_testkit::{
    command::World,
    mcp::{Client, Era, PATIENCE, params, world},
    serve::Server,
};

const SERVER: &str = env!("CARGO_BIN_EXE_mcp-server");
const SLOW: &str = "box__slow";

/// A gate before a server with a call that runs until it is cancelled.
fn boxed() -> World {
    let world = world("0s", "0s");
    fs::create_dir(world.path("server")).unwrap();
    let server = format!(
        "[upstream.box]\ncommand = [{SERVER:?}, {:?}]\nlabels = []\ntaints = []\n\
         limits = {{ time = \"10m\" }}\n[policies]\n",
        world.path("server")
    );
    world.configure("[policies]\n", &server);
    world.accept_upstream("box");
    world
}

/// Waits until the server has recorded this.
async fn noted(world: &World, what: &str) {
    let begun = Instant::now();
    loop {
        let calls = fs::read_to_string(world.path("server/calls")).unwrap_or_default();
        if calls.contains(what) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} is never noted: {calls}");
        tokio::task::yield_now().await;
    }
}

async fn under_way(world: &World, client: &Client) -> RequestHandle<rmcp::RoleClient> {
    let request = CallToolRequest::new(params(SLOW, json!({})));
    let sent = client.service.send_cancellable_request(
        ClientRequest::CallToolRequest(request),
        PeerRequestOptions::no_options(),
    );
    let handle = sent.await.unwrap();
    noted(world, "slow").await;
    handle
}

fn is_indeterminate(world: &World) {
    let begun = Instant::now();
    loop {
        let runs = world.run(&["runs", "show"]).exits(0);
        if runs.out.contains("indeterminate") {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", runs.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_reaches_its_server_over_stdio() {
    for era in [Era::Legacy, Era::Modern] {
        let world = boxed();
        let client = Client::stdio(&world, era, false).await;
        let handle = under_way(&world, &client).await;
        handle.cancel(Some("enough".into())).await.unwrap();
        noted(&world, "cancelled").await;
        is_indeterminate(&world);
        client.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_reaches_its_server_over_http() {
    let world = boxed();
    let server = Server::start(&world);
    let client = Client::http(&server, Era::Legacy, false).await;
    let handle = under_way(&world, &client).await;
    handle.cancel(None).await.unwrap();
    noted(&world, "cancelled").await;
    is_indeterminate(&world);
    client.end().await;
}

/// Without a session, a client cancels by closing the stream.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_stream_cancels_since_there_are_no_sessions() {
    let world = boxed();
    let server = Server::start(&world);
    let client = Client::http(&server, Era::Modern, false).await;
    let handle = under_way(&world, &client).await;
    client.end().await;
    drop(handle);
    noted(&world, "cancelled").await;
    is_indeterminate(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_task_reaches_the_server_that_is_at_it() {
    let world = boxed();
    let policy = r#"@id("slow-needs-finance") @owner("finance") @reason("Ask first.")
        forbid (principal, action == Tollgate::Action::"box__slow", resource)
        unless { context.approval.roles.contains(Tollgate::Role::"finance") };"#;
    world.write("policies/slow.cedar", policy);
    let client = Client::stdio(&world, Era::Modern, true).await;
    let CallToolResponse::Task(created) = client.call_once(SLOW, json!({})).await else {
        panic!("no task")
    };
    let id = created.task.task_id;
    tokio::task::block_in_place(|| world.answer_as_dana("approve", &id));
    noted(&world, "slow").await;
    let cancel = CancelTaskParams::new(id.clone());
    client.service.cancel_task(cancel).await.unwrap();
    noted(&world, "cancelled").await;
    let begun = Instant::now();
    let result = loop {
        let task = client.service.get_task(GetTaskParams::new(&id)).await;
        if let TaskPayload::Completed { result } = task.unwrap().task.payload {
            break result;
        }
        assert!(begun.elapsed() < PATIENCE, "it never ends");
    };
    assert_eq!(result["isError"], true, "{result:?}");
    client.end().await;
}
