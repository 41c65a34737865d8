//! A client and its server.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rmcp::{
    ClientHandler, RoleClient,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientConfig,
        Implementation, ProgressNotificationParam, ProtocolVersion,
    },
    service::{ClientLifecycleMode, ClientServiceExt as _, NotificationContext, RunningService},
    transport::{StreamableHttpClientTransport, TokioChildProcess},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::world::{World, binary};

/// The longest wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Messages to a client besides answers.
#[derive(Clone)]
pub(crate) struct Heard {
    tasks: bool,
    pub(crate) progress: mpsc::UnboundedSender<ProgressNotificationParam>,
    pub(crate) changes: mpsc::UnboundedSender<()>,
}

impl ClientHandler for Heard {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        if self.tasks {
            capabilities = ClientCapabilities::builder().enable_tasks().build();
        }
        ClientConfig::new(capabilities, Implementation::new("tests", "1"))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        let _ = self.progress.send(params);
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        let _ = self.changes.send(());
    }
}

/// A connected client.
pub(crate) struct Client {
    pub(crate) service: RunningService<RoleClient, Heard>,
    pub(crate) progress: mpsc::UnboundedReceiver<ProgressNotificationParam>,
    pub(crate) changes: mpsc::UnboundedReceiver<()>,
}

/// How a client begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// With a session.
    Legacy,
    /// Without.
    Modern,
}

fn heard(
    tasks: bool,
) -> (
    Heard,
    mpsc::UnboundedReceiver<ProgressNotificationParam>,
    mpsc::UnboundedReceiver<()>,
) {
    let (progress, heard_progress) = mpsc::unbounded_channel();
    let (changes, heard_changes) = mpsc::unbounded_channel();
    let heard = Heard {
        tasks,
        progress,
        changes,
    };
    (heard, heard_progress, heard_changes)
}

fn lifecycle(era: Era) -> ClientLifecycleMode {
    match era {
        Era::Legacy => ClientLifecycleMode::Initialize,
        Era::Modern => ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        },
    }
}

impl Client {
    /// A client that starts `tollgate serve --stdio`.
    pub(crate) async fn stdio(world: &World, era: Era, tasks: bool) -> Self {
        let mut command = world.command(binary());
        command.args(["serve", "--stdio", "--quiet"]);
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let (process, _) = TokioChildProcess::builder(command)
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (heard, progress, changes) = heard(tasks);
        let service = heard.serve_with_lifecycle(process, lifecycle(era)).await;
        Self {
            service: service.unwrap(),
            progress,
            changes,
        }
    }

    /// A client of a listening server.
    pub(crate) async fn http(server: &Server, era: Era, tasks: bool) -> Self {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let transport = StreamableHttpClientTransport::from_uri(server.url.clone());
        let (heard, progress, changes) = heard(tasks);
        let service = heard.serve_with_lifecycle(transport, lifecycle(era)).await;
        Self {
            service: service.unwrap(),
            progress,
            changes,
        }
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> CallToolResult {
        let called = self.service.call_tool(params(tool, arguments));
        let called = tokio::time::timeout(PATIENCE, called).await;
        called.expect("no answer").unwrap()
    }

    /// A call whose answer may be a task.
    pub(crate) async fn call_once(&self, tool: &str, arguments: Value) -> CallToolResponse {
        self.service
            .call_tool_once(params(tool, arguments))
            .await
            .unwrap()
    }

    pub(crate) async fn end(self) {
        self.service.cancel().await.unwrap();
    }
}

pub(crate) fn params(tool: &str, arguments: Value) -> CallToolRequestParams {
    let Value::Object(arguments) = arguments else {
        panic!("no object")
    };
    CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments)
}

/// The first text of a result.
pub(crate) fn text(result: &CallToolResult) -> &str {
    &result.content[0].as_text().unwrap().text
}

/// The decision in a result.
pub(crate) fn decision(result: &CallToolResult) -> &Value {
    &result.meta.as_ref().unwrap()["dev.tollgate/decision"]
}

/// The approval that a result waits for.
pub(crate) fn waits_for(result: &CallToolResult) -> String {
    assert_eq!(result.is_error, Some(true), "{result:?}");
    assert_eq!(decision(result)["outcome"], "waiting", "{result:?}");
    assert!(result.structured_content.is_none());
    decision(result)["approval"]["id"].as_str().unwrap().into()
}

#[track_caller]
pub(crate) fn is_ok(result: &CallToolResult) {
    assert_eq!(decision(result)["outcome"], "ok", "{result:?}");
    assert_eq!(result.is_error, Some(false), "{result:?}");
}

pub(crate) fn refund() -> Value {
    json!({"order": "A-1", "amount": 6000, "currency": "EUR", "reason": "broken"})
}

pub(crate) const REFUND: &str = "payments__refund";

/// `tollgate serve --listen`; it ends when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: Arc<str>,
}

impl Server {
    pub(crate) fn start(world: &World) -> Self {
        Self::start_with(world, &["--agent", "support"])
    }

    pub(crate) fn start_with(world: &World, args: &[&str]) -> Self {
        let mut command = world.command(binary());
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--json"])
            .args(args)
            .stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let url = told["endpoint"].as_str().unwrap().into();
        Self { child, url }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ends(mut self) {
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::yield_now();
        }
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A gate whose calls are held for `hold` and, with progress, for `long`.
pub(crate) fn world(hold: &str, long: &str) -> World {
    let world = World::new();
    let approvals = format!(
        "[approvals]\nwait_timeout = \"{hold}\"\nwait_timeout_with_progress = \"{long}\"\n"
    );
    world.configure("[policies]\n", &format!("{approvals}[policies]\n"));
    world.own_token("dana", "dana.token");
    world
}

/// Dana's answer.
pub(crate) fn answer(world: &World, how: &str, id: &str) {
    let as_dana = ["--as", "dana", "--token-file", "dana.token"];
    let yes: &[&str] = if how == "approve" { &["--yes"] } else { &[] };
    let args = [&["approvals", how, id], yes, &as_dana].concat();
    world.run(&args).exits(0);
}

/// The next waiting approval.
pub(crate) fn await_pending(world: &World) -> String {
    let begun = Instant::now();
    loop {
        let list = world.json(&["approvals", "list"]);
        if let Some(id) = list[0]["id"].as_str() {
            return id.to_owned();
        }
        assert!(begun.elapsed() < PATIENCE, "nothing waits");
    }
}
