//! Users connect their own accounts at upstream servers: for people, and each for themselves.

use axum::{
    Json,
    extract::{Path, State},
    routing::{MethodRouter, post},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use tollgate::{
    gate::ConnectAccountError,
    upstream::{LoginAnswer, LoginError},
};
use url::Url;
use utoipa::ToSchema;

use super::{
    Rest,
    body::{Body, QueryParameters, Requester},
};
use crate::{
    problem::Problem,
    reply::{LoginRequestReply, LoginView},
};

/// Bytes of a part of an answer.
const MAX_PART: usize = 8 << 10;

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/upstreams/{name}/login", post(begin).delete(remove)),
        ("/v1/upstreams/{name}/login/complete", post(complete)),
        ("/v1/upstreams/{name}/offer", post(offer)),
    ]
}

impl From<ConnectAccountError> for Problem {
    fn from(error: ConnectAccountError) -> Self {
        match error {
            ConnectAccountError::Operate(error) => error.into(),
            ConnectAccountError::Login(LoginError::Rejected(detail)) => {
                Self::new(StatusCode::CONFLICT, "login_rejected", detail)
            }
            ConnectAccountError::Login(LoginError::Failed(detail)) => {
                Self::new(StatusCode::BAD_GATEWAY, "login_failed", detail)
            }
        }
    }
}

/// Where the answer is awaited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLogin {
    /// A URL on loopback, such as `http://127.0.0.1:8123/callback`.
    redirect_uri: String,
}

/// Begin to log in to an upstream server: the page on which to consent.
#[utoipa::path(post, path = "/v1/upstreams/{name}/login", tag = "upstreams", params(("name" = String, Path)),
    request_body = NewLogin, responses(
    (status = 200, description = "Where the person consents", body = LoginRequestReply),
    (status = 400, description = "The redirect is not a URL", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy denies it, or the caller is not a person", body = Problem),
    (status = 404, description = "There is no such server, or users do not log in to it", body = Problem),
    (status = 409, description = "The redirect is not on loopback", body = Problem),
    (status = 502, description = "The server or its authorization server does not do its part", body = Problem),
))]
pub(super) async fn begin(
    State(rest): State<Rest>,
    who: Requester,
    Path(name): Path<String>,
    Body(body): Body<NewLogin>,
) -> Result<Json<LoginRequestReply>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let redirect = Url::parse(&body.redirect_uri)
        .map_err(|_| Problem::invalid("`redirect_uri` is not a URL"))?;
    let request = rest.gate.begin_login(&user, &name, &redirect).await?;
    Ok(Json(request.into()))
}

/// The parameters with which the authorization server has redirected the person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedirectParameters {
    /// `state`.
    state: String,
    /// `code`.
    #[serde(default)]
    code: Option<String>,
    /// `iss`.
    #[serde(default)]
    iss: Option<String>,
    /// `error`.
    #[serde(default)]
    error: Option<String>,
}

/// Complete a login: exchange the code, and keep the tokens sealed. They are never shown.
#[utoipa::path(post, path = "/v1/upstreams/{name}/login/complete", tag = "upstreams",
    params(("name" = String, Path)), request_body = RedirectParameters, responses(
    (status = 200, description = "The login, without its tokens", body = LoginView),
    (status = 400, description = "A parameter is too long", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy denies it, or the caller is not a person", body = Problem),
    (status = 404, description = "There is no such server, or users do not log in to it", body = Problem),
    (status = 409, description = "The answer does not belong to a login that this person has begun", body = Problem),
    (status = 502, description = "The authorization server does not do its part", body = Problem),
))]
pub(super) async fn complete(
    State(rest): State<Rest>,
    who: Requester,
    Path(name): Path<String>,
    Body(body): Body<RedirectParameters>,
) -> Result<Json<LoginView>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let RedirectParameters {
        state,
        code,
        iss,
        error,
    } = body;
    let parts = [Some(&state), code.as_ref(), iss.as_ref(), error.as_ref()];
    if parts
        .into_iter()
        .flatten()
        .any(|part| part.len() > MAX_PART)
    {
        let problem = format!("a parameter has at most {MAX_PART} bytes");
        return Err(Problem::invalid(problem));
    }
    let answer = LoginAnswer {
        state,
        code,
        iss,
        error,
    };
    let login = rest.gate.complete_login(&user, &name, answer).await?;
    Ok(Json(login.into()))
}

/// The user whose login is removed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginOwner {
    /// The user; absent: the person who asks.
    #[serde(default)]
    user: Option<String>,
}

/// Remove a login: one's own, or as an administrator another's. The authorization server is not told.
#[utoipa::path(delete, path = "/v1/upstreams/{name}/login", tag = "upstreams",
    params(("name" = String, Path), ("user" = Option<String>, Query)), responses(
    (status = 204, description = "It is removed"),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy denies it, or the caller is not a person", body = Problem),
    (status = 404, description = "There is none", body = Problem),
))]
pub(super) async fn remove(
    State(rest): State<Rest>,
    who: Requester,
    Path(name): Path<String>,
    QueryParameters(owner): QueryParameters<LoginOwner>,
) -> Result<StatusCode, Problem> {
    let by = who.user()?;
    who.admit()?;
    let user = owner.user.unwrap_or_else(|| by.id.clone());
    rest.gate.remove_login(&by, &user, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask an upstream server with one's own login what it offers, and compare that with what was accepted.
#[utoipa::path(post, path = "/v1/upstreams/{name}/offer", tag = "upstreams", params(("name" = String, Path)),
    responses(
    (status = 200, description = "{digest, accepted, added, changed, vanished, same, left_out}", body = Object),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy denies it, or the caller is not a person", body = Problem),
    (status = 409, description = "It cannot be asked, also because this person has not logged in", body = Problem),
))]
pub(super) async fn offer(
    State(rest): State<Rest>,
    who: Requester,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let difference = rest.gate.compare_offer(&user, &name).await?;
    Ok(Json(serde_json::to_value(difference).unwrap_or_default()))
}
