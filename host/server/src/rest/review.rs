//! Notes, self-reports and feedback on runs, and the comparison of two runs.

use axum::{
    Json,
    extract::{Path, State},
    routing::{MethodRouter, delete, get, post},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_ledger::RunRow;
use tollgate_model::{ids::SpanId, request::Action};
use tollgate_trace::{
    feedback::FeedbackInput,
    run::{CaseView, RunDiff, RunEvidence, RunSteps, diff},
    store::StoreError,
};
use utoipa::ToSchema;

use super::{
    Rest,
    body::{Body, Requester},
    runs::found,
};
use crate::{
    problem::Problem,
    review::{self, ReviewError, RunNote},
};

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/runs/{id}/self-report", post(self_report)),
        ("/v1/runs/{id}/notes", post(annotate)),
        ("/v1/runs/{id}/notes/{note}", delete(remove_note)),
        ("/v1/runs/{id}/feedback", post(feedback)),
        ("/v1/runs/{id}/case", get(case)),
        ("/v1/runs/{a}/diff/{b}", get(compare)),
    ]
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Invalid(_) => {
                Self::new(StatusCode::BAD_REQUEST, "invalid_value", error.to_string())
            }
            StoreError::NotFound { .. } => Self::not_found(error.to_string()),
            other => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                other.to_string(),
            )
            .retry_after(1),
        }
    }
}

impl From<ReviewError> for Problem {
    fn from(error: ReviewError) -> Self {
        match error {
            ReviewError::NoRun(_) => Self::not_found(error.to_string()),
            ReviewError::PeopleOnly | ReviewError::NotYours { .. } => {
                Self::forbidden(error.to_string())
            }
            ReviewError::SelfReport(_) | ReviewError::Feedback(_) => {
                Self::invalid(error.to_string())
            }
            ReviewError::Gate(error) => error.into(),
            ReviewError::Ledger(error) => error.into(),
            ReviewError::Store(error) => error.into(),
        }
    }
}

/// Stores an annotation of the caller.
pub(super) async fn keep(
    rest: &Rest,
    who: &Requester,
    note: RunNote,
) -> Result<Json<Value>, Problem> {
    who.admit_many(note.requests())?;
    let caller = &who.authenticated.caller;
    let kept = review::annotate(&rest.gate, &rest.trace()?, caller, note).await?;
    Ok(Json(kept))
}

/// What an agent reports about its run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunReport {
    /// The call that the report is about; absent for the run as a whole.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    call: Option<SpanId>,
    /// By topic: request, context, start_state, end_state, result, summary, state_delta, task_type,
    /// agent_version, workflow_version, prompt_version, model, environment, handoff_to, handoff_from.
    #[schema(value_type = Object)]
    report: Value,
}

/// Add self-reports to a run. They are not trusted, have at most 4 KiB each, and do not influence decisions.
#[utoipa::path(post, path = "/v1/runs/{id}/self-report", tag = "runs", params(("id" = String, Path)), request_body = RunReport,
    responses(
    (status = 200, description = "It is kept, as far as the capture policy lets it be", body = Object),
    (status = 400, description = "A topic that there is not", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
))]
pub(super) async fn self_report(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
    Body(body): Body<RunReport>,
) -> Result<Json<Value>, Problem> {
    let run = found(&rest.gate, &who, &id)?.id;
    let RunReport { call, report } = body;
    keep(&rest, &who, RunNote::SelfReport { run, call, report }).await
}

/// A note on a run or on one of its spans.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    /// A label such as goal, context, decision, guardrail or stop_reason.
    label: String,
    /// A comment.
    #[serde(default)]
    note: String,
    /// The span; absent for the run as a whole.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    span: Option<SpanId>,
}

/// Add a note to a run.
#[utoipa::path(post, path = "/v1/runs/{id}/notes", tag = "runs", params(("id" = String, Path)), request_body = Note,
    responses(
    (status = 200, description = "The note, with its number", body = Object),
    (status = 400, description = "A label that is none", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person see the run", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
))]
pub(super) async fn annotate(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
    Body(body): Body<Note>,
) -> Result<Json<Value>, Problem> {
    let run = found(&rest.gate, &who, &id)?.id;
    let Note { label, note, span } = body;
    let note = RunNote::Note {
        run,
        span,
        label,
        note,
    };
    keep(&rest, &who, note).await
}

/// Remove a note.
#[utoipa::path(delete, path = "/v1/runs/{id}/notes/{note}", tag = "runs",
    params(("id" = String, Path), ("note" = u64, Path)), responses(
    (status = 200, description = "{run, removed}", body = Object),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person see the run", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
))]
pub(super) async fn remove_note(
    State(rest): State<Rest>,
    who: Requester,
    Path((id, note)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let run = found(&rest.gate, &who, &id)?.id;
    let note: u64 = note
        .parse()
        .map_err(|_| Problem::not_found("a note has a number"))?;
    keep(&rest, &who, RunNote::RemoveNote { run, note }).await
}

/// Rate a run afterwards: {kind, value, label, comment, span}.
#[utoipa::path(post, path = "/v1/runs/{id}/feedback", tag = "runs", params(("id" = String, Path)),
    request_body = Object, responses(
    (status = 200, description = "The feedback, with its number", body = Object),
    (status = 400, description = "It does not have what its kind needs", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person see the run", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
))]
pub(super) async fn feedback(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
    Body(given): Body<FeedbackInput>,
) -> Result<Json<Value>, Problem> {
    let run = found(&rest.gate, &who, &id)?.id;
    keep(&rest, &who, RunNote::Feedback { run, given }).await
}

/// A run that the caller may read. For users that is decided and recorded.
async fn readable(rest: &Rest, who: &Requester, id: &str) -> Result<RunRow, Problem> {
    let run = found(&rest.gate, who, id)?;
    who.admit()?;
    if !rest.gate.is_own_run(&who.authenticated.caller, &run) {
        let user = who.user()?;
        rest.gate
            .authorize_on_run(&user, Action::ViewRun, &run)
            .await?;
    }
    Ok(run)
}

/// Show a run as an incident report: context, actions, signals, enforcement, and missing evidence.
#[utoipa::path(get, path = "/v1/runs/{id}/case", tag = "runs", params(("id" = String, Path)), responses(
    (status = 200, description = "{context, actions, signals, enforcement, missing}", body = Object),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person read it", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
))]
pub(super) async fn case(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let run = readable(&rest, &who, &id).await?;
    let store = rest.trace()?.reader().clone();
    let view = rest.read(&who, move |_, reader| {
        let steps = RunSteps::of(&reader.records_of_run(run.id)?);
        let evidence = RunEvidence::of(&store, &run.tenant, run.id, &steps)?;
        Ok(serde_json::to_value(CaseView::of(&steps, &evidence)).unwrap_or_default())
    });
    Ok(Json(view.await?))
}

/// Two runs, step by step.
#[derive(Serialize, ToSchema)]
pub(super) struct RunComparison {
    /// The first run.
    #[schema(value_type = Object)]
    a: RunSteps,
    /// The second run.
    #[schema(value_type = Object)]
    b: RunSteps,
    /// {steps [{a, b, differs [{what, a, b}]}], first, first_decision, runs}.
    #[schema(value_type = Object)]
    diff: RunDiff,
}

/// Compare two runs step by step. Arguments and results are compared by their digests.
#[utoipa::path(get, path = "/v1/runs/{a}/diff/{b}", tag = "runs", params(("a" = String, Path), ("b" = String, Path)),
    responses(
    (status = 200, description = "In what they differ, and where first", body = RunComparison),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person read one of them", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
))]
pub(super) async fn compare(
    State(rest): State<Rest>,
    who: Requester,
    Path((a, b)): Path<(String, String)>,
) -> Result<Json<RunComparison>, Problem> {
    let (a, b) = (
        readable(&rest, &who, &a).await?,
        readable(&rest, &who, &b).await?,
    );
    if a.tenant != b.tenant {
        return Err(Problem::invalid(
            "runs of different tenants are not compared",
        ));
    }
    let compared = rest.read(&who, move |_, reader| {
        let a = RunSteps::of(&reader.records_of_run(a.id)?);
        let b = RunSteps::of(&reader.records_of_run(b.id)?);
        let diff = diff(&a, &b);
        Ok(RunComparison { a, b, diff })
    });
    Ok(Json(compared.await?))
}
