//! Tokens of agents and users, for users who may make them or `administer`.

use axum::{
    Json,
    extract::{Path, State},
    routing::{MethodRouter, delete, post},
};
use http::StatusCode;
use serde::Deserialize;
use tollgate::gate::{Gate, TokenMaker, TokenValidity};
use tollgate_ledger::Token;
use tollgate_model::{
    entity::{Kind, Uid},
    ids::TokenId,
    record::AdminAction,
    time::Timestamp,
};
use tollgate_policy::policy::nearest;
use utoipa::ToSchema;

use super::{
    Rest,
    body::{Body, Requester},
};
use crate::{
    auth::token::{self, Purpose},
    problem::Problem,
    reply::NewTokenReply,
};

/// The longest name of a token, in bytes.
const MAX_NAME: usize = 100;

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/tokens", post(create)),
        ("/v1/tokens/{id}", delete(revoke)),
        ("/v1/tokens/{id}/confirm", post(confirm)),
        ("/v1/tokens/revoke", post(revoke_by_name)),
    ]
}

/// A new token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// The agent whose token it is; or `user`.
    #[serde(default)]
    agent: Option<String>,
    /// The user whose token it is.
    #[serde(default)]
    user: Option<String>,
    /// The user for whom the agent acts; absent: its operator.
    #[serde(default)]
    on_behalf_of: Option<String>,
    /// A name for the list of tokens.
    #[serde(default)]
    name: String,
    /// How long it is valid, in microseconds; absent: without end. A token that is made by means of another one
    /// does not outlast it.
    #[serde(default)]
    lasts: Option<u64>,
    /// Whether it replaces the principal's tokens of the same name. One that waits for a second person does not.
    #[serde(default)]
    replace: bool,
}

/// Make a token. Its text is returned only here.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", request_body = NewToken, responses(
    (status = 200, description = "The token; not valid yet if it is not `confirmed`", body = NewTokenReply),
    (status = 400, description = "It names no agent and no user, or both, or its name is too long", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 404, description = "The configuration has no such agent or user", body = Problem),
))]
pub(super) async fn create(
    State(rest): State<Rest>,
    who: Requester,
    Body(body): Body<NewToken>,
) -> Result<Json<NewTokenReply>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let gate = &rest.gate;
    let principal = principal(body.agent, body.user)?;
    known(gate, &principal)?;
    if let Some(user) = &body.on_behalf_of {
        gate.user(user)?;
    }
    check_name(&body.name)?;
    let maker = maker(&who, &user);
    let expires = body.lasts.map(|lasts| gate.now().plus(lasts));
    let purpose = Purpose {
        makers: maker.makers_of(&principal),
        principal,
        on_behalf_of: body.on_behalf_of,
        name: body.name,
        expires: earlier(expires, who.authenticated.token_expires),
    };
    let (mut token, text) = token::mint(gate, purpose)?;
    let validity = gate.make_token(maker, &token).await?;
    token.is_confirmed = validity == TokenValidity::Valid;
    let replaces = body.replace && token.is_confirmed;
    token::store(gate, token.clone(), replaces).await?;
    Ok(Json(NewTokenReply {
        token: token.into(),
        text,
    }))
}

/// The person who makes or confirms a token.
fn maker<'a>(who: &'a Requester, user: &'a Uid) -> TokenMaker<'a> {
    TokenMaker {
        user,
        makers: &who.authenticated.token_makers,
    }
}

/// The earlier of two times, where absent is never.
fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Make a token valid that another person made.
#[utoipa::path(post, path = "/v1/tokens/{id}/confirm", tag = "tokens", params(("id" = String, Path)), responses(
    (status = 204, description = "It is valid from now on"),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy denies it, the caller is not a person, or the caller took part in making it", body = Problem),
    (status = 404, description = "There is none that waits", body = Problem),
))]
pub(super) async fn confirm(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let user = who.user()?;
    who.admit()?;
    let gate = &rest.gate;
    let token = find(gate, &id)?;
    gate.confirm_token(maker(&who, &user), &token).await?;
    gate.ledger().confirm_token(token.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The token with this id.
fn find(gate: &Gate, id: &str) -> Result<Token, Problem> {
    let nothing = || {
        let id = tollgate::text::printable(id, 64);
        Problem::not_found(format!("there is no token {id}"))
            .help("list them with `tollgate token list`")
    };
    let known: TokenId = id.parse().map_err(|_| nothing())?;
    gate.ledger().reader().token(known)?.ok_or_else(nothing)
}

fn principal(agent: Option<String>, user: Option<String>) -> Result<Uid, Problem> {
    match (agent, user) {
        (Some(agent), None) => Ok(Uid::new(Kind::Agent, agent)),
        (None, Some(user)) => Ok(Uid::new(Kind::User, user)),
        _ => Err(Problem::invalid("name one `agent` or one `user`")),
    }
}

/// Checks the length of a name, because records contain it.
fn check_name(name: &str) -> Result<(), Problem> {
    match name.len() <= MAX_NAME {
        true => Ok(()),
        false => Err(Problem::invalid(format!(
            "`name` has at most {MAX_NAME} bytes"
        ))),
    }
}

/// Checks that the configuration has this agent or user.
pub(super) fn known(gate: &Gate, principal: &Uid) -> Result<(), Problem> {
    if principal.kind == Kind::User {
        gate.user(&principal.id)?;
        return Ok(());
    }
    let ruleset = gate.ruleset();
    if ruleset.config.agents.contains_key(&principal.id) {
        return Ok(());
    }
    let names = ruleset.config.agents.keys().map(String::as_str);
    let name = tollgate::text::printable(&principal.id, 80);
    let problem = Problem::not_found(format!("there is no agent `{name}` in tollgate.toml"));
    Err(match nearest(&principal.id, names) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    })
}

/// Revoke a token.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "tokens", params(("id" = String, Path)), responses(
    (status = 204, description = "It is worthless from now on"),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 404, description = "There is none", body = Problem),
))]
pub(super) async fn revoke(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let user = who.user()?;
    who.admit()?;
    let gate = &rest.gate;
    let token = find(gate, &id)?;
    let target = format!("{} of {}", token.id, token.principal);
    gate.administer(&user, AdminAction::TokenRevoked, &target)
        .await?;
    gate.ledger().remove_token(token.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The tokens of a principal.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokensByName {
    /// The agent whose tokens they are; or `user`.
    #[serde(default)]
    agent: Option<String>,
    /// The user whose tokens they are.
    #[serde(default)]
    user: Option<String>,
    /// The name of the tokens.
    name: String,
}

/// Revoke all tokens of a principal with one name.
#[utoipa::path(post, path = "/v1/tokens/revoke", tag = "tokens", request_body = TokensByName, responses(
    (status = 204, description = "They are worthless from now on"),
    (status = 400, description = "It names no agent and no user, or both, or its name is too long", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
))]
pub(super) async fn revoke_by_name(
    State(rest): State<Rest>,
    who: Requester,
    Body(body): Body<TokensByName>,
) -> Result<StatusCode, Problem> {
    let user = who.user()?;
    who.admit()?;
    let gate = &rest.gate;
    let (principal, name) = (principal(body.agent, body.user)?, body.name);
    check_name(&name)?;
    let target = format!("{name} of {principal}");
    gate.administer(&user, AdminAction::TokenRevoked, &target)
        .await?;
    for token in gate.ledger().reader().tokens()? {
        if token.principal == principal && token.name == name {
            gate.ledger().remove_token(token.id).await?;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}
