//! Events of coding agents that their hook does not know.

use axum::{
    extract::State,
    routing::{MethodRouter, post},
};
use http::StatusCode;
use serde::Deserialize;
use tollgate::config::ExternalPreset;
use utoipa::ToSchema;

use super::{
    Rest,
    body::{Body, Requester},
};
use crate::problem::Problem;

/// The longest part of an event's name in a log, in characters.
const MAX_NAME: usize = 64;

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![("/v1/hook-events", post(unknown_event))]
}

/// An event that the hook does not know.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnknownEvent {
    /// The coding agent, such as `claude-code`.
    preset: String,
    /// The event, as the coding agent names it.
    event: String,
}

/// Tell that a coding agent has an event that its hook does not know. It is counted in the metrics and logged;
/// nothing is decided.
#[utoipa::path(post, path = "/v1/hook-events", tag = "external", request_body = UnknownEvent, responses(
    (status = 204, description = "It is counted"),
    (status = 400, description = "There is no such coding agent", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 429, description = "The caller asks too often", body = Problem),
))]
pub(super) async fn unknown_event(
    State(rest): State<Rest>,
    who: Requester,
    Body(body): Body<UnknownEvent>,
) -> Result<StatusCode, Problem> {
    who.admit()?;
    let mut presets = ExternalPreset::ALL.iter().copied();
    let preset = presets.find(|preset| preset.as_str() == body.preset);
    let preset = preset.ok_or_else(|| {
        let given = tollgate::text::printable(&body.preset, MAX_NAME);
        Problem::invalid(format!("`preset`: there is no `{given}`"))
    })?;
    rest.server()?.unknown_events().count(preset);
    tracing::warn!(
        target: "tollgate::hook",
        preset = preset.as_str(),
        event = tollgate::text::printable(&body.event, MAX_NAME),
        "the hook does not know this event"
    );
    Ok(StatusCode::NO_CONTENT)
}
