//! Operations of users, and the policies in force.

use axum::{
    Json,
    extract::State,
    routing::{MethodRouter, get, post},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::record::{Halt, HaltScope};
use utoipa::ToSchema;

use super::{
    Rest,
    body::{Body, Requester},
};
use crate::{
    problem::Problem,
    reply::{HaltReply, PromotionReply},
};

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/policies", get(policies)),
        ("/v1/policies/promote", post(promote)),
        ("/v1/reload", post(reload)),
        ("/v1/halts", get(halts).post(halt)),
        ("/v1/halts/lift", post(lift)),
    ]
}

/// The active bundle.
#[derive(Serialize, ToSchema)]
pub(super) struct Bundle {
    /// Its digest, which every decision names.
    bundle: String,
    policies: Vec<Policy>,
}

/// A policy.
#[derive(Serialize, ToSchema)]
pub(super) struct Policy {
    /// Its `@id`.
    id: String,
    /// Its `@owner`.
    owner: String,
    /// Its `@reason`, or empty.
    reason: String,
    /// Its `@severity`: `low`, `medium`, `high`, `critical`.
    #[schema(value_type = String)]
    severity: Value,
    /// `enforce` or `shadow`.
    mode: &'static str,
    /// Its file and line.
    place: String,
}

/// The policies in force.
#[utoipa::path(get, path = "/v1/policies", tag = "operating", responses(
    (status = 200, description = "The active bundle", body = Bundle),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "The caller is not a person", body = Problem),
))]
pub(super) async fn policies(
    State(rest): State<Rest>,
    who: Requester,
) -> Result<Json<Bundle>, Problem> {
    who.user()?;
    Ok(Json(bundle(&rest)))
}

fn bundle(rest: &Rest) -> Bundle {
    let ruleset = rest.gate.ruleset();
    let policies = ruleset.pdp.policies().iter();
    let policies = policies.map(|(id, policy)| Policy {
        id: id.clone(),
        owner: policy.determining.owner.clone(),
        reason: policy.determining.reason.clone(),
        severity: serde_json::to_value(policy.severity).unwrap_or_default(),
        mode: policy.mode.as_str(),
        place: format!("{}:{}", policy.file, policy.line),
    });
    Bundle {
        bundle: ruleset.pdp.digest().to_string(),
        policies: policies.collect(),
    }
}

/// An empty object.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmptyBody {}

/// Load configuration, policies and tools again. If anything is wrong, nothing changes.
#[utoipa::path(post, path = "/v1/reload", tag = "operating", request_body = EmptyBody, responses(
    (status = 200, description = "What is in force now", body = Bundle),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 409, description = "It does not load; what was in force stays", body = Problem),
))]
pub(super) async fn reload(
    State(rest): State<Rest>,
    who: Requester,
    Body(EmptyBody {}): Body<EmptyBody>,
) -> Result<Json<Bundle>, Problem> {
    let user = who.user()?;
    who.admit()?;
    rest.gate.reload_as(&user).await??;
    Ok(Json(bundle(&rest)))
}

/// What to promote.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Promotion {
    /// The `@id` of a policy in shadow mode; absent for the whole shadow set.
    #[serde(default)]
    policy: Option<String>,
}

/// Put a policy in shadow mode, or the whole shadow set, into force.
#[utoipa::path(post, path = "/v1/policies/promote", tag = "operating", request_body = Promotion, responses(
    (status = 200, description = "What is in force now", body = PromotionReply),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 404, description = "There is nothing to promote, or it does not load", body = Problem),
))]
pub(super) async fn promote(
    State(rest): State<Rest>,
    who: Requester,
    Body(body): Body<Promotion>,
) -> Result<Json<PromotionReply>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let promoted = rest.gate.promote(&user, body.policy.as_deref()).await?;
    Ok(Json(PromotionReply {
        bundle: promoted.bundle,
        files: promoted.files,
    }))
}

/// Halts in force.
#[derive(Serialize, ToSchema)]
pub(super) struct Halts {
    /// {scope, name, by, reason}.
    #[schema(value_type = Vec<Object>)]
    halts: Vec<Halt>,
}

/// List the halts in force.
#[utoipa::path(get, path = "/v1/halts", tag = "operating", responses(
    (status = 200, description = "Every halt in force", body = Halts),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "The caller is not a person", body = Problem),
))]
pub(super) async fn halts(
    State(rest): State<Rest>,
    who: Requester,
) -> Result<Json<Halts>, Problem> {
    who.user()?;
    let halts = rest.gate.ledger().reader().halts()?;
    Ok(Json(Halts { halts }))
}

/// A halt to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewHalt {
    /// `agent`, `tool`, `component`, `tenant` or `all`.
    #[schema(value_type = String)]
    scope: HaltScope,
    /// Its name; empty for everything.
    #[serde(default)]
    name: String,
    /// The reason.
    reason: String,
    /// Whether to halt an unknown name as well, such as a tool that is not loaded now.
    #[serde(default)]
    force: bool,
}

/// Halt an agent, tool, component, tenant or everything. No new call starts, running components are ended, and
/// pending approvals are voided.
#[utoipa::path(post, path = "/v1/halts", tag = "operating", request_body = NewHalt, responses(
    (status = 200, description = "It is halted: what that has stopped", body = HaltReply),
    (status = 400, description = "A name for everything, or none for something", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 404, description = "Nothing has this name", body = Problem),
))]
pub(super) async fn halt(
    State(rest): State<Rest>,
    who: Requester,
    Body(body): Body<NewHalt>,
) -> Result<Json<HaltReply>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let NewHalt {
        scope,
        name,
        reason,
        force,
    } = body;
    named(scope, &name)?;
    let report = match force {
        true => {
            rest.gate
                .halt_unchecked(&user, scope, &name, &reason)
                .await?
        }
        false => rest.gate.halt(&user, scope, &name, &reason).await?,
    };
    Ok(Json(HaltReply {
        calls: report.calls,
        approvals: report.approvals,
        standing: report.standing,
    }))
}

fn named(scope: HaltScope, name: &str) -> Result<(), Problem> {
    match (scope, name.is_empty()) {
        (HaltScope::All, true) => Ok(()),
        (HaltScope::All, false) => Err(Problem::invalid("`all` takes no name")),
        (_, false) => Ok(()),
        (scope, true) => Err(Problem::invalid(format!("which {}?", scope.as_str()))),
    }
}

/// The halt to lift.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lift {
    /// `agent`, `tool`, `component`, `tenant` or `all`.
    #[schema(value_type = String)]
    scope: HaltScope,
    /// Its name; empty for everything.
    #[serde(default)]
    name: String,
}

/// Lift a halt.
#[utoipa::path(post, path = "/v1/halts/lift", tag = "operating", request_body = Lift, responses(
    (status = 204, description = "It is lifted"),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 404, description = "There is none", body = Problem),
))]
pub(super) async fn lift(
    State(rest): State<Rest>,
    who: Requester,
    Body(body): Body<Lift>,
) -> Result<StatusCode, Problem> {
    let user = who.user()?;
    who.admit()?;
    rest.gate.resume(&user, body.scope, &body.name).await?;
    Ok(StatusCode::NO_CONTENT)
}
