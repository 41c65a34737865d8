//! What users ask for, told by an agent's host.

use axum::{
    Json,
    extract::State,
    routing::{MethodRouter, post},
};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use tollgate::{config::RequestChannel, enforce::UserRequest};
use tollgate_model::ids::RunId;
use utoipa::ToSchema;

use super::{
    Rest,
    body::{Body, Requester},
    calls,
};
use crate::problem::Problem;

/// The most bytes of a request's text.
const MAX_TEXT: usize = 64 * 1024;

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![("/v1/requests", post(request))]
}

/// What a user asks for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRequest {
    /// The user's words, at most 65536 bytes.
    text: String,
    /// The agent for which a person tells it: for its operator, and over the owner's socket for those who
    /// may administer.
    #[serde(default)]
    agent: Option<String>,
    /// The run: a name of the caller's choice, or one of its own by its id.
    #[serde(default)]
    run: Option<String>,
}

/// The answer to a stored request.
#[derive(Serialize, ToSchema)]
pub(super) struct RequestReply {
    /// The run in which the user's values are known from now on.
    #[schema(value_type = String)]
    run: RunId,
}

/// Tell what the user asks for, so that policies can tell the user's values from those of strangers. Only an
/// agent's host tells it, never a model or a tool.
#[utoipa::path(post, path = "/v1/requests", tag = "calls", request_body = NewRequest, responses(
    (status = 200, description = "Values of the request are the user's in this run", body = RequestReply),
    (status = 400, description = "The request makes no sense", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "The caller may not speak for the agent, or the agent's `request_from` does not \
        name `rest`; nothing is changed", body = Problem),
    (status = 404, description = "The run is not the caller's", body = Problem),
    (status = 413, description = "The body is too large", body = Problem),
    (status = 429, description = "The caller asks too often", body = Problem),
))]
pub(super) async fn request(
    State(rest): State<Rest>,
    who: Requester,
    headers: HeaderMap,
    Body(body): Body<NewRequest>,
) -> Result<Json<RequestReply>, Problem> {
    let _accepted = rest.take(&who)?;
    if body.text.len() > MAX_TEXT {
        return Err(Problem::invalid(format!(
            "`text` has at most {MAX_TEXT} bytes"
        )));
    }
    let caller = who.acting(&rest.gate, body.agent).await?;
    let (run, options) = calls::place(&rest, &who, &caller, &headers, body.run)?;
    let request = UserRequest {
        channel: RequestChannel::Rest,
        text: body.text,
    };
    let told = rest
        .gate
        .tell_request(&caller, &run, options, request)
        .await?;
    told.map(|run| Json(RequestReply { run })).ok_or_else(|| {
        Problem::forbidden("this agent's request is not taken from here".to_owned())
            .help("the operator writes request_from = [\"rest\"] under [agents.NAME]")
    })
}
