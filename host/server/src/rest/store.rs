//! The store: backup, restore, and destruction of payload keys.

use std::path::PathBuf;

use axum::{
    Json,
    extract::State,
    routing::{MethodRouter, post},
};
use http::StatusCode;
use serde::Deserialize;
use tollgate_model::{record::AdminAction, request::Action, time::Timestamp};
use utoipa::ToSchema;

use super::{
    Rest,
    body::{Body, Requester},
};
use crate::{
    problem::Problem,
    reply::{BackupReply, ForgetReply},
};

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/store/backup", post(backup)),
        ("/v1/store/permit-restore", post(permit_restore)),
        ("/v1/store/forget", post(forget)),
    ]
}

/// A copy of the store.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Copy {
    /// Its file; an absolute path.
    #[schema(value_type = String)]
    file: PathBuf,
}

fn absolute(file: &std::path::Path) -> Result<(), Problem> {
    match file.is_absolute() {
        true => Ok(()),
        false => Err(Problem::invalid("`file` is not an absolute path")),
    }
}

/// Write a copy of the store. Over the owner's socket only.
#[utoipa::path(post, path = "/v1/store/backup", tag = "store", request_body = Copy, responses(
    (status = 200, description = "The copy", body = BackupReply),
    (status = 400, description = "The path is not absolute", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, the caller is not a person, or not the socket", body = Problem),
    (status = 503, description = "The copy cannot be written", body = Problem),
))]
pub(super) async fn backup(
    State(rest): State<Rest>,
    who: Requester,
    Body(Copy { file }): Body<Copy>,
) -> Result<Json<BackupReply>, Problem> {
    let user = who.user()?;
    who.owner()?;
    absolute(&file)?;
    let gate = &rest.gate;
    let target = file.display().to_string();
    gate.administer(&user, AdminAction::StoreBackupRequested, &target)
        .await?;
    let size = gate.ledger().backup(file.clone(), |_, _| {}).await?;
    Ok(Json(BackupReply {
        file,
        records: size.records,
        bytes: size.bytes,
    }))
}

/// Decide whether a user may restore the store from a copy. Over the owner's socket only. A record of this would be
/// lost with the replaced store, so the restored store records who did it.
#[utoipa::path(post, path = "/v1/store/permit-restore", tag = "store", request_body = Copy, responses(
    (status = 204, description = "They may"),
    (status = 400, description = "The path is not absolute", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, the caller is not a person, or not the socket", body = Problem),
))]
pub(super) async fn permit_restore(
    State(rest): State<Rest>,
    who: Requester,
    Body(Copy { file }): Body<Copy>,
) -> Result<StatusCode, Problem> {
    let user = who.user()?;
    who.owner()?;
    absolute(&file)?;
    if !rest.gate.is_allowed(&user, Action::Administer) {
        let target = file.display().to_string();
        rest.gate
            .administer(&user, AdminAction::StoreRestoreRequested, &target)
            .await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The days whose keys to destroy.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Forget {
    /// The tenant; absent: all of them.
    #[serde(default)]
    tenant: Option<String>,
    /// Days that ended before this time: microseconds since 1970.
    before: i64,
}

/// Destroy the keys of whole days. Data that was sealed on these days can never be read again.
#[utoipa::path(post, path = "/v1/store/forget", tag = "store", request_body = Forget, responses(
    (status = 200, description = "How many days", body = ForgetReply),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
))]
pub(super) async fn forget(
    State(rest): State<Rest>,
    who: Requester,
    Body(body): Body<Forget>,
) -> Result<Json<ForgetReply>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let Forget { tenant, before } = body;
    let days = rest
        .gate
        .forget_payloads(&user, tenant.as_deref(), Timestamp(before))
        .await?;
    Ok(Json(ForgetReply { days }))
}
