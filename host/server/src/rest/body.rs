//! What a request brings: who makes it, and its body, read strictly and within limits.

use std::time::Duration;

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
};
use http::{StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;
use tollgate_model::entity::Uid;

use crate::{
    auth::{Auth, AuthenticatedCaller},
    problem::Problem,
};

/// Bytes of a body at most.
pub(super) const MAX_BODY: usize = 1 << 20;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(15);

/// Who makes the request.
pub(super) struct Requester {
    pub(super) authenticated: AuthenticatedCaller,
    auth: Auth,
}

impl Requester {
    /// The person. Nobody else administers.
    pub(super) fn user(&self) -> Result<Uid, Problem> {
        self.authenticated.user().ok_or_else(|| {
            let detail = "only people may do this; an agent's token never does";
            Problem::new(StatusCode::FORBIDDEN, "people_only", detail)
        })
    }

    /// Count a request that may cost the ledger a record.
    pub(super) fn admit(&self) -> Result<(), Problem> {
        Ok(self.auth.admit(&self.authenticated.caller)?)
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
        let reading = tokio::time::timeout(PATIENCE, to_bytes(request.into_body(), MAX_BODY));
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
                        format!("a body has at most {MAX_BODY} bytes"),
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
