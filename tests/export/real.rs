//! Real consumers, from their registries: Arize Phoenix, and OpenTelemetry's own messages over gRPC.
//! `cargo xtask clients` installs them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tollgate::gate::Gate;
use tollgate_server::export::source_of_gate;
use tollgate_testkit::{
    installed, process::ChildProcess, repository, web::free_port, world::World,
};
use tollgate_trace::export::{Exporter, Step};

use crate::story;

/// How long a real program may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long until it is asked again.
const PAUSE: Duration = Duration::from_millis(200);

fn exporting(world: &World, export: &str) {
    world.configure("\n[gate]\n", &format!("\n{export}\n[gate]\n"));
}

async fn drained(world: &World, gate: &Gate) -> (u64, u64) {
    let source = Arc::new(source_of_gate(gate));
    let mut exporter = Exporter::new("up", source).await.unwrap();
    for _ in 0..1000 {
        match exporter.step(gate.now()).await.unwrap() {
            Step::Idle => return exporter.counts(),
            Step::Later | Step::Failed => {
                world.pass(60);
                tokio::time::sleep(PAUSE).await;
            }
            Step::Sent => {}
        }
    }
    panic!("it never ends: {exporter:?}");
}

struct Phoenix {
    _server: ChildProcess,
    client: reqwest::Client,
    url: String,
}

impl Phoenix {
    async fn start(folder: &Path) -> Self {
        let (port, grpc) = (free_port(), free_port());
        let server = Command::new(installed("arize_phoenix/bin/phoenix"))
            .arg("serve")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", folder)
            .env("PHOENIX_HOST", "127.0.0.1")
            .env("PHOENIX_PORT", port.to_string())
            .env("PHOENIX_GRPC_PORT", grpc.to_string())
            .env("PHOENIX_WORKING_DIR", folder)
            .env("PHOENIX_TELEMETRY_ENABLED", "false")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let phoenix = Self {
            _server: server.into(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: format!("http://127.0.0.1:{port}"),
        };
        let begun = Instant::now();
        while phoenix.get("/healthz").await.is_none() {
            assert!(begun.elapsed() < PATIENCE, "it does not start");
            tokio::time::sleep(PAUSE).await;
        }
        phoenix
    }

    async fn get(&self, path: &str) -> Option<String> {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await;
        let answer = answer.ok()?.error_for_status().ok()?;
        answer.text().await.ok()
    }

    /// What it shows of a project, once there are `count` of it.
    async fn all(&self, what: &str, count: usize) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let path = format!("/v1/projects/desk/{what}?limit=1000");
            let answer = self.get(&path).await.unwrap_or_default();
            let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
            let found = answer["data"].as_array().cloned().unwrap_or_default();
            if found.len() >= count {
                return found;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}: {} of {count}",
                found.len()
            );
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The kinds of a story's spans as Phoenix shows them, and which of them failed.
fn have_their_kinds(mine: &[&Value]) {
    let kind = |name: &str| {
        let found = mine.iter().find(|s| s["name"] == name);
        text(&found.unwrap_or_else(|| panic!("no {name}"))["span_kind"])
    };
    assert_eq!(kind("invoke_agent support"), "AGENT");
    assert_eq!(kind("execute_tool files__read"), "TOOL");
    assert_eq!(kind("authorize payments__refund"), "GUARDRAIL");
    assert_eq!(kind("invoke_component payments"), "CHAIN");
    // Every decision is a guardrail below its tool, or below what asked for it.
    let kinds: BTreeMap<String, String> = mine
        .iter()
        .map(|s| (text(&s["context"]["span_id"]), text(&s["span_kind"])))
        .collect();
    let mut guardrails = 0;
    for span in mine {
        if text(&span["name"]).starts_with("authorize ") {
            guardrails += 1;
            assert_eq!(span["span_kind"], "GUARDRAIL");
            let above = &kinds[span["parent_id"].as_str().unwrap()];
            // What a person may is decided apart from the calls.
            let above_it = match span["name"] == "authorize approve" {
                true => &["TOOL", "CHAIN", "AGENT"][..],
                false => &["TOOL", "CHAIN"],
            };
            assert!(above_it.contains(&above.as_str()), "{span}");
        }
    }
    assert!(guardrails >= 8);
    let failed: BTreeSet<String> = mine
        .iter()
        .filter(|s| s["status_code"] == "ERROR")
        .map(|s| text(&s["name"]))
        .collect();
    assert!(failed.contains("execute_tool hostile__trap"), "{failed:?}");
    assert!(
        !failed.iter().any(|name| name.starts_with("authorize")),
        "{failed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn phoenix_shows_the_tree_the_kinds_and_the_session() {
    // As main does in the programs.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let phoenix = Phoenix::start(folder.path()).await;
    let world = World::new("");
    exporting(
        &world,
        &format!(
            "[export.up]\nurl = \"{}\"\nresource = {{ \"openinference.project.name\" = \"desk\" }}",
            phoenix.url
        ),
    );
    let gate = world.open().await;
    let run = story::told(&world, &gate, "story").await;
    story::traced(&gate).await;
    let (sent, rejected) = drained(&world, &gate).await;
    assert_eq!(rejected, 0);
    let spans = phoenix.all("spans", usize::try_from(sent).unwrap()).await;
    assert_eq!(spans.len() as u64, sent);

    // The tree of the run is what the ledger says.
    let mine: Vec<&Value> = spans
        .iter()
        .filter(|s| s["context"]["trace_id"] == run.to_string())
        .collect();
    let theirs: BTreeMap<String, Option<String>> = mine
        .iter()
        .map(|s| {
            let parent = s["parent_id"].as_str().map(str::to_owned);
            (text(&s["context"]["span_id"]), parent)
        })
        .collect();
    let rows = gate.ledger().reader().spans(run).unwrap();
    let ours = rows.iter().map(|row| {
        let parent = row.parent.map(|parent| parent.to_string());
        (row.span.to_string(), parent)
    });
    assert_eq!(theirs, ours.collect());
    have_their_kinds(&mine);
    let whole = serde_json::to_string(&spans).unwrap();
    for never in [story::PLANTED, "dana", "alice"] {
        assert!(!whole.contains(never), "{never}");
    }

    // The call from the caller's own trace hangs below the caller's span, in its conversation.
    let traced = spans
        .iter()
        .find(|s| s["context"]["trace_id"] == story::TRACE && s["span_kind"] == "TOOL")
        .unwrap();
    assert_eq!(traced["parent_id"], story::CALLER);
    assert_eq!(traced["attributes"]["session.id"], "chat-7");
    let sessions = phoenix.all("sessions", 1).await;
    assert_eq!(sessions[0]["session_id"], "chat-7");
    assert_eq!(sessions[0]["traces"][0]["trace_id"], story::TRACE);
    gate.close().await;
}

/// OpenTelemetry's messages and grpcio's server, in a program of its own.
struct Consumer {
    process: ChildProcess,
    lines: Receiver<String>,
}

impl Consumer {
    fn start() -> (Self, u64) {
        let script = repository().join("tests/clients/python/otel_consumer.py");
        let mut child = Command::new(installed("otel_consumer/bin/python"))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        // The program would block if its output were not read.
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in said.map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        let consumer = Self {
            process: child.into(),
            lines,
        };
        let port = consumer.next()["port"].as_u64().unwrap();
        (consumer, port)
    }

    fn next(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opentelemetry_consumer_takes_the_spans_over_grpc() {
    let (mut consumer, port) = Consumer::start();
    let world = World::new("");
    world.write("key", "collectors-own-key");
    exporting(
        &world,
        &format!(
            "[secrets.key]\nfile = \"key\"\n[export.up]\nurl = \"http://127.0.0.1:{port}\"\nprotocol = \
             \"grpc\"\nprofile = \"otel\"\nheaders = {{ \"X-Key\" = {{ secret = \"key\" }} }}"
        ),
    );
    // It is away at first.
    let stdin = consumer.process.child().stdin.as_mut().unwrap();
    stdin.write_all(b"later\n").unwrap();
    assert_eq!(consumer.next(), json!({"later": true}));
    let gate = world.open().await;
    story::told(&world, &gate, "story").await;
    story::traced(&gate).await;
    let (sent, rejected) = drained(&world, &gate).await;
    assert_eq!(rejected, 0);
    let mut found = Vec::new();
    for _ in 0..sent {
        found.push(consumer.next());
    }
    let ids: BTreeSet<String> = found.iter().map(|s| text(&s["id"])).collect();
    assert_eq!(ids.len() as u64, sent, "each once");
    for span in &found {
        assert_eq!(span["key"], "collectors-own-key");
        assert_eq!(span["scope"], "dev.tollgate");
        assert!(!span.to_string().contains("openinference"), "{span}");
    }
    let call = found
        .iter()
        .find(|s| s["trace"] == story::TRACE && s["span"]["name"] == "execute_tool files__read")
        .unwrap();
    assert_eq!(call["parent"], story::CALLER);
    assert_eq!(call["span"]["kind"], "SPAN_KIND_SERVER");
    let named = |name: &str| {
        let attributes = call["span"]["attributes"].as_array().unwrap();
        let found = attributes.iter().find(|a| a["key"] == name);
        found.map(|a| text(&a["value"]["stringValue"]))
    };
    assert_eq!(named("gen_ai.operation.name").unwrap(), "execute_tool");
    assert_eq!(named("gen_ai.tool.call.id").unwrap(), "call_1");
    assert_eq!(named("mcp.method.name").unwrap(), "tools/call");
    assert_eq!(named("gen_ai.conversation.id").unwrap(), "chat-7");
    assert!(named("gen_ai.tool.description").is_some());
    gate.close().await;
}
