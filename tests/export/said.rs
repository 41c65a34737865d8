//! What agents say of their runs: it is exported where it helps, and without secrets.

use prost::Message as _;
use serde_json::json;
use tollgate::{enforce::CallOptions, enforce::CallRequest, gate::Gate, identity::RunKey};
use tollgate_model::{
    record::{Arrival, Origin, RunOutcome},
    time::Timestamp,
};
use tollgate_testkit::{
    collector::{Behaviour, Collector, attribute},
    world::{World, agent, call, records, user},
};
use tollgate_trace::{
    self_report,
    store::{Store, StoreOptions},
};

use crate::{
    delivery::{drained, exporter, world},
    story,
};

/// What looks like a key of a cloud provider.
const SECRET: &str = "AKIAABCDEFGHIJKLMNOP";
const LETTER: &str = r#"{"path":"letter.txt"}"#;

async fn end(gate: &Gate, run: tollgate_model::ids::RunId, outcome: RunOutcome) {
    let row = gate.ledger().reader().run(&run.to_string()).unwrap();
    gate.end_run(&user("alice"), &row, Some(outcome), "it is over")
        .await
        .unwrap();
}

async fn tell(world: &World, run: tollgate_model::ids::RunId) {
    let options = StoreOptions::for_ledger(&world.config().store.path);
    let store = Store::open(options).unwrap();
    let said = json!({
        "task_type": "refunds",
        "agent_version": "1.4",
        "workflow_version": format!("w {SECRET}"),
        "prompt_version": "p-7",
        "request": "never exported",
    });
    let mut said = self_report::read(&said, None, Timestamp(1)).unwrap();
    let later = json!({"agent_version": "1.5"});
    said.extend(self_report::read(&later, None, Timestamp(2)).unwrap());
    store.add_self_reports("default", run, said).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn versions_and_kinds_of_work_stand_on_the_root() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = world(&collector, "");
    let gate = world.open().await;
    let run = call(&gate, "r", "files__read", LETTER).await.run.unwrap();
    tell(&world, run).await;
    end(&gate, run, RunOutcome::Success).await;
    let mut exporter = exporter(&gate).await;
    drained(&world, &gate, &mut exporter).await;
    collector.seen(|seen| {
        let root = seen.spans.iter().find(|s| s.name == "invoke_agent support");
        let root = root.unwrap();
        let on = |name| attribute(&root.attributes, name).unwrap();
        assert_eq!(on("tollgate.run.task_type"), "refunds");
        assert_eq!(on("gen_ai.agent.version"), "1.5");
        assert_eq!(on("tollgate.prompt.version"), "p-7");
        assert!(on("tollgate.workflow.version").starts_with("w [redacted"));
        assert_eq!(on("tollgate.run.outcome"), "success");
    });
    gate.close().await;
}

#[tokio::test]
async fn the_end_of_a_run_in_the_callers_own_trace_is_told_there() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = world(&collector, "");
    let gate = world.open().await;
    let run = story::traced(&gate).await.run.unwrap();
    let mut exporter = exporter(&gate).await;
    drained(&world, &gate, &mut exporter).await;
    let ends = || {
        collector.seen(|seen| {
            let ends = seen.spans.iter().filter(|s| s.name == "end_run");
            ends.cloned().collect::<Vec<_>>()
        })
    };
    assert!(ends().is_empty());
    tell(&world, run).await;
    world.pass(5);
    end(&gate, run, RunOutcome::Failed).await;
    drained(&world, &gate, &mut exporter).await;
    let ends = ends();
    let [span] = &ends[..] else {
        panic!("{ends:?}")
    };
    let caller: tollgate_model::ids::SpanId = story::CALLER.parse().unwrap();
    assert_eq!(span.trace_id, run.as_bytes());
    assert_eq!(span.parent_span_id, caller.as_bytes());
    assert_eq!(span.start_time_unix_nano, span.end_time_unix_nano);
    let on = |name| attribute(&span.attributes, name);
    assert_eq!(on("tollgate.run.outcome").as_deref(), Some("failed"));
    assert_eq!(
        on("tollgate.run.stop_reason").as_deref(),
        Some("it is over")
    );
    assert_eq!(on("gen_ai.agent.version").as_deref(), Some("1.5"));
    assert_eq!(on("openinference.span.kind").as_deref(), Some("CHAIN"));
    assert_eq!(
        on("gen_ai.operation.name"),
        None,
        "it is not an agent's operation"
    );
    collector.seen(|seen| {
        let agents = seen
            .spans
            .iter()
            .filter(|s| s.name.starts_with("invoke_agent"));
        assert_eq!(agents.count(), 0);
    });
    gate.close().await;
}

#[tokio::test]
async fn names_that_callers_give_leave_without_secrets() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = world(&collector, "");
    let gate = world.open().await;
    let called = async |key: &str| {
        let origin = Origin {
            conversation: Some(format!("chat {SECRET}")),
            session: Some(format!("session {SECRET}")),
            state: Some(format!("vendor={SECRET}")),
            ..Origin::default()
        };
        let arrival = Arrival {
            id: Some(format!("call {SECRET}")),
            mcp: Some(format!("v {SECRET}")),
            link: None,
        };
        let options = CallOptions {
            origin,
            arrival,
            ..CallOptions::default()
        };
        let request = CallRequest {
            tool: "files__read".into(),
            arguments: LETTER.into(),
        };
        let key = RunKey::Named(key.into());
        let answer = gate
            .call_with_options(&agent("support"), &key, request, options)
            .await;
        answer.run.unwrap()
    };
    let run = called(&format!("mine {SECRET}")).await;
    assert_eq!(
        called(&format!("mine {SECRET}")).await,
        run,
        "it is found again"
    );
    let other = called(&format!("mine {}", SECRET.replace('P', "Q"))).await;
    assert_ne!(other, run, "another name is another run");
    // A call that is refused before any policy.
    call(
        &gate,
        &format!("mine {SECRET}"),
        "files__read",
        &format!(r#"{{"{SECRET}":1}}"#),
    )
    .await;
    for record in records(&gate, run) {
        let written = serde_json::to_string(&record).unwrap();
        assert!(!written.contains(SECRET), "{written}");
    }
    end(&gate, run, RunOutcome::Success).await;
    let mut exporter = exporter(&gate).await;
    drained(&world, &gate, &mut exporter).await;
    collector.seen(|seen| {
        let sent: Vec<u8> = seen
            .requests
            .iter()
            .flat_map(|r| r.encode_to_vec())
            .collect();
        assert!(!sent.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()));
        let root = seen.spans.iter().find(|s| s.name == "invoke_agent support");
        let key = attribute(&root.unwrap().attributes, "tollgate.run.key").unwrap();
        assert!(key.starts_with("mine [redacted"), "{key}");
    });
    gate.close().await;
}
