//! An MCP client of the binary, over stdio and HTTP, with and without a session.

use std::{process::Stdio, time::Duration};

use rmcp::{
    ClientHandler, RoleClient,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientConfig,
        Implementation, ProgressNotificationParam, ProtocolVersion,
    },
    service::{ClientLifecycleMode, ClientServiceExt as _, NotificationContext, RunningService},
    transport::{IntoTransport, StreamableHttpClientTransport, TokioChildProcess},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{binary, certificate, command::World, serve::Server};

/// The longest wait.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Takes what a server sends besides answers.
#[derive(Debug, Clone)]
pub struct Handler {
    tasks: bool,
    progress: mpsc::UnboundedSender<ProgressNotificationParam>,
    changes: mpsc::UnboundedSender<()>,
}

impl ClientHandler for Handler {
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
#[derive(Debug)]
pub struct Client {
    /// The client of the SDK.
    pub service: RunningService<RoleClient, Handler>,
    /// Progress of calls.
    pub progress: mpsc::UnboundedReceiver<ProgressNotificationParam>,
    /// Notifications that the list of tools has changed.
    pub changes: mpsc::UnboundedReceiver<()>,
}

/// How a client begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// With a session: `initialize`.
    Legacy,
    /// Without a session: 2026-07-28.
    Modern,
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
    /// A client that starts `tollgate serve --stdio`. `tasks`: it supports the extension for tasks.
    pub async fn stdio(world: &World, era: Era, tasks: bool) -> Self {
        let mut command = world.command(binary());
        command.args(["serve", "--stdio", "--quiet"]);
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let (process, _) = TokioChildProcess::builder(command)
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self::connect(process, era, tasks).await
    }

    /// A client of a listening server.
    pub async fn http(server: &Server, era: Era, tasks: bool) -> Self {
        certificate::install_provider();
        let transport = StreamableHttpClientTransport::from_uri(server.url.clone());
        Self::connect(transport, era, tasks).await
    }

    async fn connect<T, E, A>(transport: T, era: Era, tasks: bool) -> Self
    where
        T: IntoTransport<RoleClient, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let (progress, progress_received) = mpsc::unbounded_channel();
        let (changes, changes_received) = mpsc::unbounded_channel();
        let handler = Handler {
            tasks,
            progress,
            changes,
        };
        let service = handler
            .serve_with_lifecycle(transport, lifecycle(era))
            .await;
        Self {
            service: service.unwrap(),
            progress: progress_received,
            changes: changes_received,
        }
    }

    /// Calls a tool.
    pub async fn call(&self, tool: &str, arguments: Value) -> CallToolResult {
        let called = self.service.call_tool(params(tool, arguments));
        let called = tokio::time::timeout(PATIENCE, called).await;
        called.expect("no answer").unwrap()
    }

    /// A call whose answer may be a task.
    pub async fn call_once(&self, tool: &str, arguments: Value) -> CallToolResponse {
        self.service
            .call_tool_once(params(tool, arguments))
            .await
            .unwrap()
    }

    /// Ends the connection.
    pub async fn end(self) {
        self.service.cancel().await.unwrap();
    }
}

/// The parameters of a call. `arguments` is an object.
pub fn params(tool: &str, arguments: Value) -> CallToolRequestParams {
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object")
    };
    CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments)
}

/// The first text of a result.
pub fn text(result: &CallToolResult) -> &str {
    &result.content[0].as_text().unwrap().text
}

/// The decision in a result.
pub fn decision(result: &CallToolResult) -> &Value {
    &result.meta.as_ref().unwrap()["dev.tollgate/decision"]
}

/// The approval that a result waits for.
pub fn waits_for(result: &CallToolResult) -> String {
    assert_eq!(result.is_error, Some(true), "{result:?}");
    assert_eq!(decision(result)["outcome"], "waiting", "{result:?}");
    assert!(result.structured_content.is_none());
    decision(result)["approval"]["id"].as_str().unwrap().into()
}

/// Checks that a call has succeeded.
#[track_caller]
pub fn is_ok(result: &CallToolResult) {
    assert_eq!(decision(result)["outcome"], "ok", "{result:?}");
    assert_eq!(result.is_error, Some(false), "{result:?}");
}

/// Arguments of a refund that needs an approval.
pub fn refund() -> Value {
    json!({"order": "A-1", "amount": 6000, "currency": "EUR", "reason": "broken"})
}

/// The tool for refunds.
pub const REFUND: &str = "payments__refund";

/// A gate whose calls are held for `hold` and, with progress, for `long`.
pub fn world(hold: &str, long: &str) -> World {
    let world = World::new();
    let approvals = format!(
        "[approvals]\nwait_timeout = \"{hold}\"\nwait_timeout_with_progress = \"{long}\"\n"
    );
    world.configure("[policies]\n", &format!("{approvals}[policies]\n"));
    world.create_token_of_dana();
    world
}
