//! Calls that their caller executes: decided and recorded before, with the outcome recorded afterwards.

use std::time::Instant;

use axum::{
    Json,
    extract::State,
    routing::{MethodRouter, post},
};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate::{
    config::{ExternalConfig, ExternalTools},
    enforce::CallRequest,
    gate::{CallRef, Gate, ReportedOutcome},
};
use tollgate_model::{ids::SpanId, time::micros};
use utoipa::ToSchema;

use super::{
    Rest,
    body::{Body, Requester},
    calls,
};
use crate::{
    mcp::origin,
    problem::Problem,
    reply::{AuthorizeReply, CallReply},
};

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/authorize", post(authorize)),
        ("/v1/outcomes", post(outcomes)),
    ]
}

/// A call that the caller is about to execute.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Intent {
    /// The tool, as `/v1/tools` names it.
    tool: String,
    /// With it, `tool` is the name that this coding agent has for the tool; the gate takes the only [external.NAME]
    /// with this preset.
    #[serde(default)]
    preset: Option<String>,
    /// The arguments: an object.
    #[serde(default)]
    #[schema(value_type = Object)]
    arguments: Option<Box<RawValue>>,
    /// The arguments as a string of JSON, instead of `arguments`. If they are not valid, the gate says why.
    #[serde(default)]
    arguments_json: Option<String>,
    /// The agent as which a user asks. The agent's operator may, and over the owner's socket also users who
    /// may `administer`.
    #[serde(default)]
    agent: Option<String>,
    /// The run: a name of the caller's choice, or one of its own by its id.
    #[serde(default)]
    run: Option<String>,
    /// A name of the caller's choice by which it reports the outcome.
    #[serde(default)]
    reference: Option<String>,
}

/// Decide a call that the caller executes itself, and record it. Execute it only if `allowed` is true: once, with
/// exactly the returned arguments. Then report its outcome.
#[utoipa::path(post, path = "/v1/authorize", tag = "external", request_body = Intent, responses(
    (status = 200, description = "Whether it may be executed", body = AuthorizeReply),
    (status = 400, description = "The request makes no sense", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "The caller may not speak for the agent", body = Problem),
    (status = 404, description = "The run is not the caller's", body = Problem),
    (status = 429, description = "The caller asks too often", body = Problem),
))]
pub(super) async fn authorize(
    State(rest): State<Rest>,
    who: Requester,
    headers: HeaderMap,
    Body(body): Body<Intent>,
) -> Result<Json<AuthorizeReply>, Problem> {
    let _accepted = rest.take(&who)?;
    let caller = who.acting(&rest.gate, body.agent).await?;
    let (run, options) = calls::place(&rest, &who, &caller, &headers, body.run)?;
    let reference = body.reference;
    if !who.is_owner()
        && reference
            .as_deref()
            .is_some_and(|name| !origin::is_name(name))
    {
        return Err(Problem::invalid(format!(
            "`reference` is {}",
            origin::NO_NAME
        )));
    }
    let tool = match &body.preset {
        None => body.tool,
        Some(preset) => format!("{}__{}", executor(&rest.gate, preset)?, body.tool),
    };
    let request = CallRequest {
        tool: tool.clone(),
        arguments: calls::arguments(body.arguments, body.arguments_json)?,
    };
    let authorized = rest
        .gate
        .authorize(&caller, &run, request, reference, options);
    let authorized = authorized.await;
    Ok(Json(AuthorizeReply::new(tool, authorized)))
}

/// The name of the only executor with this preset.
fn executor(gate: &Gate, preset: &str) -> Result<String, Problem> {
    let ruleset = gate.ruleset();
    let has_preset = |external: &ExternalConfig| matches!(&external.tools, ExternalTools::Preset(own) if own.as_str() == preset);
    let all = ruleset.config.external.iter();
    let mut named = all.filter(|(_, external)| has_preset(external));
    match (named.next(), named.next()) {
        (Some((name, _)), None) => Ok(name.clone()),
        (found, _) => {
            let preset = tollgate::text::printable(preset, 64);
            let problem = match found {
                None => format!("no [external.NAME] of this gate has preset = \"{preset}\""),
                Some(_) => {
                    format!("several executors have the preset `{preset}`; name the tool in full")
                }
            };
            Err(Problem::invalid(problem))
        }
    }
}

/// The outcome that the caller reports.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    /// The `call` of the authorization.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    call: Option<SpanId>,
    /// The `reference` of the authorization, instead of `call`.
    #[serde(default)]
    reference: Option<String>,
    /// The agent that the authorization named.
    #[serde(default)]
    agent: Option<String>,
    /// Whether it failed.
    #[serde(default)]
    failed: bool,
    /// The result that the model is to see.
    content: String,
}

/// Report the outcome of an authorized call. The answer says whether its content may reach the model.
#[utoipa::path(post, path = "/v1/outcomes", tag = "external", request_body = Outcome, responses(
    (status = 200, description = "Released, redacted or withheld, as for a call", body = CallReply),
    (status = 400, description = "The request makes no sense", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "The caller may not speak for the agent", body = Problem),
    (status = 404, description = "No such call waits for its outcome", body = Problem),
))]
pub(super) async fn outcomes(
    State(rest): State<Rest>,
    who: Requester,
    Body(body): Body<Outcome>,
) -> Result<Json<CallReply>, Problem> {
    let begun = Instant::now();
    let call = match (body.call, body.reference) {
        (Some(call), None) => CallRef::Call(call),
        (None, Some(reference)) => CallRef::Reference(reference),
        _ => {
            return Err(Problem::invalid(
                "name the call by `call` or by `reference`",
            ));
        }
    };
    // Not rate-limited: an outcome must always be recorded.
    let outcome = ReportedOutcome {
        failed: body.failed,
        content: body.content,
    };
    let caller = who.acting(&rest.gate, body.agent).await?;
    let (tool, answer) = rest.gate.report_outcome(&caller, &call, outcome).await?;
    Ok(Json(CallReply::new(tool, answer, micros(begun.elapsed()))))
}
