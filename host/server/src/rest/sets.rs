//! Named sets of runs, for users.

use axum::{
    Json,
    extract::{Path, State},
    routing::{MethodRouter, delete, post},
};
use serde::Deserialize;
use serde_json::Value;
use tollgate_model::ids::RunId;
use utoipa::ToSchema;

use super::{
    Rest,
    body::{Body, Requester},
    review::keep,
};
use crate::{problem::Problem, review::RunNote};

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/sets", post(create)),
        ("/v1/sets/{set}", delete(remove)),
        ("/v1/sets/{set}/runs", post(add)),
        ("/v1/sets/{set}/runs/{run}", delete(take)),
    ]
}

/// A new set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSet {
    /// Its name.
    set: String,
    /// The purpose of the set.
    #[serde(default)]
    about: String,
}

/// Make a set.
#[utoipa::path(post, path = "/v1/sets", tag = "sets", request_body = NewSet, responses(
    (status = 200, description = "{set}", body = Object),
    (status = 400, description = "There is one of this name, or it is not a name", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "The caller is not a person", body = Problem),
))]
pub(super) async fn create(
    State(rest): State<Rest>,
    who: Requester,
    Body(NewSet { set, about }): Body<NewSet>,
) -> Result<Json<Value>, Problem> {
    keep(&rest, &who, RunNote::MakeSet { set, about }).await
}

/// Remove a set. Its runs are kept. Removing another user's set needs the permission `administer`.
#[utoipa::path(delete, path = "/v1/sets/{set}", tag = "sets", params(("set" = String, Path)), responses(
    (status = 200, description = "{set, removed}", body = Object),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "It is another person's, or the caller is not a person", body = Problem),
    (status = 404, description = "There is none", body = Problem),
))]
pub(super) async fn remove(
    State(rest): State<Rest>,
    who: Requester,
    Path(set): Path<String>,
) -> Result<Json<Value>, Problem> {
    keep(&rest, &who, RunNote::RemoveSet { set }).await
}

/// Runs for a set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetRuns {
    /// Their ids.
    #[schema(value_type = Vec<String>)]
    runs: Vec<RunId>,
}

/// Put runs into a set.
#[utoipa::path(post, path = "/v1/sets/{set}/runs", tag = "sets", params(("set" = String, Path)),
    request_body = SetRuns, responses(
    (status = 200, description = "{set, added}", body = Object),
    (status = 400, description = "It would have too many", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person annotate a run, or the caller is not a person", body = Problem),
    (status = 404, description = "There is no such set, or no such run", body = Problem),
))]
pub(super) async fn add(
    State(rest): State<Rest>,
    who: Requester,
    Path(set): Path<String>,
    Body(SetRuns { runs }): Body<SetRuns>,
) -> Result<Json<Value>, Problem> {
    keep(&rest, &who, RunNote::AddToSet { set, runs }).await
}

/// Take a run out of a set.
#[utoipa::path(delete, path = "/v1/sets/{set}/runs/{run}", tag = "sets",
    params(("set" = String, Path), ("run" = String, Path)), responses(
    (status = 200, description = "{set, taken}", body = Object),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person annotate the run, or the caller is not a person", body = Problem),
    (status = 404, description = "There is no such set, or the run is not in it", body = Problem),
))]
pub(super) async fn take(
    State(rest): State<Rest>,
    who: Requester,
    Path((set, run)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let run: RunId = run.parse().map_err(|_| {
        let run = tollgate::text::printable(&run, 64);
        Problem::not_found(format!("there is no run `{run}`"))
    })?;
    keep(&rest, &who, RunNote::TakeFromSet { set, run }).await
}
