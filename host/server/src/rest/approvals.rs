//! Approvals: the list, most severe first, and answers of users.

#![expect(
    unused_qualifications,
    reason = "written by the macro that describes handlers"
)]

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
    routing::{MethodRouter, get, post},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
use tollgate::enforce::{ApprovalResponse, ElicitationResponse, GivenInput, StandingRequest, Vote};
use tollgate::gate::Gate;
use tollgate_ledger::{ApprovalFilter, ApprovalRow};
use tollgate_model::{ids::ApprovalId, record::ElicitationAction};
use utoipa::{IntoParams, ToSchema};

use super::{
    Rest,
    body::{Body, QueryParameters, Requester, usual},
    standing::StandingTerms,
};
use crate::{
    problem::Problem,
    reply::{self, AnswerOutcome, AnsweredCall, ApprovalView, PreviewReply},
};

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/approvals", get(list)),
        ("/v1/approvals/{id}", get(show)),
        ("/v1/approvals/{id}/preview", post(preview)),
        ("/v1/approvals/{id}/answer", post(answer_elicitation)),
        ("/v1/approvals/{id}/approve", post(approve)),
        ("/v1/approvals/{id}/reject", post(reject)),
    ]
}

/// Filters of the list of approvals.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalsQuery {
    /// Also approvals that were answered or used, or have expired.
    #[serde(default)]
    all: bool,
    /// The most approvals to return; at most 1000.
    #[serde(default = "usual::<u64, 100>")]
    limit: u64,
}

/// List approvals, the most severe first, and of these the oldest.
#[utoipa::path(get, path = "/v1/approvals", tag = "approvals", params(ApprovalsQuery), responses(
    (status = 200, description = "Those that the caller asked for, or may answer or read", body = [ApprovalView]),
    (status = 401, description = "No credential that counts", body = Problem),
))]
pub(super) async fn list(
    State(rest): State<Rest>,
    who: Requester,
    QueryParameters(query): QueryParameters<ApprovalsQuery>,
) -> Result<Json<Vec<ApprovalView>>, Problem> {
    who.admit()?;
    let caller = who.authenticated.caller.clone();
    let filter = ApprovalFilter {
        principal: who.own_principal(),
        limit: Some(query.limit.min(1000)),
        ..match query.all {
            true => ApprovalFilter::default(),
            false => ApprovalFilter::open(),
        }
    };
    let is_user = who.authenticated.user().is_some();
    let views = rest.read(&who, move |gate, reader| {
        let seen = reader.visible_approvals(&filter, |row| gate.sees_approval(&caller, row))?;
        let views = seen.into_iter().map(|row| {
            let decision = match is_user {
                true => reader.requesting_decision(&row)?,
                false => None,
            };
            let mut view = ApprovalView::from(row);
            reply::explain(gate, &mut view.policies);
            view.provenance = decision.and_then(|(_, decision)| decision.provenance);
            Ok(view)
        });
        views.collect()
    });
    Ok(Json(views.await?))
}

/// Show exactly what happens if it is approved.
#[utoipa::path(get, path = "/v1/approvals/{id}", tag = "approvals", params(("id" = String, Path)), responses(
    (status = 200, description = "With the arguments, for those who may answer it", body = ApprovalView),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
))]
pub(super) async fn show(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
) -> Result<Json<ApprovalView>, Problem> {
    who.admit()?;
    let gate = &rest.gate;
    let mut view = match who.authenticated.user() {
        Some(user) => {
            let shown = gate.approval_by(&user, parse(&id)?, (who.channel(), true));
            ApprovalView::from(shown.await?)
        }
        None => ApprovalView::from(found(gate, &who, &id)?),
    };
    reply::explain(gate, &mut view.policies);
    Ok(Json(view))
}

/// Show what a waiting call would do, by the `preview` that the operator configured for its tool.
///
/// It is a call of the person, decided and recorded in a run of theirs: another tool, or the tool itself with its reads
/// alone. The approval stays as it is.
#[utoipa::path(post, path = "/v1/approvals/{id}/preview", tag = "approvals", params(("id" = String, Path)), responses(
    (status = 200, description = "What it has shown; `outcome` says whether it was denied or failed", body = PreviewReply),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "The caller is not a person", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
    (status = 409, description = "Resolved before", body = Problem),
    (status = 422, description = "There is no preview of it, or not for this person", body = Problem),
))]
pub(super) async fn preview(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
) -> Result<Json<PreviewReply>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let token = who.authenticated.token;
    let shown = rest
        .gate
        .preview(&user, parse(&id)?, (token, who.channel()))
        .await?;
    Ok(Json(shown.into()))
}

fn unknown(id: &str) -> Problem {
    let id = tollgate::text::printable(id, 64);
    Problem::not_found(format!("there is no approval `{id}`"))
}

fn parse(id: &str) -> Result<ApprovalId, Problem> {
    id.parse().map_err(|_| unknown(id))
}

fn found(gate: &Gate, who: &Requester, id: &str) -> Result<ApprovalRow, Problem> {
    let row = gate.ledger().reader().approval(parse(id)?)?;
    row.filter(|row| gate.sees_approval(&who.authenticated.caller, row))
        .ok_or_else(|| unknown(id))
}

/// An approval by a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalGrant {
    /// The `digest` of the call that the approver was shown.
    digest: String,
    /// A note to record.
    #[serde(default)]
    note: Option<String>,
    /// Approve the call with these arguments instead of the agent's.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    edit: Option<Box<RawValue>>,
    /// Answer all calls of the question at once; `digest` is its `question_digest`.
    #[serde(default)]
    question: bool,
    /// Approve the calls like this one as well.
    #[serde(default)]
    standing: Option<StandingTerms>,
}

/// A rejection by a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rejection {
    /// The `digest` of the call that the approver was shown.
    #[serde(default)]
    digest: Option<String>,
    /// A note to record.
    #[serde(default)]
    note: Option<String>,
    /// Answer all calls of the question at once; `digest` is its `question_digest`.
    #[serde(default)]
    question: bool,
}

/// Approve exactly this call, once.
#[utoipa::path(post, path = "/v1/approvals/{id}/approve", tag = "approvals", params(("id" = String, Path)),
    request_body = ApprovalGrant, responses(
    (status = 200, description = "It was taken; `needs` says what is still missing", body = AnswerOutcome),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
    (status = 409, description = "Resolved or answered before, or another call than was shown", body = Problem),
    (status = 422, description = "It cannot be approved with these terms or arguments; nothing was answered", body = Problem),
))]
pub(super) async fn approve(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
    Body(body): Body<ApprovalGrant>,
) -> Result<Json<AnswerOutcome>, Problem> {
    let standing = body.standing.map(StandingRequest::from);
    let response = Response {
        vote: Vote::Approve,
        seen: Some(body.digest),
        note: body.note,
        edit: body.edit.map(|edit| edit.get().to_owned()),
        question: body.question,
        standing,
    };
    answer(&rest, &who, &id, response).await
}

/// Reject this call.
#[utoipa::path(post, path = "/v1/approvals/{id}/reject", tag = "approvals", params(("id" = String, Path)),
    request_body = Rejection, responses(
    (status = 200, description = "It was taken", body = AnswerOutcome),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
    (status = 409, description = "Resolved before, or another call than was shown", body = Problem),
))]
pub(super) async fn reject(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
    Body(body): Body<Rejection>,
) -> Result<Json<AnswerOutcome>, Problem> {
    let response = Response {
        vote: Vote::Reject,
        seen: body.digest,
        note: body.note,
        edit: None,
        question: body.question,
        standing: None,
    };
    answer(&rest, &who, &id, response).await
}

/// An answer by a user to what an upstream server asks.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ElicitationInput {
    /// `accept`: the server gets the values, or the page is opened. `decline`: the person refuses. `cancel`: the person
    /// does not choose.
    #[schema(value_type = String)]
    action: ElicitationAction,
    /// Values of the form's fields, by name. What is left out has the form's default.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    content: Option<Map<String, Value>>,
    /// The same as texts, which the gate reads as the form's types: several for a field in which several can be
    /// chosen. Instead of `content`.
    #[serde(default)]
    fields: Option<BTreeMap<String, Vec<String>>>,
    /// The `digest` of the question that the person was shown. Required with `accept`.
    #[serde(default)]
    digest: Option<String>,
    /// A note to record. The server does not get it.
    #[serde(default)]
    note: Option<String>,
}

/// Answer what an upstream server asks.
#[utoipa::path(post, path = "/v1/approvals/{id}/answer", tag = "approvals", params(("id" = String, Path)),
    request_body = ElicitationInput, responses(
    (status = 200, description = "It was taken, and the server gets it", body = AnswerOutcome),
    (status = 400, description = "The values do not fit the form", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, the person makes the calls of the run, or the caller is not a person", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
    (status = 409, description = "Answered or over before, another question than was shown, or an approval", body = Problem),
))]
pub(super) async fn answer_elicitation(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
    Body(body): Body<ElicitationInput>,
) -> Result<Json<AnswerOutcome>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let id = parse(&id)?;
    let input = match (body.content, body.fields) {
        (None, None) => GivenInput::Nothing,
        (Some(values), None) => GivenInput::Values(values),
        (None, Some(texts)) => GivenInput::Texts(texts),
        (Some(_), Some(_)) => {
            let detail = "give either `content` or `fields`";
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "invalid_input",
                detail,
            ));
        }
    };
    if body.action == ElicitationAction::Accept && body.digest.is_none() {
        let detail = "`accept` needs the `digest` of the question that was shown";
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_input",
            detail,
        ));
    }
    let response = ElicitationResponse {
        action: body.action,
        input,
        seen: body.digest.as_deref(),
        note: body.note.as_deref(),
        channel: who.channel(),
        token_makers: &who.authenticated.token_makers,
    };
    let answered = rest.gate.answer_elicitation(&user, id, response).await?;
    Ok(Json(AnswerOutcome {
        id,
        state: answered.state,
        decision: answered.decision,
        needs: answered.needs,
        by: user.id,
        others: Vec::new(),
        standing: None,
    }))
}

/// What a user answers.
struct Response {
    vote: Vote,
    seen: Option<String>,
    note: Option<String>,
    edit: Option<String>,
    question: bool,
    standing: Option<StandingRequest>,
}

async fn answer(
    rest: &Rest,
    who: &Requester,
    id: &str,
    response: Response,
) -> Result<Json<AnswerOutcome>, Problem> {
    let user = who.user()?;
    who.admit()?;
    // A user who may not answer gets a recorded denial, even for an approval that they cannot see.
    let id = parse(id)?;
    let given = ApprovalResponse {
        vote: response.vote,
        seen: response.seen.as_deref(),
        note: response.note.as_deref(),
        edit: response.edit.as_deref(),
        standing: response.standing.as_ref(),
        channel: who.channel(),
        token_makers: &who.authenticated.token_makers,
        link: None,
    };
    let mut answered = match response.question {
        true => rest.gate.answer_all(&user, id, given).await?,
        false => vec![rest.gate.answer(&user, id, given).await?],
    };
    let at = answered.iter().position(|result| result.id == id);
    let own = answered.remove(at.unwrap_or_default());
    Ok(Json(AnswerOutcome {
        id: own.id,
        state: own.state,
        decision: own.decision,
        needs: own.needs,
        by: user.id,
        others: answered.into_iter().map(AnsweredCall::from).collect(),
        standing: own.standing,
    }))
}
