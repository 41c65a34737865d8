//! What is said about runs, and how two of them differ.

use axum::{
    Json,
    extract::{Path, State},
    routing::{MethodRouter, get, post},
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
    review::{RunNote, SayError, say},
};

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/runs/{id}/told", post(tell)),
        ("/v1/runs/{id}/notes", post(annotate)),
        ("/v1/runs/{id}/feedback", post(feedback)),
        ("/v1/runs/{id}/case", get(case)),
        ("/v1/runs/{a}/diff/{b}", get(compare)),
    ]
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Invalid(_) => Self::invalid(error.to_string()),
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

impl From<SayError> for Problem {
    fn from(error: SayError) -> Self {
        match error {
            SayError::NoRun(_) => Self::not_found(error.to_string()),
            SayError::PeopleOnly | SayError::NotYours { .. } => Self::forbidden(error.to_string()),
            SayError::Told(_) | SayError::Feedback(_) => Self::invalid(error.to_string()),
            SayError::Gate(error) => error.into(),
            SayError::Ledger(error) => error.into(),
            SayError::Store(error) => error.into(),
        }
    }
}

async fn said(rest: &Rest, who: &Requester, said: RunNote) -> Result<Json<Value>, Problem> {
    who.admit()?;
    let caller = &who.authenticated.caller;
    Ok(Json(say(&rest.gate, rest.trace()?, caller, said).await?))
}

/// What an agent tells about its run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunReport {
    /// The call that it is about; absent where it is about the run.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    call: Option<SpanId>,
    /// By topic: request, context, start_state, end_state, result, summary, state_delta, task_type,
    /// agent_version, workflow_version, prompt_version, model, environment, handoff_to, handoff_from.
    #[schema(value_type = Object)]
    told: Value,
}

/// Tell something about a run: untrusted, at most 4 KiB each, and no part of any decision.
#[utoipa::path(post, path = "/v1/runs/{id}/told", tag = "runs", params(("id" = String, Path)), request_body = RunReport,
    responses(
    (status = 200, description = "It is kept, as far as the capture policy lets it be", body = Object),
    (status = 400, description = "A topic that there is not", body = Problem),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
))]
pub(super) async fn tell(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
    Body(body): Body<RunReport>,
) -> Result<Json<Value>, Problem> {
    let run = found(&rest.gate, &who, &id)?.id;
    let RunReport { call, told } = body;
    said(&rest, &who, RunNote::Told { run, call, told }).await
}

/// A note on a run or on one of its spans.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    /// Such as goal, context, decision, guardrail, stop_reason.
    label: String,
    /// In words.
    #[serde(default)]
    note: String,
    /// The span; absent for the run as a whole.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    span: Option<SpanId>,
}

/// Put a note on a run.
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
    said(&rest, &who, note).await
}

/// Say afterwards how good a run was: {kind, value, label, comment, span}.
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
    said(&rest, &who, RunNote::Feedback { run, given }).await
}

/// A run that the caller may read; of people that is decided, and recorded.
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

/// Show a run as a case: context, actions, signals, enforcement, and what evidence is missing.
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
        let beside = RunEvidence::of(&store, &run.tenant, run.id, &steps)?;
        Ok(serde_json::to_value(CaseView::of(&steps, &beside)).unwrap_or_default())
    });
    Ok(Json(view.await?))
}

/// Two runs, step by step.
#[derive(Serialize, ToSchema)]
pub(super) struct RunComparison {
    /// The steps of the one.
    #[schema(value_type = Object)]
    a: RunSteps,
    /// The steps of the other.
    #[schema(value_type = Object)]
    b: RunSteps,
    /// {steps [{a, b, differs [{what, a, b}]}], first, first_decision, runs}.
    #[schema(value_type = Object)]
    diff: RunDiff,
}

/// Compare two runs step by step: arguments and results by their digests only.
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
