//! Health and readiness. Public, so they reveal nothing else.

use axum::{
    Json,
    extract::State,
    routing::{MethodRouter, get},
};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Rest;
use crate::problem::Problem;

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![("/healthz", get(health)), ("/readyz", get(ready))]
}

/// The state of the process.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: &'static str,
}

/// Whether the process is alive.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses(
    (status = 200, description = "It lives", body = Health),
))]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether calls can be decided and recorded.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses(
    (status = 200, description = "They can", body = Health),
    (status = 503, description = "They cannot: every call is denied", body = Problem),
))]
pub(super) async fn ready(State(rest): State<Rest>) -> Result<Json<Health>, Problem> {
    rest.gate.ledger().ready().await.map_err(|_| {
        let detail = "the ledger takes no records; every call is denied";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail)
    })?;
    Ok(Json(Health { status: "ready" }))
}
