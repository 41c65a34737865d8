//! OAuth 2.0 Protected Resource Metadata (RFC 9728): where a client gets a token for this gate. Public.

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{StatusCode, Uri};
use serde_json::json;
use tollgate::gate::Gate;
use url::Url;

use crate::problem::Problem;

/// RFC 9728, section 3.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The URL of a resource's metadata: the well-known path before the resource's path (RFC 9728, section 3.1).
pub(super) fn url(resource: &Url) -> Url {
    let mut url = resource.clone();
    let path = resource.path().trim_end_matches('/');
    url.set_path(&format!("{WELL_KNOWN}{path}"));
    url
}

/// The route of the metadata, with and without the path of the resource. 404 if no issuer is configured.
pub fn router(gate: &Gate) -> Router {
    Router::new()
        .route(WELL_KNOWN, get(metadata))
        .route(&format!("{WELL_KNOWN}/{{*path}}"), get(metadata))
        .with_state(gate.clone())
}

async fn metadata(State(gate): State<Gate>, uri: Uri) -> Response {
    let ruleset = gate.ruleset();
    let nothing = || Problem::not_found("there is no metadata here").into_response();
    let Some(oauth) = &ruleset.config.serve.oauth else {
        return nothing();
    };
    let asked = uri.path().trim_end_matches('/');
    if asked != WELL_KNOWN && asked != url(&oauth.resource).path() {
        return nothing();
    }
    let metadata = json!({
        "resource": oauth.resource.as_str(),
        "authorization_servers": [oauth.issuer],
        "bearer_methods_supported": ["header"],
        "scopes_supported": oauth.scopes,
        "resource_name": format!("Tollgate {}", ruleset.config.gate.name),
    });
    (StatusCode::OK, Json(metadata)).into_response()
}

#[cfg(test)]
mod tests;
