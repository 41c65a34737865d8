//! Extractors: the requester, and query and body, parsed strictly and within limits.

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

/// The largest body, in bytes.
pub(super) const MAX_BODY: usize = 1 << 20;
/// The largest body over the owner's socket, in bytes.
const MAX_BODY_OF_OWNER: usize = 64 << 20;
/// How requests came in, as records name it: over TCP, and over the owner's socket, which is the command line's.
const CHANNEL: &str = "rest";
const CHANNEL_OF_OWNER: &str = "cli";
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(15);

/// The sender of a request.
pub(super) struct Requester {
    pub(super) authenticated: AuthenticatedCaller,
    auth: Auth,
    is_owner: bool,
}

impl Requester {
    /// The user. Agents may not administer.
    pub(super) fn user(&self) -> Result<Uid, Problem> {
        self.authenticated.user().ok_or_else(|| {
            let detail = "only people may do this; an agent's token never does";
            Problem::new(StatusCode::FORBIDDEN, "people_only", detail)
        })
    }

    /// The principal whose approvals alone the caller may see; absent for people. The ledger reads no others.
    pub(super) fn own_principal(&self) -> Option<Uid> {
        let is_person = self.authenticated.user().is_some();
        (!is_person).then(|| self.authenticated.caller.principal())
    }

    /// Counts a request that may add a record to the ledger. Requests of the owner are not counted, because the
    /// owner can fill the disk in other ways.
    pub(super) fn admit(&self) -> Result<(), Problem> {
        self.admit_many(1)
    }

    /// As [`Requester::admit`], for a request that may cost as many records as `requests`.
    pub(super) fn admit_many(&self, requests: usize) -> Result<(), Problem> {
        if self.is_owner {
            return Ok(());
        }
        Ok(self.auth.admit_many(&self.authenticated.caller, requests)?)
    }

    /// Whether the request came over the owner's socket.
    pub(super) fn is_owner(&self) -> bool {
        self.is_owner
    }

    /// The channel of the request in records.
    pub(super) fn channel(&self) -> &'static str {
        match self.is_owner {
            true => CHANNEL_OF_OWNER,
            false => CHANNEL,
        }
    }

    /// Checks that the request came over the owner's socket. Needed for requests that name files of this machine.
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

    /// The caller of a tool: the requester, or the agent that the requester names. The operator of the agent may
    /// do that, and over the owner's socket an administrator. An approval of the call names the requester.
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
        Ok(Caller::Spoken {
            agent,
            by: by.id,
            channel: self.channel().into(),
        })
    }

    /// Decides whether `user` may call as an agent, and records it unless the user is its operator. Unknown agents
    /// are refused by the gate.
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
        // If the authentication layer is missing, every request is refused.
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

/// The number of results where a query names no `limit`.
pub(super) fn usual<T: From<u8>, const N: u8>() -> T {
    N.into()
}

/// The query, parsed. An unknown key is refused.
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

/// A JSON body, parsed. A duplicate or unknown key is refused.
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
            // The error and its position, without the contents of the body.
            let text = error.to_string();
            let detail = match error.classify() {
                serde_json::error::Category::Data => tollgate::text::printable(&text, 300),
                _ => format!(
                    "the body is not JSON (line {}, column {})",
                    error.line(),
                    error.column()
                ),
            };
            Problem::new(StatusCode::BAD_REQUEST, "invalid_body", detail)
        })
    }
}
