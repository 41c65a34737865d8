//! Statistics across runs, for users.

#![expect(
    unused_qualifications,
    reason = "written by the macro that describes handlers"
)]

use std::collections::HashMap;

use axum::{
    Json,
    extract::State,
    routing::{MethodRouter, get},
};
use http::StatusCode;
use serde::Deserialize;
use tollgate::stats::{CostFilter, policy_costs};
use tollgate_model::{ids::RunId, request::Action, time::Timestamp};
use utoipa::IntoParams;

use super::{
    Rest,
    body::{QueryParameters, Requester},
};
use crate::{problem::Problem, reply::PolicyCosts};

/// The most records that one request reads.
const MAX_LOOKED: u64 = 1_000_000;

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![("/v1/stats/policies", get(costs))]
}

/// The records that count.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StatsQuery {
    /// Only from this time on, in microseconds since 1970.
    #[serde(default)]
    since: Option<i64>,
    /// Only before this time, in microseconds since 1970.
    #[serde(default)]
    until: Option<i64>,
    /// Only calls of this tool.
    #[serde(default)]
    tool: Option<String>,
}

/// What each policy cost people: questions, answers, waits, and calls that were approved in advance.
#[utoipa::path(get, path = "/v1/stats/policies", tag = "operating", params(StatsQuery), responses(
    (status = 200, description = "Of the runs that policy lets this person read", body = PolicyCosts),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "The caller is not a person", body = Problem),
    (status = 413, description = "These are too many records: ask for a shorter time", body = Problem),
))]
pub(super) async fn costs(
    State(rest): State<Rest>,
    who: Requester,
    QueryParameters(query): QueryParameters<StatsQuery>,
) -> Result<Json<PolicyCosts>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let (since, until) = (query.since.map(Timestamp), query.until.map(Timestamp));
    let filter = CostFilter {
        since,
        until,
        tool: query.tool,
        most: Some(MAX_LOOKED),
    };
    let found = rest.read(&who, move |gate, reader| {
        let mut readable: HashMap<RunId, bool> = HashMap::new();
        let costs = policy_costs(reader, &filter, |run, tenant| {
            *readable
                .entry(run)
                .or_insert_with(|| gate.is_allowed_on_run(&user, Action::ViewRun, run, tenant))
        })?;
        costs.ok_or_else(|| {
            let detail = format!(
                "these are more than {MAX_LOOKED} records: ask for a shorter time with `since` and `until`"
            );
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
        })
    });
    Ok(Json(PolicyCosts {
        since,
        until,
        policies: found.await?,
    }))
}
