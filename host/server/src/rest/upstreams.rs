//! Acceptance of the definitions of upstream MCP servers.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    routing::{MethodRouter, post},
};
use http::StatusCode;
use serde::Deserialize;
use tollgate_model::canonical::Sha256Digest;
use utoipa::ToSchema;

use super::{
    Rest,
    body::{Body, Requester},
};
use crate::problem::Problem;

/// The most servers in one request.
const MAX_OFFERS: usize = 64;

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![("/v1/upstreams/accept", post(accept))]
}

/// The definitions to accept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Acceptance {
    /// Each server, with the digest of the definitions that were shown.
    offers: Vec<Offer>,
}

/// The definitions of a server.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Offer {
    /// The server, as the configuration names it.
    name: String,
    /// The digest of its definitions.
    #[schema(value_type = String)]
    digest: Sha256Digest,
}

/// Accept the definitions of upstream servers, if they still offer those that were shown, and put them into force.
/// If configuration or policies differ from those in force, the permission `activate_policies` is needed as well.
#[utoipa::path(post, path = "/v1/upstreams/accept", tag = "operating", request_body = Acceptance, responses(
    (status = 204, description = "It is accepted, and in force"),
    (status = 400, description = "It names no server, or too many", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 409, description = "A server offers something else now, or it does not load", body = Problem),
))]
pub(super) async fn accept(
    State(rest): State<Rest>,
    who: Requester,
    Body(body): Body<Acceptance>,
) -> Result<StatusCode, Problem> {
    let user = who.user()?;
    who.admit()?;
    let seen = distinct(body.offers)?;
    rest.gate.accept_upstream(&user, &seen).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The offers without duplicates; two different offers of one server are refused.
fn distinct(offers: Vec<Offer>) -> Result<Vec<(String, Sha256Digest)>, Problem> {
    if offers.is_empty() || offers.len() > MAX_OFFERS {
        return Err(Problem::invalid(format!(
            "name from 1 to {MAX_OFFERS} servers, each with the digest of its offer"
        )));
    }
    let mut distinct = BTreeMap::new();
    for Offer { name, digest } in offers {
        if distinct
            .insert(name.clone(), digest)
            .is_some_and(|other| other != digest)
        {
            let name = tollgate::text::printable(&name, 80);
            return Err(Problem::invalid(format!(
                "`{name}` is named with two different digests"
            )));
        }
    }
    Ok(distinct.into_iter().collect())
}
