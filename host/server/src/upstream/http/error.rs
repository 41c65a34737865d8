//! What goes wrong over HTTP, and whether the server has taken the request nevertheless.

use http::{HeaderMap, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822};
use serde_json::Value;
use tollgate::{secrets::Vault, text::printable};

/// Bytes of a server's words.
const MAX_WORDS: usize = 300;
/// Seconds of a pause that are believed.
const MAX_PAUSE: i64 = 24 * 60 * 60;
/// Codes of JSON-RPC errors by which servers say that they know no such session.
const SESSION_CODES: &[i32] = &[-32000, -32001, -32600];
/// How they put it.
const SESSION_WORDS: &[&str] = &[
    "not found",
    "no valid",
    "not valid",
    "invalid",
    "unknown",
    "expired",
    "terminated",
    "missing",
    "not initialized",
    "not exist",
    "no session",
    "closed",
];

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(in super::super) struct HttpError {
    /// In the gate's words.
    pub(in super::super) why: String,
    /// In the server's: untrusted, printable, without the secrets of this gate.
    pub(in super::super) said: Option<String>,
    /// Whether the request may have had an effect.
    pub(in super::super) delivery: Delivery,
    /// The status, where there was an answer.
    pub(in super::super) status: Option<StatusCode>,
    /// Whether the server knows the session no more.
    pub(in super::super) session_lost: bool,
}

/// Whether a request without an answer may have had an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Delivery {
    /// Not a byte of it was sent.
    Unsent,
    /// The server has refused to take it.
    NotTaken,
    /// The server may have carried it out.
    Unknown,
}

impl HttpError {
    pub(super) fn new(delivery: Delivery, why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            said: None,
            delivery,
            status: None,
            session_lost: false,
        }
    }

    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Self::new(Delivery::Unknown, why)
    }

    /// Of an exchange that failed.
    pub(super) fn of_exchange(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            Self::new(Delivery::Unsent, "no connection to it comes about")
        } else if error.is_builder() {
            Self::new(Delivery::Unsent, "the request cannot be made")
        } else {
            Self::unknown("the connection broke before the answer")
        }
    }
}

/// An answer that refuses a request.
#[derive(Debug)]
pub(super) struct Refusal<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    /// The beginning of its body.
    pub(super) body: &'a str,
    /// Whether the request named a session.
    pub(super) in_session: bool,
    /// What the operator looks at where credentials are not accepted.
    pub(super) credentials: &'a str,
    /// What is taken out of its words.
    pub(super) secrets: &'a Vault,
}

impl Refusal<'_> {
    /// What it means.
    pub(super) fn error(&self) -> HttpError {
        let status = self.status;
        let (delivery, why) = self.meaning();
        let body = self.body.trim();
        HttpError {
            session_lost: self.is_about_session(),
            status: Some(status),
            said: (!body.is_empty()).then(|| printable(&self.secrets.scrub_text(body), MAX_WORDS)),
            ..HttpError::new(delivery, why)
        }
    }

    fn meaning(&self) -> (Delivery, String) {
        let code = self.status.as_u16();
        if self.is_about_session() {
            // A server that is in trouble says so after it has done something, too.
            let delivery = match self.status.is_client_error() {
                true => Delivery::NotTaken,
                false => Delivery::Unknown,
            };
            let why =
                format!("its session has ended (HTTP {code}); the next call begins a new one");
            return (delivery, why);
        }
        let (delivery, why) = match self.status {
            StatusCode::UNAUTHORIZED => (
                Delivery::NotTaken,
                format!(
                    "it does not accept the credentials (HTTP 401): {}",
                    self.credentials
                ),
            ),
            StatusCode::FORBIDDEN => (
                Delivery::NotTaken,
                format!(
                    "the credentials do not suffice (HTTP 403): {}",
                    self.credentials
                ),
            ),
            StatusCode::TOO_MANY_REQUESTS => {
                let again = self.again().unwrap_or_else(|| "later".into());
                (
                    Delivery::NotTaken,
                    format!("it has too much to do (HTTP 429): try again {again}"),
                )
            }
            StatusCode::SERVICE_UNAVAILABLE if self.again().is_some() => {
                let again = self.again().unwrap_or_default();
                // What stands before a server says so, too, after it has handed a request on.
                (
                    Delivery::Unknown,
                    format!("it is not available (HTTP 503): try again {again}"),
                )
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => (
                Delivery::NotTaken,
                format!("there is no MCP endpoint at its `url` (HTTP {code})"),
            ),
            StatusCode::METHOD_NOT_ALLOWED => (
                Delivery::NotTaken,
                "its `url` takes no messages (HTTP 405)".to_owned(),
            ),
            StatusCode::REQUEST_TIMEOUT => {
                (Delivery::Unknown, "it has given up (HTTP 408)".to_owned())
            }
            status if status.is_client_error() => (
                Delivery::NotTaken,
                format!("it does not take the request (HTTP {code})"),
            ),
            _ => (Delivery::Unknown, format!("it failed (HTTP {code})")),
        };
        (delivery, why)
    }

    /// Whether it says that the session of the request is not known.
    fn is_about_session(&self) -> bool {
        if !self.in_session {
            return false;
        }
        match self.status {
            // MCP, "Session Management".
            StatusCode::NOT_FOUND | StatusCode::GONE => true,
            StatusCode::BAD_REQUEST
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::CONFLICT => is_about_session(self.body),
            _ => false,
        }
    }

    /// When it says to try again.
    fn again(&self) -> Option<String> {
        let value = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        let seconds = match value.parse::<i64>() {
            Ok(seconds) => seconds,
            Err(_) => {
                let date = rfc2822::parse(value).ok()?.timestamp();
                date.as_second() - Timestamp::now().as_second()
            }
        };
        Some(format!("in {} s", seconds.clamp(0, MAX_PAUSE)))
    }
}

/// Whether a text says that a session is gone.
fn is_about_session(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("session") && SESSION_WORDS.iter().any(|words| text.contains(words))
}

/// Whether a JSON-RPC error is about the connection's session. A tool may have sessions of its own, so the code
/// counts, too.
pub(in super::super) fn is_session_error(code: i32, message: &str) -> bool {
    SESSION_CODES.contains(&code) && is_about_session(message)
}

/// The JSON-RPC error in a body: its code and its message.
pub(super) fn error_in(body: &str) -> Option<Value> {
    let body: Value = serde_json::from_str(body).ok()?;
    let error = body.get("error")?;
    (error.get("code")?.is_i64() && error.get("message")?.is_string()).then(|| error.clone())
}

#[cfg(test)]
mod tests;
