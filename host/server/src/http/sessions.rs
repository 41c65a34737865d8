//! Sessions of MCP before 2026-07-28: their owners and limits.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rmcp::transport::streamable_http_server::session::{SessionId, local::LocalSessionManager};
use serde::de::IgnoredAny;
use serde_json::{json, value::RawValue};
use sha2::Sha256;
use tollgate_model::entity::Uid;

use super::{MAX_BODY, busy, refused};
use crate::{
    auth::{Auth, AuthenticatedCaller},
    depth::too_deep,
    problem::Problem,
};

/// The most sessions. A session ends after five idle minutes.
const MAX_SESSIONS: usize = 10_000;
/// The most sessions of one principal.
const MAX_OF_ONE: usize = 2_500;
/// The header that names a session.
const SESSION: &str = "mcp-session-id";

/// The sessions and their owners.
pub(super) struct Sessions {
    open: Arc<LocalSessionManager>,
    of: Mutex<HashMap<Uid, HashSet<SessionId>>>,
    /// The key that signs session ids.
    key: Vec<u8>,
}

impl Sessions {
    pub(super) fn new(open: Arc<LocalSessionManager>, key: Vec<u8>) -> Arc<Self> {
        Arc::new(Self {
            open,
            of: Mutex::default(),
            key,
        })
    }

    /// Whether this principal may begin another session.
    async fn has_room(&self, principal: &Uid) -> bool {
        let open = self.open.sessions.read().await;
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let own = of.entry(principal.clone()).or_default();
        own.retain(|id| open.contains_key(id));
        open.len() < MAX_SESSIONS && own.len() < MAX_OF_ONE
    }

    fn began(&self, principal: Uid, headers: &HeaderMap) {
        if let Some(id) = headers.get(SESSION).and_then(|id| id.to_str().ok()) {
            let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            of.entry(principal).or_default().insert(id.into());
        }
    }

    /// The signature of a session id for a caller.
    fn signature(&self, id: &str, whose: &AuthenticatedCaller) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(id.as_bytes());
        mac.update(&[0]);
        mac.update(serde_json::to_string(&whose.caller).ok()?.as_bytes());
        let bytes = mac.finalize().into_bytes();
        Some(tollgate_model::ids::hex(bytes.get(..16)?))
    }

    fn sign(&self, headers: &mut HeaderMap, whose: &AuthenticatedCaller) {
        let signed = headers
            .get(SESSION)
            .and_then(|id| id.to_str().ok())
            .and_then(|id| Some(format!("{id}.{}", self.signature(id, whose)?)))
            .and_then(|signed| HeaderValue::from_str(&signed).ok());
        if let Some(signed) = signed {
            headers.insert(SESSION, signed);
        }
    }
}

/// The answer to a GET without a session: there is no stream of it (MCP 2025-11-25, Transports, "Listening for
/// Messages from the Server").
fn no_stream() -> Response {
    let what = "Method Not Allowed: a stream is of a session; begin one with initialize, by POST";
    let mut refused = refused(StatusCode::METHOD_NOT_ALLOWED, what);
    let allowed = HeaderValue::from_static("POST");
    refused.headers_mut().insert(header::ALLOW, allowed);
    refused
}

/// Checks the form of a message, and that its session belongs to the caller. A session's id is signed for the
/// caller that began it, so another caller's request cannot reach the session.
pub(super) async fn session(
    State(sessions): State<Arc<Sessions>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let extensions = &parts.extensions;
    let (Some(whose), Some(auth)) = (
        extensions.get::<AuthenticatedCaller>().cloned(),
        extensions.get::<Auth>().cloned(),
    ) else {
        return refused(StatusCode::UNAUTHORIZED, "Unauthorized");
    };
    // The body is in memory already: see `super::requests`.
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return refused(StatusCode::BAD_REQUEST, "Bad Request: the body ended early");
    };
    if parts.method == Method::POST && is_json(&parts.headers) {
        if too_deep(&body) {
            return protocol_error(-32600, "the body nests too deep");
        }
        if serde_json::from_slice::<IgnoredAny>(&body).is_err() {
            return protocol_error(-32700, "the body is not JSON");
        }
    }
    if parts.method == Method::GET && !parts.headers.contains_key(SESSION) {
        return no_stream();
    }
    let mut begins = None;
    if let Some(signed) = parts.headers.get(SESSION) {
        let signed = signed.to_str().unwrap_or_default();
        let own = signed.split_once('.').filter(|(id, signature)| {
            let right = sessions.signature(id, &whose);
            right.is_some_and(|right| {
                subtle::ConstantTimeEq::ct_eq(right.as_bytes(), signature.as_bytes()).into()
            })
        });
        let id = own.and_then(|(id, _)| HeaderValue::from_str(id).ok());
        let Some(id) = id else {
            let what = "Not Found: there is no such session; begin another with initialize";
            return refused(StatusCode::NOT_FOUND, what);
        };
        let is_open = match id.to_str() {
            Ok(id) => sessions.open.sessions.read().await.contains_key(id),
            Err(_) => false,
        };
        if parts.method == Method::DELETE && !is_open {
            let what = "Not Found: this session has ended before";
            return refused(StatusCode::NOT_FOUND, what);
        }
        parts.headers.insert(SESSION, id);
    } else if initializes(&body) {
        let principal = whose.caller.principal();
        if let Err(busy) = auth.admit(&whose.caller) {
            return Problem::from(busy).into_response();
        }
        if !sessions.has_room(&principal).await {
            return busy();
        }
        begins = Some(principal);
    }
    let mut response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if let Some(principal) = begins {
        sessions.began(principal, response.headers());
    }
    sessions.sign(response.headers_mut(), &whose);
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| {
            let kind = kind.trim().to_ascii_lowercase();
            kind.starts_with("application/json")
        })
}

/// Whether a message begins a session, by its body alone. Of duplicate keys the last one counts, as for the
/// parser that reads it next.
fn initializes(body: &[u8]) -> bool {
    let message: Result<HashMap<Cow<'_, str>, &RawValue>, _> = serde_json::from_slice(body);
    let message = message.unwrap_or_default();
    let method = message.get("method");
    method.is_some_and(|method| {
        serde_json::from_str::<String>(method.get()).is_ok_and(|method| method == "initialize")
    })
}

/// A JSON-RPC error without a request id (JSON-RPC 2.0, section 5).
fn protocol_error(code: i32, message: &str) -> Response {
    let body = json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}});
    (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
}

#[cfg(test)]
mod tests;
