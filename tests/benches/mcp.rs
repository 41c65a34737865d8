//! The cost of governing a call over MCP, compared with a plain server of the same crate with the same
//! tool, natively and without a gate, in the same run.
//!
//! Prints JSON lines `{name, value, unit, floor, ratio}`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement that cannot be set up ends, and prints what it found"
)]

use std::{fs, process::Command, sync::Arc, time::Instant};

use rmcp::{
    ErrorData, RoleClient, RoleServer, ServerHandler, ServiceExt as _,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities,
        ServerConfig,
    },
    service::{RequestContext, RunningService},
    transport::{
        StreamableHttpClientTransport, TokioChildProcess,
        streamable_http_client::StreamableHttpClientTransportConfig,
        streamable_http_server::{
            StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
        },
    },
};
use serde_json::json;
use tollgate_testkit::{
    measure::{bare_synced_commit, configured, line, median, micros, runtime},
    repository,
    serve::Server,
};

const TOOL: &str = "payments__quote";
/// How the plain server is started: this program with this argument.
const BARE_STDIO: &str = "--bare-stdio";
const BARE_HTTP: &str = "--bare-http";
const CLIENTS: usize = 64;
const SESSIONS: usize = 1_000;

type Client = RunningService<RoleClient, ()>;

fn main() {
    let bare = std::env::args().nth(1).unwrap_or_default();
    let runtime = runtime();
    match bare.as_str() {
        BARE_STDIO => runtime.block_on(bare_stdio()),
        BARE_HTTP => runtime.block_on(bare_http()),
        _ => runtime.block_on(measured()),
    }
}

async fn measured() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bare = stdio_p50(own(BARE_STDIO)).await;
    let commit = bare_synced_commit();
    let governed = stdio_p50(tollgate(&["serve", "--stdio", "--quiet"], "mcp.stdio")).await;
    line("mcp.stdio.p50", governed, "us", Some(bare + 2.0 * commit));

    let (bare_server, url) = listening(own(BARE_HTTP));
    let bare = throughput(&url).await;
    drop(bare_server);
    let listen = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--json",
        "--agent",
        "support",
    ];
    let (server, url) = listening(tollgate(&listen, "mcp.http"));
    line(
        "mcp.http.throughput",
        throughput(&url).await,
        "calls/s",
        Some(bare),
    );
    drop(server);

    let (server, url) = listening(tollgate(&listen, "mcp.sessions"));
    let before = resident(&server);
    let mut clients = Vec::with_capacity(SESSIONS);
    for _ in 0..SESSIONS {
        clients.push(connected(&url).await);
    }
    let grown = (resident(&server) - before) / f64::from(1 << 20);
    line("mcp.idle_sessions", grown, "MB", None);
    for client in clients {
        client.cancel().await.unwrap();
    }
}

/// The same tool, natively.
#[derive(Clone)]
struct Bare;

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let amount = arguments["amount"].as_i64().unwrap_or_default();
        let quote = json!({"fee": amount / 100, "amount": amount}).to_string();
        Ok(CallToolResult::success(vec![ContentBlock::text(quote)]).into())
    }
}

async fn bare_stdio() {
    let pipes = rmcp::transport::io::stdio_pipes();
    let serving = Bare.serve(pipes).await.unwrap();
    serving.waiting().await.unwrap();
}

async fn bare_http() {
    let service = StreamableHttpService::new(
        || Ok(Bare),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default().with_json_response(true),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    println!("{}", json!({ "endpoint": format!("http://{address}/mcp") }));
    let router = axum::Router::new().route_service("/mcp", service);
    axum::serve(listener, router).await.unwrap();
}

fn own(how: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(how);
    command
}

/// `tollgate ARGS` with a gate of its own.
fn tollgate(args: &[&str], name: &str) -> Command {
    let mut command = Command::new(repository().join("target/release/tollgate"));
    let config = configured(name);
    command.args(args).arg("--config").arg(config.file);
    command
}

fn listening(mut command: Command) -> (Server, String) {
    let server = Server::of(&mut command);
    let url = server.url.to_string();
    (server, url)
}

async fn connected(url: &str) -> Client {
    let config = StreamableHttpClientTransportConfig::with_uri(url.to_owned());
    let transport = StreamableHttpClientTransport::from_config(config);
    ().serve(transport).await.unwrap()
}

async fn call(client: &Client) {
    let arguments = json!({"amount": 4999, "currency": "EUR"});
    let params = CallToolRequestParams::new(TOOL)
        .with_arguments(arguments.as_object().cloned().unwrap_or_default());
    let result = client.call_tool(params).await.unwrap();
    assert_eq!(result.is_error, Some(false), "{result:?}");
}

async fn stdio_p50(command: Command) -> f64 {
    let process = TokioChildProcess::new(tokio::process::Command::from(command)).unwrap();
    let client = ().serve(process).await.unwrap();
    for _ in 0..200 {
        call(&client).await;
    }
    let mut samples = Vec::with_capacity(2_000);
    for _ in 0..2_000 {
        let begun = Instant::now();
        call(&client).await;
        samples.push(micros(begun));
    }
    client.cancel().await.unwrap();
    median(samples)
}

/// Calls per second of all clients.
async fn throughput(url: &str) -> f64 {
    let each = 200;
    let mut clients = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let client = connected(url).await;
        call(&client).await;
        clients.push(client);
    }
    let begun = Instant::now();
    let mut calling = tokio::task::JoinSet::new();
    for client in clients {
        calling.spawn(async move {
            for _ in 0..each {
                call(&client).await;
            }
            client
        });
    }
    let clients = calling.join_all().await;
    let rate = (CLIENTS * each) as f64 / begun.elapsed().as_secs_f64();
    for client in clients {
        client.cancel().await.unwrap();
    }
    rate
}

/// Resident bytes of a process.
fn resident(server: &Server) -> f64 {
    let statm = fs::read_to_string(format!("/proc/{}/statm", server.pid())).unwrap();
    let pages: f64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096.0
}
