//! The gate's answer: JSON, or a problem.

use axum::http::{StatusCode, header, response::Parts};
use hyper::body::Bytes;
use serde::de::DeserializeOwned;
use tollgate_server::problem::{LEAVING, Problem};

use crate::error::Failure;

/// A response.
#[derive(Debug)]
pub(super) struct Response {
    status: StatusCode,
    is_problem: bool,
    /// Whether the owner stops while a call waits, so that the request must be repeated immediately.
    pub(super) is_interrupted: bool,
    body: Bytes,
}

impl Response {
    pub(super) fn new(parts: &Parts, body: Bytes) -> Self {
        let header = |name| parts.headers.get(name).map(|value| value.as_bytes());
        Self {
            status: parts.status,
            is_problem: header(header::CONTENT_TYPE) == Some(b"application/problem+json"),
            is_interrupted: header(header::RETRY_AFTER) == Some(b"0"),
            body,
        }
    }

    /// A response without a body.
    pub(super) fn nothing() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            is_problem: false,
            is_interrupted: false,
            body: Bytes::new(),
        }
    }

    /// Whether the call was not accepted because the gate is about to stop.
    pub(super) fn is_leaving(&self) -> bool {
        self.problem()
            .is_some_and(|problem| problem.code == LEAVING)
    }

    fn problem(&self) -> Option<Problem> {
        let problem = self.is_problem.then(|| serde_json::from_slice(&self.body));
        problem?.ok()
    }

    /// The body, parsed.
    ///
    /// # Errors
    /// The problem details of the response, or that its body is not understood.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if let Some(problem) = self.problem() {
            return Err(problem.into());
        }
        let body: &[u8] = match self.status {
            StatusCode::NO_CONTENT => b"null",
            _ => &self.body,
        };
        serde_json::from_slice(body).map_err(|_| {
            Failure::plain(format!(
                "the gate answered with status {}, and this version does not understand it",
                self.status
            ))
            .help("use the same version everywhere")
        })
    }
}
