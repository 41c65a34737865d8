//! The middleware that authenticates requests. A refusal says how to authenticate (RFC 6750, section 3).

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, header};

use super::{
    Auth, AuthError, metadata,
    peer::{HookPeer, PeerCredentials, PeerError},
};
use crate::problem::Problem;

/// Adds authentication to every route of `router`. Handlers find [`super::AuthenticatedCaller`] and [`Auth`]
/// among the extensions of a request.
pub fn protect(router: Router, auth: Auth) -> Router {
    router.layer(from_fn_with_state(auth, check))
}

async fn check(State(auth): State<Auth>, mut request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    let peer = extensions.get::<PeerCredentials>().copied();
    let hook = extensions.get::<HookPeer>().copied();
    let authenticated = match (hook, peer) {
        (Some(hook), _) => auth.authenticate_hook(hook, request.headers()),
        (None, Some(peer)) => auth.authenticate_peer(peer, request.headers()).await,
        (None, None) => auth.authenticate(request.headers()).await,
    };
    match authenticated {
        Ok(authenticated) => {
            request.extensions_mut().insert(authenticated);
            request.extensions_mut().insert(auth);
            next.run(request).await
        }
        Err(error) => refused(&auth, &error),
    }
}

pub(super) fn refused(auth: &Auth, error: &AuthError) -> Response {
    let (status, code, reason) = match error {
        AuthError::Missing => (StatusCode::UNAUTHORIZED, "unauthenticated", None),
        AuthError::Malformed(_) => (
            StatusCode::BAD_REQUEST,
            "invalid_request",
            Some("invalid_request"),
        ),
        AuthError::Invalid(_) => (
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            Some("invalid_token"),
        ),
        AuthError::Scope(_) => (
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            Some("insufficient_scope"),
        ),
        AuthError::Unknown(_) => (StatusCode::FORBIDDEN, "unknown_principal", None),
        AuthError::Peer(error) => return refused_peer(error),
        AuthError::Unavailable(_) => {
            let mut response = Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                error.to_string(),
            )
            .into_response();
            let later = HeaderValue::from_static("10");
            response.headers_mut().insert(header::RETRY_AFTER, later);
            return response;
        }
    };
    let mut challenge = String::from("Bearer realm=\"tollgate\"");
    let mut add = |name: &str, value: &str| {
        challenge.push_str(&format!(", {name}=\"{}\"", quotable(value)));
    };
    if let Some(reason) = reason {
        add("error", reason);
        add("error_description", &error.to_string());
    }
    if let AuthError::Scope(scope) = error {
        add("scope", scope);
    }
    if let Some(oauth) = &auth.gate().ruleset().config.serve.oauth {
        add("resource_metadata", metadata::url(&oauth.resource).as_str());
    }
    let mut response = Problem::new(status, code, error.to_string()).into_response();
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The answer to a peer of a Unix socket. It asks for no credentials, because none would help.
fn refused_peer(error: &PeerError) -> Response {
    let (status, code) = match error {
        PeerError::OtherUser { .. } => (StatusCode::FORBIDDEN, "other_user"),
        PeerError::NoLogin { .. } | PeerError::NoAgent { .. } => {
            (StatusCode::FORBIDDEN, "unknown_login")
        }
        PeerError::OtherToken { .. } => (StatusCode::FORBIDDEN, "other_token"),
        PeerError::System { .. } | PeerError::SharedLogin { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
    };
    let problem = Problem::new(status, code, error.to_string());
    match error.help() {
        Some(help) => problem.help(help),
        None => problem,
    }
    .into_response()
}

/// `text` as the contents of a quoted string in a header.
fn quotable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' | '\\' => '\'',
            ' '..='~' => c,
            _ => '?',
        })
        .collect()
}
