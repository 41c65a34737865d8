//! Standing approvals: the list, one of them, and its end. They are given with an answer to an approval.

#![expect(
    unused_qualifications,
    reason = "written by the macro that describes handlers"
)]

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
    routing::{MethodRouter, get, post},
};
use serde::Deserialize;
use tollgate::enforce::StandingRequest;
use tollgate_ledger::StandingFilter;
use tollgate_model::{
    ids::StandingId,
    life::StandingState,
    standing::{Allowance, StandingScope},
};
use utoipa::{IntoParams, ToSchema};

use super::{
    Rest,
    body::{Body, QueryParameters, Requester, usual},
};
use crate::{
    problem::Problem,
    reply::{self, StandingApprovalView, StandingRevoked},
};

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/standing-approvals", get(list)),
        ("/v1/standing-approvals/{id}", get(show)),
        ("/v1/standing-approvals/{id}/revoke", post(revoke)),
    ]
}

/// What is approved besides the call that waits: the calls like it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StandingTerms {
    /// What may differ from the waiting call, by the JSON pointer of the argument: `"any"`,
    /// `{"at_most": 100}`, `{"prefix": "/srv/docs/"}` or `{"one_of": ["EUR", "USD"]}`. All else is as in the
    /// call.
    #[serde(default)]
    #[schema(value_type = Object)]
    arguments: BTreeMap<String, Allowance>,
    /// How long it counts, in seconds.
    lifetime: u64,
    /// `run`: only calls of this run; `principal`: those of any run of the same principal for the same user.
    #[serde(default = "this_run")]
    #[schema(value_type = String)]
    scope: StandingScope,
    /// How many calls it may allow; the waiting one is not among them.
    uses: u64,
}

fn this_run() -> StandingScope {
    StandingScope::Run
}

impl From<StandingTerms> for StandingRequest {
    fn from(terms: StandingTerms) -> Self {
        Self {
            arguments: terms.arguments,
            lifetime: Duration::from_secs(terms.lifetime),
            scope: terms.scope,
            uses: terms.uses,
        }
    }
}

/// Filters of the list of standing approvals.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StandingQuery {
    /// Also those that no longer count.
    #[serde(default)]
    all: bool,
    /// The most to return; at most 1000.
    #[serde(default = "usual::<u64, 100>")]
    limit: u64,
}

/// List standing approvals, the newest first.
#[utoipa::path(get, path = "/v1/standing-approvals", tag = "standing", params(StandingQuery), responses(
    (status = 200, description = "Those for the caller's calls, and for people those that they gave, may answer for or read", body = [StandingApprovalView]),
    (status = 401, description = "No credential that counts", body = Problem),
))]
pub(super) async fn list(
    State(rest): State<Rest>,
    who: Requester,
    QueryParameters(query): QueryParameters<StandingQuery>,
) -> Result<Json<Vec<StandingApprovalView>>, Problem> {
    who.admit()?;
    let caller = who.authenticated.caller.clone();
    let filter = StandingFilter {
        active: !query.all,
        principal: who.own_principal(),
        limit: Some(query.limit.min(1000)),
    };
    let views = rest.read(&who, move |gate, reader| {
        let seen = reader.visible_standing(&filter, |row| gate.sees_standing(&caller, row))?;
        let views = seen.into_iter().map(|row| {
            let mut view = StandingApprovalView::from(row);
            reply::explain(gate, &mut view.policies);
            view
        });
        Ok(views.collect())
    });
    Ok(Json(views.await?))
}

/// Show a standing approval, and what it has allowed.
#[utoipa::path(get, path = "/v1/standing-approvals/{id}", tag = "standing", params(("id" = String, Path)), responses(
    (status = 200, description = "With its pattern, for those who may answer for such calls", body = StandingApprovalView),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
))]
pub(super) async fn show(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
) -> Result<Json<StandingApprovalView>, Problem> {
    who.admit()?;
    let (gate, id) = (&rest.gate, parse(&id)?);
    let mut view = match who.authenticated.user() {
        Some(user) => StandingApprovalView::from(gate.standing(&user, id).await?),
        None => {
            let row = gate.ledger().reader().standing_approval(id)?;
            let row = row.filter(|row| gate.sees_standing(&who.authenticated.caller, row));
            row.ok_or_else(|| unknown(&id.to_string()))?.into()
        }
    };
    reply::explain(gate, &mut view.policies);
    Ok(Json(view))
}

fn unknown(id: &str) -> Problem {
    let id = tollgate::text::printable(id, 64);
    Problem::not_found(format!("there is no standing approval `{id}`"))
}

fn parse(id: &str) -> Result<StandingId, Problem> {
    id.parse().map_err(|_| unknown(id))
}

/// The end of a standing approval by a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    /// A note to record.
    #[serde(default)]
    note: Option<String>,
}

/// End a standing approval at once. Who may reject such calls may do this.
#[utoipa::path(post, path = "/v1/standing-approvals/{id}/revoke", tag = "standing", params(("id" = String, Path)),
    request_body = Revocation, responses(
    (status = 200, description = "It counts no longer", body = StandingRevoked),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 404, description = "There is none", body = Problem),
    (status = 409, description = "It did not count any more", body = Problem),
))]
pub(super) async fn revoke(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
    Body(body): Body<Revocation>,
) -> Result<Json<StandingRevoked>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let id = parse(&id)?;
    let decision = rest
        .gate
        .revoke_standing(&user, id, body.note.as_deref(), who.channel())
        .await?;
    Ok(Json(StandingRevoked {
        id,
        state: StandingState::Revoked,
        decision,
        by: user.id,
    }))
}
