//! Lists of tools: those that can be called, and those that cannot be used.

use std::collections::BTreeSet;

use axum::{
    Json,
    extract::State,
    routing::{MethodRouter, get},
};
use serde::Serialize;
use serde_json::Value;
use tollgate::executors::UnusableTool;
use utoipa::ToSchema;

use super::{Rest, body::Requester};
use crate::problem::Problem;

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/tools", get(tools)),
        ("/v1/tools/unusable", get(unusable_tools)),
    ]
}

/// A tool.
#[derive(Serialize, ToSchema)]
pub(super) struct ToolView {
    /// Its name.
    name: String,
    /// A name for people.
    title: Option<String>,
    /// The description for the model, by the author of the tool.
    description: String,
    /// JSON Schema of the arguments.
    #[schema(value_type = Object)]
    input_schema: Value,
    /// JSON Schema of structured content.
    #[schema(value_type = Option<Object>)]
    output_schema: Option<Value>,
    /// Hints; policies do not see them.
    #[schema(value_type = Object)]
    annotations: tollgate::tool::Annotations,
    /// Labels that the operator gave it.
    labels: BTreeSet<String>,
    /// Who executes it: `component` (in the sandbox), `upstream`, or `external` (the caller).
    execution: &'static str,
    /// What it is: `tool`, `prompt`, or `resources` of an upstream server.
    feature: &'static str,
}

/// List the tools, and after them prompts and resources of upstream servers.
#[utoipa::path(get, path = "/v1/tools", tag = "calls", responses(
    (status = 200, description = "Everything that can be called", body = [ToolView]),
    (status = 401, description = "No credential that counts", body = Problem),
))]
pub(super) async fn tools(State(rest): State<Rest>, _: Requester) -> Json<Vec<ToolView>> {
    let ruleset = rest.gate.ruleset();
    let view = |tool: &std::sync::Arc<tollgate::tool::Tool>| ToolView {
        name: tool.name.clone(),
        title: tool.title.clone(),
        description: tool.description.clone(),
        input_schema: tool.input_schema.clone(),
        output_schema: tool.output_schema.clone(),
        annotations: tool.annotations,
        labels: tool.labels.clone(),
        execution: tool.source.kind.as_str(),
        feature: tool.feature.as_str(),
    };
    Json(ruleset.callables().map(view).collect())
}

/// What a component exports or an upstream server offers, and cannot be a tool.
#[derive(Serialize, ToSchema)]
pub(super) struct UnusableToolView {
    /// Who has it: `component` or `upstream`.
    execution: &'static str,
    /// The component or the upstream server, as it is configured.
    source: String,
    /// Its name, as an upstream server writes it; a component's function is named in the reason.
    name: Option<String>,
    /// Why it cannot be used. It may contain a server's text.
    reason: String,
}

impl From<UnusableTool> for UnusableToolView {
    fn from(tool: UnusableTool) -> Self {
        Self {
            execution: tool.kind.as_str(),
            source: tool.source,
            name: tool.name,
            reason: tool.reason,
        }
    }
}

/// List what components and upstream servers have and cannot be used as a tool, with the reasons.
#[utoipa::path(get, path = "/v1/tools/unusable", tag = "calls", responses(
    (status = 200, description = "What is left out, with the reasons", body = [UnusableToolView]),
    (status = 401, description = "No credential that counts", body = Problem),
))]
pub(super) async fn unusable_tools(
    State(rest): State<Rest>,
    _: Requester,
) -> Json<Vec<UnusableToolView>> {
    let executors = rest.gate.executors();
    Json(executors.unusable_tools().map(Into::into).collect())
}
