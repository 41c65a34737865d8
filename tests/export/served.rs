//! `tollgate serve` exports while it runs; `tollgate export run` exports once; `export status` reports both.

use std::time::{Duration, Instant};

use serde_json::Value;
use tollgate_testkit::{
    binary,
    collector::{Behaviour, Collector},
    command::World,
    serve::Server,
};

use crate::story::PLANTED;

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

fn world(collector: &Collector) -> World {
    let world = World::new();
    let export = format!("[export.up]\nurl = \"{}\"\n", collector.url);
    world.configure("[policies]\n", &format!("{export}[policies]\n"));
    world
}

/// Its log is read when it stops.
fn serve(world: &World) -> Server {
    let mut command = world.command(binary());
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--json"])
        .args(["--agent", "support", "--log-format", "json"]);
    Server::of(&mut command)
}

fn write(world: &World, run: &str) -> Value {
    let args = format!(r#"{{"path":"note.txt","text":"{PLANTED}"}}"#);
    let call = [
        "call",
        "files__write",
        "--run",
        run,
        "--args",
        &args,
        "--json",
    ];
    let ran = world.command(binary()).args(call).output().unwrap();
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_gate_exports_by_itself_and_logs_no_payload() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = world(&collector);
    let serving = serve(&world);
    let called = write(&world, "monday");
    let run = called["run"].as_str().unwrap().to_owned();
    let begun = Instant::now();
    let tool = |name: &str| collector.seen(|seen| seen.spans.iter().any(|s| s.name == name));
    while !tool("execute_tool files__write") {
        assert!(begun.elapsed() < PATIENCE, "nothing arrives");
        tokio::time::sleep(PAUSE).await;
    }
    world
        .run(&["export", "run"])
        .exits(1)
        .says(&["another process exports"]);
    let log = serving.stop();
    assert!(!log.contains(PLANTED), "{log}");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let of_call = lines.iter().find(|line| line["trace_id"] == run.as_str());
    let of_call = of_call.unwrap_or_else(|| panic!("{log}"));
    assert_eq!(of_call["span_id"], called["call"]);
    assert_eq!(of_call["tool"], "files__write");
    assert_eq!(of_call["outcome"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_gate_serves_is_exported_once() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = world(&collector);
    write(&world, "monday");
    let status = world.json(&["export", "status"]);
    assert_eq!(status[0]["position"], 0);
    assert_eq!(status[0]["lag"], status[0]["records"]);
    let ran = world.json(&["export", "run"]);
    assert_eq!(ran[0]["lag"], 0, "{ran}");
    let sent = ran[0]["sent"].as_u64().unwrap();
    assert!(sent > 0);
    assert_eq!(collector.ids().len() as u64, sent);
    let again = world.json(&["export", "run"]);
    assert_eq!(again[0]["sent"], sent, "nothing is sent twice");
    world
        .run(&["export", "status"])
        .exits(0)
        .says(&["up to date"]);
    world
        .run(&["export", "run", "upp"])
        .exits(2)
        .says(&["did you mean `up`?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_reported() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = world(&collector);
    world.configure(&collector.url, "http://127.0.0.1:9");
    write(&world, "monday");
    world
        .run(&["export", "run", "--patience", "0s"])
        .exits(1)
        .says(&["held up: cannot connect"]);
}
