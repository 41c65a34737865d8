//! Decisions and acts of operators, for users.

#![expect(
    unused_qualifications,
    reason = "written by the macro that describes handlers"
)]

use std::{collections::HashMap, ops::ControlFlow};

use axum::{
    Json,
    extract::{Path, State},
    routing::{MethodRouter, get},
};
use serde::{Deserialize, Serialize};
use tollgate_ledger::RecordFilter;
use tollgate_model::{
    ids::{DecisionId, RunId},
    record::{AdminAction, DecisionRecord, Event},
    request::Action,
};
use utoipa::{IntoParams, ToSchema};

use super::{
    Rest,
    body::{QueryParameters, Requester, usual},
};
use crate::{problem::Problem, reply::Entry};

/// The most records that one request reads.
const MAX_LOOKED: usize = 100_000;

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/decisions", get(list)),
        ("/v1/decisions/{id}", get(show)),
    ]
}

/// Filters of the list of decisions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionsQuery {
    /// Only this outcome, such as `deny`.
    #[serde(default)]
    outcome: Option<String>,
    /// Only decisions that this policy determined.
    #[serde(default)]
    policy: Option<String>,
    /// Only requests of this agent, user or component.
    #[serde(default)]
    principal: Option<String>,
    /// Only entries of this run.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    run: Option<RunId>,
    /// Only entries with a smaller `index`: `next` of the previous page.
    #[serde(default)]
    before: Option<u64>,
    /// The most entries to return; at most 500.
    #[serde(default = "usual::<usize, 50>")]
    limit: usize,
}

/// Decisions and acts, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Decisions {
    decisions: Vec<Entry>,
    /// `before` of the next page; absent at the end.
    next: Option<u64>,
}

/// List decisions and acts of operators, newest first.
#[utoipa::path(get, path = "/v1/decisions", tag = "decisions", params(DecisionsQuery), responses(
    (status = 200, description = "Those of runs that policy lets this person read; others for administrators",
        body = Decisions),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "The caller is not a person", body = Problem),
))]
pub(super) async fn list(
    State(rest): State<Rest>,
    who: Requester,
    QueryParameters(query): QueryParameters<DecisionsQuery>,
) -> Result<Json<Decisions>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let found = rest.read(&who, move |gate, reader| {
        let administers = gate.is_allowed(&user, Action::Administer);
        let tenant = gate.ruleset().config.gate.tenant.clone();
        let mut readable: HashMap<RunId, bool> = HashMap::new();
        let limit = query.limit.clamp(1, 500);
        let (mut decisions, mut looked, mut next) = (Vec::new(), 0, None);
        let filter = RecordFilter {
            range: query.before.map(|before| 0..before),
            ..RecordFilter::default()
        };
        reader.records(&filter, |index, record| {
            looked += 1;
            let is = |wanted: &Option<String>, found: &str| {
                wanted.as_deref().is_none_or(|wanted| wanted == found)
            };
            let wanted = |entry: &Entry| {
                is(&query.outcome, &entry.outcome)
                    && is(&query.principal, &entry.principal)
                    && query.run.is_none_or(|run| entry.run == Some(run))
                    && query
                        .policy
                        .as_ref()
                        .is_none_or(|id| entry.policies.contains(id))
            };
            if let Some(entry) = Entry::of(index, &record).filter(wanted) {
                let may = match record.run {
                    // To administer this gate is to administer its tenant.
                    None => administers && record.tenant == tenant,
                    Some(run) => *readable.entry(run).or_insert_with(|| {
                        gate.is_allowed_on_run(&user, Action::ViewRun, run, &record.tenant)
                    }),
                };
                if may {
                    decisions.push(entry);
                }
            }
            if decisions.len() >= limit || looked >= MAX_LOOKED {
                next = Some(index).filter(|index| *index > 0);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(Decisions { decisions, next })
    });
    Ok(Json(found.await?))
}

/// A decision.
#[derive(Serialize, ToSchema)]
pub(super) struct DecisionView {
    #[schema(value_type = String)]
    id: DecisionId,
    tenant: String,
    #[schema(value_type = Option<String>)]
    run: Option<RunId>,
    /// Microseconds since 1970.
    time: i64,
    /// The record; arguments and facts are digests.
    #[schema(value_type = Object)]
    decision: Box<DecisionRecord>,
}

/// Show everything about one decision. Reading it is decided and recorded.
#[utoipa::path(get, path = "/v1/decisions/{id}", tag = "decisions", params(("id" = String, Path)), responses(
    (status = 200, description = "The decision", body = DecisionView),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person read it, or the caller is not a person", body = Problem),
    (status = 404, description = "There is none", body = Problem),
))]
pub(super) async fn show(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
) -> Result<Json<DecisionView>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let nothing = || {
        let id = tollgate::text::printable(&id, 64);
        Problem::not_found(format!("there is no decision `{id}`"))
    };
    let id: DecisionId = id.parse().map_err(|_| nothing())?;
    let reader = rest.gate.ledger().reader();
    let record = reader.record(id.0)?.ok_or_else(nothing)?;
    let own = rest.gate.ruleset().config.gate.tenant == record.tenant;
    let Event::Decision(decision) = record.event else {
        return Err(nothing());
    };
    if record.run.is_none() && !own {
        return Err(nothing());
    }
    match record.run {
        Some(run) => {
            let run = reader.run(&run.to_string())?;
            rest.gate
                .authorize_on_run(&user, Action::ViewRun, &run)
                .await?;
        }
        None => {
            let action = AdminAction::DecisionViewed;
            rest.gate.administer(&user, action, &id.to_string()).await?;
        }
    }
    Ok(Json(DecisionView {
        id,
        tenant: record.tenant,
        run: record.run,
        time: record.time.0,
        decision,
    }))
}
