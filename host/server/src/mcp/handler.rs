//! The protocol's requests and notifications.

use std::future::Future;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams,
        CancelledNotificationParam, CustomRequest, CustomResult, ErrorCode, GetPromptRequestParams,
        GetPromptResponse, GetTaskParams, GetTaskResult, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
        ServerCapabilities, ServerConfig, ServerResult, SubscriptionFilter, Tool, UpdateTaskParams,
    },
    service::{MaybeSendFuture, NotificationContext, SubscriptionContext, SubscriptionSendError},
};
use serde_json::{Value, json};
use tollgate::{identity::Caller, load::RESUME_TOOL, text::printable};

use super::{Client, Context, answer, authenticated, instructions, is_legacy, raw};

impl ServerHandler for Client {
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_tasks()
            .build();
        self.add_features(&mut capabilities);
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("tollgate", env!("CARGO_PKG_VERSION")))
            .with_instructions(instructions::of(self.gate()))
    }

    fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> impl Future<Output = Result<ListToolsResult, ErrorData>> + MaybeSendFuture + '_ {
        let lists = self.lists(request, &context);
        std::future::ready(lists.map(|lists| {
            let mut listed = ListToolsResult::with_all_items(lists.tools.to_vec());
            listed.meta = left_out("tools", lists.left_out.tools);
            listed
        }))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let lists = self.server.0.listing.lists(self.gate(), None);
        lists.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let lists = self.lists(request, &context)?;
        let mut listed = ListPromptsResult::with_all_items(lists.prompts.to_vec());
        listed.meta = left_out("prompts", lists.left_out.prompts);
        Ok(listed)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.prompt(request, context).await.map(Into::into)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        let lists = self.lists(request, &context)?;
        Ok(ListResourcesResult::with_all_items(
            lists.resources.to_vec(),
        ))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let lists = self.lists(request, &context)?;
        let templates = lists.templates.to_vec();
        Ok(ListResourceTemplatesResult::with_all_items(templates))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.resource(request, context).await.map(Into::into)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let request_id = context.id.clone();
        let connection = self.connection(&context).filter(|_| !is_legacy(&context));
        let (cancelled, _listed) = self.cancels.listen(request_id, connection);
        self.called(request, context, cancelled).await
    }

    async fn on_cancelled(
        &self,
        notification: CancelledNotificationParam,
        _context: NotificationContext<RoleServer>,
    ) {
        if let Some(request) = &notification.request_id {
            self.cancels.cancel(request);
        }
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let of_request = authenticated(&context.extensions).map(|known| &known.caller);
        let caller = of_request.or(self.caller.as_ref());
        let principal = caller.map(Caller::principal);
        self.server.keep_session(context.peer, principal);
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        let mut accepted = SubscriptionFilter::new();
        accepted.tools_list_changed = requested.tools_list_changed;
        accepted.prompts_list_changed = requested.prompts_list_changed;
        accepted.resources_list_changed = requested.resources_list_changed;
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut reloads = self.gate().reloads();
        let caller = self.caller(context.request_context())?;
        let lists = || {
            let listing = &self.server.0.listing;
            listing.lists(self.gate(), Some(&caller.principal()))
        };
        let mut known = lists();
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                () = self.server.0.leaving.cancelled() => return Ok(()),
                changed = reloads.changed() => if changed.is_err() { return Ok(()) },
            }
            let now = lists();
            let changes = known.changes(&now);
            known = now;
            let (sink, mut is_open) = (context.sink(), true);
            if changes.tools {
                is_open &= is_heard(sink.notify_tool_list_changed().await);
            }
            if changes.prompts {
                is_open &= is_heard(sink.notify_prompt_list_changed().await);
            }
            if changes.resources {
                is_open &= is_heard(sink.notify_resource_list_changed().await);
            }
            if !is_open {
                return Ok(());
            }
        }
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: Context,
    ) -> Result<GetTaskResult, ErrorData> {
        let (caller, place) = (self.caller(&context)?, self.place(&context)?);
        let legacy = is_legacy(&context);
        self.server
            .0
            .tasks
            .get(&self.server, &caller, &place, &request.task_id, legacy)
            .map(GetTaskResult::new)
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: Context,
    ) -> Result<(), ErrorData> {
        // Nothing is ever asked of the client, so there is nothing that this could answer.
        let caller = self.caller(&context)?;
        self.server
            .0
            .tasks
            .known(self.gate(), &caller, &request.task_id)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: Context,
    ) -> Result<(), ErrorData> {
        let caller = self.caller(&context)?;
        self.server
            .0
            .tasks
            .cancel(self.gate(), &caller, &request.task_id)
            .await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: Context,
    ) -> Result<CustomResult, ErrorData> {
        let method = printable(&request.method, 80);
        if request.method == "tools/call"
            && let Some(call) = loose_call(request.params.as_ref())
        {
            let answered = match call {
                Ok(call) => self.call_tool(call, context).await?,
                Err(refusal) => refusal.into(),
            };
            let result = serde_json::to_value(ServerResult::from(answered));
            let result = result.map_err(|e| ErrorData::internal_error(e.to_string(), None))?;
            return Ok(CustomResult::new(result));
        }
        // What a method of ours does not parse as arrives here.
        if matches!(
            &*request.method,
            "tools/call"
                | "prompts/get"
                | "resources/read"
                | "tasks/get"
                | "tasks/update"
                | "tasks/cancel"
        ) {
            let message = format!("the parameters of {method} do not match the protocol's schema");
            return Err(ErrorData::invalid_params(message, None));
        }
        let message = format!("there is no method {method} here");
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None))
    }
}

/// Says in a list how many of `kind` are not listed because the caller could never call them.
fn left_out(kind: &str, count: usize) -> Option<MetaObject> {
    let mut meta = MetaObject::new();
    meta.insert(format!("dev.tollgate/{kind}-left-out"), count.into());
    (count > 0).then_some(meta)
}

/// Whether a subscription continues after a notification, which its client may not have asked for.
fn is_heard(sent: Result<(), SubscriptionSendError>) -> bool {
    matches!(
        sent,
        Ok(()) | Err(SubscriptionSendError::NotificationNotAccepted(_))
    )
}

/// A call whose parameters do not have the protocol's form, as far as they can be read; else the error for its
/// model.
fn loose_call(params: Option<&Value>) -> Option<Result<CallToolRequestParams, CallToolResult>> {
    let params = params?;
    let name = params.get("name")?.as_str()?.to_owned();
    let arguments = params.get("arguments").unwrap_or(&Value::Null);
    if let Some(text) = raw::no_object(arguments) {
        return Some(Err(answer::refusal(&text)));
    }
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    let call = CallToolRequestParams::new(name).with_arguments(arguments);
    Some(Ok(call))
}

/// What the gate itself lists: the tool that resumes a call by its approval.
pub(super) fn resume_tool() -> Value {
    json!({
        "name": RESUME_TOOL,
        "title": "Resume a pending call",
        "description": "Makes a call that waited for a person's approval, with its own arguments, once it \
                        is approved; until then it says that the call still waits. Only for a call of \
                        yours.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "approval_id": {
                    "type": "string",
                    "description": "The approval that the pending call's result named, as in apr-0123456789abcdef",
                    "pattern": "^apr-[0-9a-f]{16}$"
                }
            },
            "required": ["approval_id"],
            "additionalProperties": false
        },
        "annotations": { "readOnlyHint": false, "openWorldHint": false }
    })
}
