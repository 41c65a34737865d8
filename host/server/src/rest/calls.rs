//! Calls, and the tools that there are.

use std::{collections::BTreeSet, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get, post},
};
use http::{HeaderMap, StatusCode};
use rmcp::model::RequestMetaObject;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use tollgate::{enforce::CallOptions, enforce::CallRequest, identity::RunKey};
use utoipa::ToSchema;

use super::{
    Rest,
    body::{Body, Requester},
};
use crate::{
    calling::{self, CallCompletion},
    mcp::origin,
    problem::Problem,
    reply::{CallOutcome, CallReply},
};

/// How long a request may hold a call that waits for a human, in milliseconds.
const MAX_WAIT: u64 = 60_000;

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![("/v1/calls", post(call)), ("/v1/tools", get(tools))]
}

/// A call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCall {
    /// The tool, as `/v1/tools` names it.
    tool: String,
    /// The arguments: an object. Kept as it was written, so that the gate sees what a parser would hide.
    #[serde(default)]
    #[schema(value_type = Object)]
    arguments: Option<Box<RawValue>>,
    /// The run: a name of the caller's choice, or one of its own by its id.
    #[serde(default)]
    run: Option<String>,
    /// How long to hold on where a human is needed, in milliseconds; at most 60000.
    #[serde(default)]
    wait_ms: u64,
}

/// Make a call.
#[utoipa::path(post, path = "/v1/calls", tag = "calls", request_body = NewCall, responses(
    (status = 200, description = "What became of it: `outcome` says whether it ran", body = CallReply),
    (status = 202, description = "It waits for a human; repeat the identical call to resume", body = CallReply),
    (status = 400, description = "The request makes no sense", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 404, description = "The run is not the caller's", body = Problem),
    (status = 413, description = "The body is too large", body = Problem),
    (status = 429, description = "The caller asks too often", body = Problem),
    (status = 503, description = "It could not be recorded, so it did not run", body = CallReply),
))]
pub(super) async fn call(
    State(rest): State<Rest>,
    who: Requester,
    headers: HeaderMap,
    Body(body): Body<NewCall>,
) -> Result<Response, Problem> {
    let (server, _taken) = rest.take(&who)?;
    if body.wait_ms > MAX_WAIT {
        return Err(Problem::invalid(format!("`wait_ms` is at most {MAX_WAIT}")));
    }
    let caller = &who.authenticated.caller;
    let (run, options) = place(&rest, &who, &headers, body.run)?;
    let request = CallRequest {
        tool: body.tool,
        arguments: body
            .arguments
            .map_or_else(|| "{}".to_owned(), |raw| raw.get().to_owned()),
    };
    let patience = Duration::from_millis(body.wait_ms);
    let called = calling::call(
        &rest.gate,
        caller,
        &run,
        request,
        &options,
        patience,
        server.leaving().clone().cancelled_owned(),
    )
    .await?;
    let (CallCompletion::Done(reply) | CallCompletion::Left(reply)) = called;
    let status = match reply.outcome {
        CallOutcome::Waiting => StatusCode::ACCEPTED,
        CallOutcome::Unrecorded => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    Ok((status, Json(reply)).into_response())
}

/// Where a call belongs: in the run that the body names, else in that of the headers.
pub(super) fn place(
    rest: &Rest,
    who: &Requester,
    headers: &HeaderMap,
    named: Option<String>,
) -> Result<(RunKey, CallOptions), Problem> {
    if named.as_deref().is_some_and(|name| !origin::is_name(name)) {
        return Err(Problem::invalid(format!("`run` is {}", origin::NO_NAME)));
    }
    let place = origin::place(&RequestMetaObject::new(), Some(headers), None, &[])
        .map_err(|error| Problem::invalid(error.message))?;
    let run = match (named, place.run) {
        (None, run @ (RunKey::Traced(_) | RunKey::Named(_))) => run,
        (named, _) => rest.gate.run_key(&who.authenticated.caller, named)?,
    };
    let options = CallOptions {
        origin: place.origin,
        arrival: place.arrival,
        meta: place.meta,
        ..CallOptions::default()
    };
    Ok((run, options))
}

/// A tool.
#[derive(Serialize, ToSchema)]
pub(super) struct ToolView {
    /// By what it is called.
    name: String,
    /// A name for people.
    title: Option<String>,
    /// For the model. Its author wrote it.
    description: String,
    /// JSON Schema of the arguments.
    #[schema(value_type = Object)]
    input_schema: Value,
    /// JSON Schema of structured content.
    #[schema(value_type = Option<Object>)]
    output_schema: Option<Value>,
    /// Hints, never grounds for a decision.
    #[schema(value_type = Object)]
    annotations: tollgate::tool::Annotations,
    /// Labels that the operator gave it.
    labels: BTreeSet<String>,
    /// Who executes it: `component` (in the sandbox), `upstream`, or `external` (whoever calls).
    execution: &'static str,
}

/// List the tools.
#[utoipa::path(get, path = "/v1/tools", tag = "calls", responses(
    (status = 200, description = "Every tool, by name", body = [ToolView]),
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
    };
    Json(ruleset.tools.values().map(view).collect())
}
