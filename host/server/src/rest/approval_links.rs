//! Links by which one user may answer one approval: listed and revoked, by their users and by administrators.

#![expect(
    unused_qualifications,
    reason = "written by the macro that describes handlers"
)]

use axum::{
    Json,
    extract::{Path, State},
    routing::{MethodRouter, delete, get},
};
use http::StatusCode;
use serde::Deserialize;
use tollgate_ledger::ApprovalLinkFilter;
use tollgate_model::{ids::LinkId, request::Action};
use utoipa::IntoParams;

use super::{
    Rest,
    body::{QueryParameters, Requester},
};
use crate::{problem::Problem, reply::ApprovalLinkView};

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/approval-links", get(list)),
        ("/v1/approval-links/{id}", delete(revoke)),
    ]
}

/// Filters of the list of links.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LinksQuery {
    /// Only links of this approval.
    #[serde(default)]
    approval: Option<String>,
    /// Also links that were used or revoked, or have expired.
    #[serde(default)]
    all: bool,
}

/// List links for answering approvals, the latest first. Their URLs are not stored and not shown.
#[utoipa::path(get, path = "/v1/approval-links", tag = "links", params(LinksQuery), responses(
    (status = 200, description = "One's own; all of them for administrators", body = [ApprovalLinkView]),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "The caller is not a person", body = Problem),
))]
pub(super) async fn list(
    State(rest): State<Rest>,
    who: Requester,
    QueryParameters(query): QueryParameters<LinksQuery>,
) -> Result<Json<Vec<ApprovalLinkView>>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let approval = query.approval.map(|id| id.parse()).transpose();
    let approval = approval.map_err(|_| Problem::invalid("`approval` is not the id of one"))?;
    let links = rest.read(&who, move |gate, reader| {
        let links = reader.approval_links(&ApprovalLinkFilter {
            approval,
            valid_at: (!query.all).then(|| gate.now()),
            limit: None,
        })?;
        let administers = gate.is_allowed(&user, Action::Administer);
        let tenant = &gate.ruleset().config.gate.tenant;
        let links = links
            .into_iter()
            .filter(|link| link.tenant == *tenant && (administers || link.user == user));
        Ok(links.take(MAX_LINKS).map(ApprovalLinkView::from).collect())
    });
    Ok(Json(links.await?))
}

/// The most links of one answer.
const MAX_LINKS: usize = 1000;

/// Revoke a link.
#[utoipa::path(delete, path = "/v1/approval-links/{id}", tag = "links", params(("id" = String, Path)), responses(
    (status = 204, description = "It is worthless from now on"),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "It is another's and policy denies it, or the caller is not a person", body = Problem),
    (status = 404, description = "There is none that is open", body = Problem),
))]
pub(super) async fn revoke(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let user = who.user()?;
    who.admit()?;
    let id: LinkId = id.parse().map_err(|_| {
        let id = tollgate::text::printable(&id, 64);
        Problem::not_found(format!("there is no link `{id}`"))
    })?;
    rest.gate.revoke_link(&user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
