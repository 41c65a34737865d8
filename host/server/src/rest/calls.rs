//! Calls.

use std::time::{Duration, Instant};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rmcp::model::RequestMetaObject;
use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate::{
    enforce::Answer, enforce::CallOptions, enforce::CallRequest, gate::Gate, identity::Caller,
    identity::RunKey,
};
use tollgate_model::{ids::ApprovalId, time::micros};
use utoipa::ToSchema;

use super::{
    Rest,
    body::{Body, Requester},
};
use crate::{
    approval_wait::{self, RepeatableCall},
    mcp::origin,
    problem::Problem,
    reply::{CallOutcome, CallReply},
};

/// The longest `wait_ms`, in milliseconds.
const MAX_WAIT: u64 = 60_000;

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![("/v1/calls", post(call))]
}

/// A call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCall {
    /// The tool, as `/v1/tools` names it.
    tool: String,
    /// The arguments: an object. Not parsed here, so that the gate sees duplicate keys and large numbers.
    #[serde(default)]
    #[schema(value_type = Object)]
    arguments: Option<Box<RawValue>>,
    /// The arguments as a string of JSON, instead of `arguments`. If they are not valid, the gate says why.
    #[serde(default)]
    arguments_json: Option<String>,
    /// The agent as which a user calls. The agent's operator may, and over the owner's socket also users who
    /// may `administer`.
    #[serde(default)]
    agent: Option<String>,
    /// The run: a name of the caller's choice, or one of its own by its id.
    #[serde(default)]
    run: Option<String>,
    /// How long to wait for an approval, in milliseconds: at most 60000, over the owner's socket without limit.
    #[serde(default)]
    wait_ms: u64,
}

/// Make a call.
#[utoipa::path(post, path = "/v1/calls", tag = "calls", request_body = NewCall, responses(
    (status = 200, description = "The answer: `outcome` says whether it ran", body = CallReply),
    (status = 202, description = "It waits for a human; repeat the identical call to resume. With `Retry-After: 0` the \
        gate stops: repeat it at once", body = CallReply),
    (status = 400, description = "The request makes no sense", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "The caller may not speak for the agent", body = Problem),
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
    let (server, _accepted) = rest.take(&who)?;
    if body.wait_ms > MAX_WAIT && !who.is_owner() {
        return Err(Problem::invalid(format!("`wait_ms` is at most {MAX_WAIT}")));
    }
    let begun = Instant::now();
    let tool = body.tool.clone();
    let request = CallRequest {
        tool: body.tool,
        arguments: arguments(body.arguments, body.arguments_json)?,
    };
    let caller = who.acting(&rest.gate, body.agent).await?;
    let (run, options) = place(&rest, &who, &caller, &headers, body.run)?;
    let mut call = RestCall {
        gate: &rest.gate,
        caller,
        run,
        request,
        options,
    };
    let answer = call.repeat().await;
    let limit = Duration::from_millis(body.wait_ms);
    let leaving = server.leaving().cancelled();
    let held = approval_wait::hold(&rest.gate, &mut call, answer, limit, leaving).await;
    let reply = CallReply::new(tool, held.answer, micros(begun.elapsed()));
    let status = match reply.outcome {
        CallOutcome::Waiting => StatusCode::ACCEPTED,
        CallOutcome::Unrecorded => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    let mut response = (status, Json(reply)).into_response();
    if held.interrupted {
        let at_once = HeaderValue::from_static("0");
        response.headers_mut().insert(header::RETRY_AFTER, at_once);
    }
    Ok(response)
}

/// A call that may be repeated once its approval is answered.
struct RestCall<'a> {
    gate: &'a Gate,
    caller: Caller,
    run: RunKey,
    request: CallRequest,
    options: CallOptions,
}

impl RepeatableCall for RestCall<'_> {
    async fn repeat(&mut self) -> Answer {
        let (request, options) = (self.request.clone(), self.options.clone());
        self.gate
            .call_with_options(&self.caller, &self.run, request, options)
            .await
    }

    async fn report(&mut self, _: ApprovalId, _: Duration, _: Duration) {}
}

/// The JSON text of the arguments, from either member.
pub(super) fn arguments(
    json: Option<Box<RawValue>>,
    text: Option<String>,
) -> Result<String, Problem> {
    match (json, text) {
        (Some(_), Some(_)) => Err(Problem::invalid(
            "give `arguments` or `arguments_json`, not both",
        )),
        (Some(json), None) => Ok(json.get().to_owned()),
        (None, Some(text)) => Ok(text),
        (None, None) => Ok("{}".to_owned()),
    }
}

/// The run of a call: the one that the body names, else that of the headers.
pub(super) fn place(
    rest: &Rest,
    who: &Requester,
    caller: &Caller,
    headers: &HeaderMap,
    named: Option<String>,
) -> Result<(RunKey, CallOptions), Problem> {
    // The owner's command line may use any text as the name of a run.
    if !who.is_owner() && named.as_deref().is_some_and(|name| !origin::is_name(name)) {
        return Err(Problem::invalid(format!("`run` is {}", origin::NO_NAME)));
    }
    let place = origin::place(&RequestMetaObject::new(), Some(headers), None, &[])
        .map_err(|error| Problem::invalid(error.message))?;
    let run = match (named, place.run) {
        (None, run @ (RunKey::Traced(_) | RunKey::Named(_))) => run,
        (named, _) => rest
            .gate
            .run_key(caller, named)
            .map_err(Problem::other_run)?,
    };
    let options = CallOptions {
        token: who.authenticated.token,
        origin: place.origin,
        arrival: place.arrival,
        meta: place.meta,
        user_requests: place.user_requests,
        ..CallOptions::default()
    };
    Ok((run, options))
}
