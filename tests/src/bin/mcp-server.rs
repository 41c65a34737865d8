//! A third-party MCP server, for stories about upstream servers: over stdio, or HTTP on loopback.
//!
//! `mcp-server DIR [--http]` writes the calls that it gets (`calls`) and its address (`address`) into DIR.
//! If DIR has a file `tools.json`, it lists the tools in it instead of its own; if DIR has `endless`, the
//! list never ends. If DIR has `features.json`, it also has the `instructions`, `prompts`, `resources` and
//! `templates` in it.

use std::{collections::BTreeMap, fs, io::Write as _, path::PathBuf, time::Duration};

use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt as _,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock,
        GetPromptRequestParams, GetPromptResponse, GetPromptResult, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ProgressNotificationParam, PromptMessage, PromptsCapability, ReadResourceRequestParams,
        ReadResourceResponse, ReadResourceResult, ResourceContents, ResourcesCapability, Role,
        ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::{Value, json};

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone)]
struct Server {
    dir: PathBuf,
}

impl Server {
    fn note(&self, line: &str) -> Result<(), ErrorData> {
        let path = self.dir.join("calls");
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        let written = file.and_then(|mut file| writeln!(file, "{line}"));
        written.map_err(|e| ErrorData::internal_error(e.to_string(), None))
    }

    /// What the server has besides tools.
    fn features(&self) -> Value {
        let text = fs::read_to_string(self.dir.join("features.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn feature<T: serde::de::DeserializeOwned>(&self, key: &str) -> Vec<T> {
        let entries = self.features().get(key).cloned();
        serde_json::from_value(entries.unwrap_or_default()).unwrap_or_default()
    }

    fn tools(&self) -> Vec<Tool> {
        let text = fs::read_to_string(self.dir.join("tools.json")).unwrap_or_default();
        let own = || {
            let tool = |name: &str, properties: Value| {
                json!({"name": name, "description": format!("Does {name}."),
                    "inputSchema": {"type": "object", "properties": properties}})
            };
            json!([
                tool("echo", json!({"text": {"type": "string"}})),
                tool("environment", json!({})),
                tool("slow", json!({})),
                tool("die", json!({})),
                tool("huge", json!({"bytes": {"type": "integer"}})),
                tool("change", json!({})),
                tool("ask", json!({})),
                tool("flood", json!({})),
            ])
        };
        let value = serde_json::from_str(&text).unwrap_or_else(|_| own());
        serde_json::from_value(value).unwrap_or_default()
    }
}

/// What the text `about` asks for: the server's secret, much text, or itself.
fn content(about: &str) -> String {
    match about {
        about if about.contains("leak") => std::env::var("KEY").unwrap_or_default(),
        about if about.contains("long") => "x".repeat(3 << 20),
        about => format!("About {about}."),
    }
}

fn text(text: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        let features = self.features();
        if features.is_object() {
            capabilities.prompts = Some(PromptsCapability::default());
            capabilities.resources = Some(ResourcesCapability::default());
        }
        let config = ServerConfig::new(capabilities);
        match features.get("instructions").and_then(Value::as_str) {
            Some(instructions) => config.with_instructions(instructions),
            None => config,
        }
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(self.feature("prompts")))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        self.note(&json!({"prompt": request.name, "arguments": arguments}).to_string())?;
        let topic = arguments
            .get("topic")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let messages = vec![
            PromptMessage::new_text(Role::User, content(topic)),
            PromptMessage::new_text(Role::Assistant, "Gladly."),
        ];
        let result = GetPromptResult::new(messages).with_description("What to say.");
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(
            self.feature("resources"),
        ))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = self.feature("templates");
        Ok(ListResourceTemplatesResult::with_all_items(templates))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.note(&json!({"resource": request.uri}).to_string())?;
        if request.uri.contains("missing") {
            return Err(ErrorData::resource_not_found("no such note", None));
        }
        let contents = ResourceContents::text(content(&request.uri), request.uri.clone());
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        if self.dir.join("endless").exists() {
            let cursor = request.and_then(|request| request.cursor);
            let page: usize = cursor.map_or(Ok(0), |cursor| cursor.parse()).unwrap_or(0);
            let tools = (0..100).map(
                |n| json!({"name": format!("t{page}-{n}"), "inputSchema": {"type": "object"}}),
            );
            let tools = serde_json::from_value(tools.collect()).unwrap_or_default();
            let mut result = ListToolsResult::with_all_items(tools);
            result.next_cursor = Some((page + 1).to_string());
            return Ok(result);
        }
        Ok(ListToolsResult::with_all_items(self.tools()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let meta = serde_json::to_value(&context.meta).unwrap_or_default();
        let call = json!({"tool": request.name, "arguments": arguments, "meta": meta});
        self.note(&call.to_string())?;
        let given = |name: &str| arguments.get(name).cloned().unwrap_or_default();
        match &*request.name {
            "echo" => Ok(text(given("text").as_str().unwrap_or_default())),
            "environment" => {
                let variables: BTreeMap<String, String> = std::env::vars().collect();
                let parts = context.extensions.get::<http::request::Parts>();
                let authorization = parts
                    .and_then(|parts| parts.headers.get("authorization"))
                    .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
                let seen = json!({"variables": variables, "dir": std::env::current_dir().ok(),
                    "authorization": authorization, "pid": std::process::id()});
                Ok(text(seen.to_string()))
            }
            "slow" => {
                if let Some(token) = context.meta.get_progress_token() {
                    let report = ProgressNotificationParam::new(token, 1.0)
                        .with_total(2.0)
                        .with_message("half way");
                    let _ = context.peer.notify_progress(report).await;
                }
                context.ct.cancelled().await;
                self.note("cancelled")?;
                Ok(text("too late"))
            }
            "flood" => {
                if let Some(token) = context.meta.get_progress_token() {
                    let peer = context.peer.clone();
                    tokio::spawn(async move {
                        let report = || ProgressNotificationParam::new(token.clone(), 1.0);
                        while peer.notify_progress(report()).await.is_ok() {}
                    });
                }
                // Once there is more than a client can read.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(text("here"))
            }
            "die" => std::process::exit(1),
            "huge" => {
                let bytes = given("bytes").as_u64().unwrap_or_default();
                Ok(text("x".repeat(usize::try_from(bytes).unwrap_or_default())))
            }
            "change" => {
                let _ = context.peer.notify_tool_list_changed().await;
                Ok(text("changed"))
            }
            "ask" => {
                #[expect(deprecated, reason = "servers of today ask for roots")]
                let roots = context.peer.list_roots().await;
                Ok(text(match roots {
                    Ok(_) => "roots".to_owned(),
                    Err(error) => format!("refused: {error}"),
                }))
            }
            other => Err(ErrorData::invalid_params(format!("no tool {other}"), None)),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args_os().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("mcp-server DIR [--http]")?);
    let server = Server { dir: dir.clone() };
    if arguments.next().is_none() {
        server
            .serve(rmcp::transport::stdio())
            .await?
            .waiting()
            .await?;
        return Ok(());
    }
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        LocalSessionManager::default().into(),
        StreamableHttpServerConfig::default(),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let partial = dir.join("address.partial");
    fs::write(&partial, listener.local_addr()?.to_string())?;
    fs::rename(partial, dir.join("address"))?;
    let serving = axum::serve(listener, axum::Router::new().nest_service("/mcp", service));
    // Its parent may have exited without ending it.
    let _ = tokio::time::timeout(Duration::from_secs(600), serving.into_future()).await;
    Ok(())
}
