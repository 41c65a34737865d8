//! One run in which much happens, through a real gate.

use serde_json::json;
use tollgate::{
    enforce::{Answer, CallOptions, CallRequest},
    gate::Gate,
    identity::RunKey,
};
use tollgate_model::{
    ids::{RunId, SpanId},
    record::{Arrival, Origin, RunOutcome},
};
use tollgate_testkit::world::{REFUND, World, agent, approve, call, pending, user};

/// A secret that is nowhere but in arguments and files.
pub(crate) const PLANTED: &str = "sk-planted-7f3a9c1e5b";

/// The caller's own trace, and its span above its calls.
pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(crate) const CALLER: &str = "b7ad6b7169203331";

/// A read that is allowed, a call that is refused before any policy, a denied effect, a refund that
/// waits and is approved, a trap, and its repetition.
pub(crate) async fn told(world: &World, gate: &Gate, name: &str) -> RunId {
    world.write("data/letter.txt", PLANTED);
    let read = call(gate, name, "files__read", r#"{"path":"letter.txt"}"#).await;
    call(gate, name, "files__read", r#"{"pfad":7}"#).await;
    call(gate, name, "files__read", r#"{"path":"../tollgate.toml"}"#).await;
    let waits = call(gate, name, "payments__refund", REFUND).await;
    approve(gate, "dana", pending(&waits)).await.unwrap();
    call(gate, name, "payments__refund", REFUND).await;
    call(gate, name, "hostile__trap", "{}").await;
    call(gate, name, "hostile__trap", "{}").await;
    let run = read.run.unwrap();
    let row = gate.ledger().reader().run(&run.to_string()).unwrap();
    gate.end_run(
        &user("alice"),
        &row,
        Some(RunOutcome::Success),
        "all is answered",
    )
    .await
    .unwrap();
    run
}

/// A call that comes over MCP, from within the caller's own trace.
pub(crate) async fn traced(gate: &Gate) -> Answer {
    let origin = Origin {
        conversation: Some("chat-7".into()),
        parent: Some(CALLER.parse::<SpanId>().unwrap()),
        session: Some("session-1".into()),
        state: None,
        trace: Some(TRACE.parse().unwrap()),
    };
    let options = CallOptions {
        origin,
        arrival: Arrival {
            id: Some("call_1".into()),
            mcp: Some("2025-11-25".into()),
            link: None,
        },
        ..CallOptions::default()
    };
    let request = CallRequest {
        tool: "files__read".into(),
        arguments: json!({"path": "letter.txt"}).to_string(),
    };
    let key = RunKey::Traced(TRACE.parse().unwrap());
    gate.call_with_options(&agent("support"), &key, request, options)
        .await
}
