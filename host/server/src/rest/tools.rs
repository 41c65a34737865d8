//! Lists of tools: those that can be called, and those that cannot be used.

#![expect(
    unused_qualifications,
    reason = "written by the macro that describes handlers"
)]

use std::collections::BTreeSet;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use http::{HeaderName, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate::{enforce::Ruleset, executors::UnusableTool, text::printable, tool::Tool};
use tollgate_model::entity::{Kind, Uid};
use utoipa::{IntoParams, ToSchema};

use super::{
    Rest,
    body::{QueryParameters, Requester},
};
use crate::problem::Problem;

/// How many are not listed, because the agent could never call them.
const LEFT_OUT: HeaderName = HeaderName::from_static("tollgate-tools-left-out");

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

impl From<&Tool> for ToolView {
    fn from(tool: &Tool) -> Self {
        Self {
            name: tool.name.clone(),
            title: tool.title.clone(),
            description: tool.description.clone(),
            input_schema: tool.input_schema.clone(),
            output_schema: tool.output_schema.clone(),
            annotations: tool.annotations,
            labels: tool.labels.clone(),
            execution: tool.source.kind.as_str(),
            feature: tool.feature.as_str(),
        }
    }
}

/// Which tools are listed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolQuery {
    /// Those that are listed to this agent. For people; to agents, only their own tools are listed.
    agent: Option<String>,
}

/// List the tools, and after them prompts and resources of upstream servers.
///
/// People see everything. Agents do not see what they could never call: what no policy would ever permit to them, or a
/// policy would always forbid, with any arguments. A call that would wait for an approval is listed.
#[utoipa::path(get, path = "/v1/tools", tag = "calls", params(ToolQuery), responses(
    (status = 200, description = "Everything that can be called", body = [ToolView], headers(
        ("Tollgate-Tools-Left-Out" = u64, description = "How many are not listed, because the agent could never call them"),
    )),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Only people may ask for an agent's tools", body = Problem),
    (status = 404, description = "There is no such agent", body = Problem),
))]
pub(super) async fn tools(
    State(rest): State<Rest>,
    requester: Requester,
    QueryParameters(query): QueryParameters<ToolQuery>,
) -> Result<Response, Problem> {
    let ruleset = rest.gate.ruleset();
    let (tools, left_out) = match agent(&ruleset, &requester, query.agent)? {
        None => (ruleset.callables().collect(), 0),
        Some(agent) => {
            let reach = ruleset.reach(&agent);
            let all = ruleset.callables();
            let (within, beyond): (Vec<_>, Vec<_>) =
                all.partition(|tool| reach.includes(&tool.name));
            (within, beyond.len())
        }
    };
    let views: Vec<ToolView> = tools.into_iter().map(|tool| (&**tool).into()).collect();
    Ok(([(LEFT_OUT, left_out.to_string())], Json(views)).into_response())
}

/// The agent whose tools are listed; `None` for people who list all.
fn agent(
    ruleset: &Ruleset,
    requester: &Requester,
    named: Option<String>,
) -> Result<Option<Uid>, Problem> {
    let Some(name) = named else {
        let principal = requester.authenticated.caller.principal();
        return Ok((principal.kind == Kind::Agent).then_some(principal));
    };
    requester.user()?;
    if !ruleset.config.agents.contains_key(&name) {
        let detail = format!("there is no agent `{}`", printable(&name, 80));
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", detail));
    }
    Ok(Some(Uid::new(Kind::Agent, name)))
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
