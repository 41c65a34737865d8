//! Limits of authenticated requests: concurrency, and size and time of bodies.
//!
//! Agents and users have separate capacity, and each agent has a limit of its own. So agents cannot keep a user
//! from rejecting or halting.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tollgate::identity::Caller;

use super::{GuardedBody, MAX_BODY, busy, refused};
use crate::{
    auth::{
        AuthenticatedCaller,
        concurrency::{ConcurrencyLimit, ConcurrencyPermit},
    },
    limits::SLOWEST,
    mcp::Connection,
    otlp,
};

/// Concurrent requests of agents, and as many of users.
const MAX_REQUESTS: usize = 1024;
/// Concurrent requests of one principal.
const MAX_OF_ONE: usize = 256;

/// The requests in flight.
pub(super) struct Requests {
    agents: Semaphore,
    people: Semaphore,
    each: Arc<ConcurrencyLimit>,
}

impl Requests {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            agents: Semaphore::new(MAX_REQUESTS),
            people: Semaphore::new(MAX_REQUESTS),
            each: ConcurrencyLimit::new(MAX_OF_ONE),
        })
    }

    /// Takes a slot for a request of this caller until the result is dropped. `None` if a limit is reached.
    fn enter(&self, caller: &Caller) -> Option<(ConcurrencyPermit, SemaphorePermit<'_>)> {
        let all = match caller {
            Caller::User(_) => &self.people,
            _ => &self.agents,
        };
        Some((self.each.enter(caller)?, all.try_acquire().ok()?))
    }
}

/// Takes a slot and reads the body. Comes after authentication, so strangers take neither.
pub(super) async fn admitted(
    State(requests): State<Arc<Requests>>,
    request: Request,
    next: Next,
) -> Response {
    let who = request.extensions().get::<AuthenticatedCaller>();
    let Some(_entered) = who.and_then(|who| requests.enter(&who.caller)) else {
        return busy();
    };
    let (mut parts, body) = request.into_parts();
    if otlp::is_otlp(parts.uri.path()) {
        // OTLP has its own limits: larger bodies, and fewer of them.
        return next.run(Request::from_parts(parts, body)).await;
    }
    let body = match tokio::time::timeout(SLOWEST, whole(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(response)) => return response,
        Err(_) => {
            let what = "Request Timeout: the body took too long";
            return refused(StatusCode::REQUEST_TIMEOUT, what);
        }
    };
    let gone = CancellationToken::new();
    parts.extensions.insert(Connection(gone.clone()));
    // Dropped with the request while it is answered, later with the body of the response.
    let connection = gone.drop_guard();
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    response.map(|body| GuardedBody::with(body, connection))
}

async fn whole(body: Body) -> Result<Bytes, Response> {
    let limited = http_body_util::Limited::new(body, MAX_BODY);
    match limited.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let what = format!("Payload Too Large: a body has at most {MAX_BODY} bytes");
            Err(refused(StatusCode::PAYLOAD_TOO_LARGE, what))
        }
        Err(_) => Err(refused(
            StatusCode::BAD_REQUEST,
            "Bad Request: the body ended early",
        )),
    }
}

#[cfg(test)]
mod tests;
