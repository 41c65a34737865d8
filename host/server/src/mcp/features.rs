//! Prompts and resources of upstream servers: listed, got and read.

use rmcp::{
    ErrorData,
    model::{
        GetPromptRequestParams, GetPromptResult, PaginatedRequestParams, PromptsCapability,
        ReadResourceRequestParams, ReadResourceResult, ResourcesCapability, ServerCapabilities,
    },
};
use serde_json::{Value, json};
use tollgate::{enforce::Answer, enforce::CallRequest, tool::Feature};
use tollgate_model::request::{prompt_call, resource_call};

use super::{Client, Context, answer, is_legacy, listing::Lists, progress::Progress};

impl Client {
    /// Say that there are prompts and resources, if any server has some that are carried.
    pub(super) fn add_features(&self, capabilities: &mut ServerCapabilities) {
        let ruleset = self.gate().ruleset();
        let has = |feature| {
            ruleset
                .others
                .values()
                .any(|other| other.feature == feature)
        };
        if has(Feature::Prompt) {
            let mut prompts = PromptsCapability::default();
            prompts.list_changed = Some(true);
            capabilities.prompts = Some(prompts);
        }
        if has(Feature::Resources) {
            let mut resources = ResourcesCapability::default();
            resources.list_changed = Some(true);
            capabilities.resources = Some(resources);
        }
    }

    /// What is listed to the caller. Each list has one page.
    pub(super) fn lists(
        &self,
        request: Option<PaginatedRequestParams>,
        cx: &Context,
    ) -> Result<Lists, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        if cursor.is_some_and(|cursor| !cursor.is_empty()) {
            let problem = "there is no such cursor: the list has one page";
            return Err(ErrorData::invalid_params(problem, None));
        }
        let principal = self.caller(cx)?.principal();
        Ok(self.server.0.listing.lists(self.gate(), Some(&principal)))
    }

    pub(super) async fn prompt(
        &self,
        request: GetPromptRequestParams,
        cx: Context,
    ) -> Result<GetPromptResult, ErrorData> {
        let raw = Self::raw_arguments(&cx);
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let request = CallRequest {
            tool: prompt_call(&request.name),
            arguments: raw.map_or_else(|| arguments.to_string(), |raw| raw.0.to_string()),
        };
        answer::prompt(self.feature(request, cx).await?)
    }

    pub(super) async fn resource(
        &self,
        request: ReadResourceRequestParams,
        cx: Context,
    ) -> Result<ReadResourceResult, ErrorData> {
        let server = self.gate().resource_server(&request.uri);
        let server = server.map_err(|problem| ErrorData::resource_not_found(problem, None))?;
        let call = CallRequest {
            tool: resource_call(&server),
            arguments: json!({ "uri": request.uri }).to_string(),
        };
        answer::resource(self.feature(call, cx).await?, &request.uri)
    }

    /// The answer to a call of a prompt or a resource.
    async fn feature(&self, request: CallRequest, cx: Context) -> Result<Answer, ErrorData> {
        let caller = self.caller(&cx)?;
        let place = self.place(&cx)?;
        let _taken = self
            .server
            .take(&caller)
            .map_err(|error| ErrorData::internal_error(format!("Not done: {error}."), None))?;
        let connection = self.connection(&cx).filter(|_| !is_legacy(&cx));
        let (cancelled, _listed) = self.cancels.listen(cx.id.clone(), connection);
        let asked = self.asked(caller, place, request, cancelled);
        let mut progress = Progress::new(cx.peer.clone(), &cx.meta);
        let answer = progress
            .of(async |listener| asked.call(self.gate(), listener).await)
            .await;
        let answer = self.held(&asked, &mut progress, answer, &cx).await;
        self.keep_self_report(&cx.meta, &answer);
        Ok(answer)
    }
}
