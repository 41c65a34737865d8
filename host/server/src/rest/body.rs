//! What a request brings: who makes it, and its body, read strictly and within limits.

use std::time::Duration;

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
};
use http::{StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;
use tollgate::{
    config::AgentConfig,
    gate::{Gate, OperateError},
    identity::Caller,
};
use tollgate_model::{entity::Uid, record::AdminAction};

use crate::{
    auth::{Auth, AuthenticatedCaller, peer::PeerCredentials},
    problem::Problem,
};

/// Bytes of a body at most.
pub(super) const MAX_BODY: usize = 1 << 20;
/// Bytes of a body at most, over the owner's socket.
const MAX_BODY_OF_OWNER: usize = 64 << 20;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(15);

/// Who makes the request.
pub(super) struct Requester {
    pub(super) authenticated: AuthenticatedCaller,
    auth: Auth,
    is_owner: bool,
}

impl Requester {
    /// The person. Nobody else administers.
    pub(super) fn user(&self) -> Result<Uid, Problem> {
        self.authenticated.user().ok_or_else(|| {
            let detail = "only people may do this; an agent's token never does";
            Problem::new(StatusCode::FORBIDDEN, "people_only", detail)
        })
    }

    /// Count a request that may cost the ledger a record. The owner's are not counted: they
    /// can fill the disk of the store in other ways.
    pub(super) fn admit(&self) -> Result<(), Problem> {
        if self.is_owner {
            return Ok(());
        }
        Ok(self.auth.admit(&self.authenticated.caller)?)
    }

    /// Whether the request came over the owner's socket.
    pub(super) fn is_owner(&self) -> bool {
        self.is_owner
    }

    /// That the request came over the owner's socket: it names files of this machine.
    pub(super) fn owner(&self) -> Result<(), Problem> {
        match self.is_owner {
            true => Ok(()),
            false => {
                let detail =
                    "only over the owner's socket, because it names files of the gate's machine";
                Err(Problem::new(StatusCode::FORBIDDEN, "owner_only", detail))
            }
        }
    }

    /// Who calls: the caller, or the agent for which a person speaks. Speaking for an agent is its operator's
    /// act, or, over the owner's socket, an administrator's: an approval of the call does not know who spoke,
    /// so over TCP only the operator speaks for an agent.
    pub(super) async fn acting(
        &self,
        gate: &Gate,
        agent: Option<String>,
    ) -> Result<Caller, Problem> {
        let Some(agent) = agent else {
            return Ok(self.authenticated.caller.clone());
        };
        let by = self.user()?;
        let ruleset = gate.ruleset();
        let operates = |config: &AgentConfig| config.operator == by.id;
        if !self.is_owner && !ruleset.config.agents.get(&agent).is_some_and(operates) {
            let agent = tollgate::text::printable(&agent, 80);
            return Err(Problem::forbidden(format!(
                "you are not the operator of `{agent}`: others speak for it only over the owner's socket"
            )));
        }
        self.permit_impersonation(gate, &by, &agent).await?;
        Ok(Caller::Spoken { agent, by: by.id })
    }

    /// Decide, and record where it is not the operator, that `user` may speak for an agent. An agent that does
    /// not exist is for the gate to refuse.
    pub(super) async fn permit_impersonation(
        &self,
        gate: &Gate,
        user: &Uid,
        agent: &str,
    ) -> Result<(), Problem> {
        let ruleset = gate.ruleset();
        let Some(config) = ruleset.config.agents.get(agent) else {
            return Ok(());
        };
        if config.operator == user.id {
            return Ok(());
        }
        self.admit()?;
        let decided = gate
            .administer(user, AdminAction::AgentImpersonated, agent)
            .await;
        match decided {
            Ok(_) => Ok(()),
            Err(OperateError::Refused(refusal)) => {
                let problem = Problem::from(*refusal);
                let detail = format!(
                    "you are not the operator of `{agent}`, so you may not speak for it: {}",
                    problem.detail
                );
                Err(problem.detail(detail))
            }
            Err(other) => Err(other.into()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Requester {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Without the layer that authenticates nobody is let in.
        let missing = || {
            let detail = "this request was not authenticated";
            Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
        };
        let authenticated = parts.extensions.get().cloned().ok_or_else(missing)?;
        let auth = parts.extensions.get().cloned().ok_or_else(missing)?;
        Ok(Self {
            authenticated,
            auth,
            is_owner: parts.extensions.get::<PeerCredentials>().is_some(),
        })
    }
}

/// What the query says. A key that nobody knows is refused.
pub(super) struct QueryParameters<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for QueryParameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let asked = Query::try_from_uri(&parts.uri);
        asked.map(|Query(asked)| Self(asked)).map_err(|error| {
            let text = tollgate::text::printable(&error.body_text(), 300);
            Problem::new(StatusCode::BAD_REQUEST, "invalid_query", text)
        })
    }
}

/// A JSON body. A key that occurs twice or that nobody knows is refused.
pub(super) struct Body<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let is_json = kind
            .and_then(|kind| kind.to_str().ok())
            .map(|kind| kind.split(';').next().unwrap_or("").trim())
            .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "send a JSON body with `Content-Type: application/json`",
            ));
        }
        let limit = match request.extensions().get::<PeerCredentials>() {
            Some(_) => MAX_BODY_OF_OWNER,
            None => MAX_BODY,
        };
        let reading = tokio::time::timeout(PATIENCE, to_bytes(request.into_body(), limit));
        let bytes = match reading.await {
            Err(_) => {
                let detail = "the body did not arrive in time";
                return Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "too_slow",
                    detail,
                ));
            }
            Ok(Err(error)) => {
                let too_large = std::error::Error::source(&error)
                    .is_some_and(|e| e.is::<http_body_util::LengthLimitError>());
                return Err(if too_large {
                    Problem::new(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        "too_large",
                        format!("a body has at most {limit} bytes"),
                    )
                } else {
                    Problem::invalid("the body broke off")
                });
            }
            Ok(Ok(bytes)) => bytes,
        };
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            // What is wrong and where, without what was sent.
            let text = error.to_string();
            let detail = match error.classify() {
                serde_json::error::Category::Data => tollgate::text::printable(&text, 300),
                _ => format!(
                    "the body is no JSON (line {}, column {})",
                    error.line(),
                    error.column()
                ),
            };
            Problem::new(StatusCode::BAD_REQUEST, "invalid_body", detail)
        })
    }
}
