//! Runs: the list, one run with its spans, and its end.

#![expect(
    unused_qualifications,
    reason = "written by the macro that describes handlers"
)]

use axum::{
    Json,
    extract::{Path, State},
    routing::{MethodRouter, get, post},
};
use serde::{Deserialize, Serialize};
use tollgate::gate::Gate;
use tollgate_ledger::{RunFilter, RunRow};
use tollgate_model::{ids::RunId, record::RunOutcome, request::Action, time::Timestamp};
use tollgate_trace::{
    merged_tree::MergedTrace,
    projector,
    search::{self, RunSearch, SearchError},
    store::{Part, StoredLog, StoredSpan, Usage},
};
use utoipa::{IntoParams, ToSchema};

use super::{
    Rest,
    body::{Body, QueryParameters, Requester, usual},
};
use crate::{
    auth::AuthenticatedCaller,
    problem::Problem,
    reply::{SpanView, views},
};

/// Runs that are read at a time while filtering.
const PAGE: u64 = 200;
/// The most runs that one request reads.
const MAX_LOOKED: u64 = 10_000;
/// The most reported spans, and logs, in an answer about a run.
const REPORTED: Part = Part {
    rows: 1_000,
    bytes: 8 << 20,
};

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/runs", get(list)),
        ("/v1/runs/{id}", get(show)),
        ("/v1/runs/{id}/end", post(end)),
        ("/v1/runs/{id}/cancel", post(cancel)),
    ]
}

/// Filters of the list of runs.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RunsQuery {
    /// Only runs that are open (`true`), or that have ended (`false`).
    #[serde(default)]
    open: Option<bool>,
    /// Only runs with a smaller `opened`: `next` of the previous page.
    #[serde(default)]
    before: Option<u64>,
    /// The most runs to return; at most 200.
    #[serde(default = "usual::<usize, 50>")]
    limit: usize,
    /// Only runs with this outcome: success, failed, denied, abandoned, budget_exhausted, cancelled.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    outcome: Option<RunOutcome>,
    /// Only runs of this agent or user.
    #[serde(default)]
    agent: Option<String>,
    /// Only runs in which this tool was called.
    #[serde(default)]
    tool: Option<String>,
    /// Only runs in which this policy determined a decision.
    #[serde(default)]
    policy: Option<String>,
    /// Only runs of this conversation.
    #[serde(default)]
    conversation: Option<String>,
    /// Only runs whose self-reports, notes or reported spans contain this text; at least three letters.
    #[serde(default)]
    text: Option<String>,
    /// Only runs in this set.
    #[serde(default)]
    set: Option<String>,
    /// Only runs that began at or after this time: microseconds since 1970.
    #[serde(default)]
    since: Option<i64>,
    /// Only runs that began before this time.
    #[serde(default)]
    until: Option<i64>,
}

impl RunsQuery {
    /// Whether a filter needs the trace store.
    fn searches(&self) -> bool {
        let words = [
            &self.agent,
            &self.tool,
            &self.policy,
            &self.conversation,
            &self.text,
            &self.set,
        ];
        words.iter().any(|word| word.is_some())
    }
}

/// Runs, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Runs {
    /// {id, opened, tenant, principal, on_behalf_of, key, root, started, last, ended, outcome, stop_reason,
    /// calls, denials, errors, pending, labels}.
    #[schema(value_type = Vec<Object>)]
    runs: Vec<RunRow>,
    /// `before` of the next page; absent at the end.
    next: Option<u64>,
}

fn sees(gate: &Gate, who: &AuthenticatedCaller, run: &RunRow) -> bool {
    gate.is_own_run(&who.caller, run)
        || who
            .user()
            .is_some_and(|user| gate.is_allowed_on_run(&user, Action::ViewRun, run.id, &run.tenant))
}

/// List runs, newest first.
#[utoipa::path(get, path = "/v1/runs", tag = "runs", params(RunsQuery), responses(
    (status = 200, description = "The caller's own, and for people those that policy lets them read", body = Runs),
    (status = 401, description = "No credential that counts", body = Problem),
))]
pub(super) async fn list(
    State(rest): State<Rest>,
    who: Requester,
    QueryParameters(query): QueryParameters<RunsQuery>,
) -> Result<Json<Runs>, Problem> {
    let limit = query.limit.clamp(1, 200);
    who.admit()?;
    if query.searches() {
        return searched(&rest, &who, query, limit).await.map(Json);
    }
    let asks = who.authenticated.clone();
    let found = rest.read(&who, move |gate, reader| {
        let mut filter = RunFilter {
            active_since: None,
            open: query.open,
            outcome: query.outcome,
            since: query.since.map(Timestamp),
            until: query.until.map(Timestamp),
            before: query.before,
            limit: Some(PAGE),
            // An agent sees only its own runs.
            principal: asks.user().is_none().then(|| asks.caller.principal()),
            // Policies decide whether users see runs of other tenants.
            tenant: asks
                .user()
                .is_none()
                .then(|| gate.ruleset().config.gate.tenant.clone()),
        };
        let (mut runs, mut looked) = (Vec::new(), 0);
        loop {
            let page = reader.runs(&filter)?;
            let last = page.len() as u64;
            for run in page {
                filter.before = Some(run.opened);
                if sees(gate, &asks, &run) {
                    runs.push(run);
                }
                if runs.len() == limit {
                    return Ok(Runs {
                        runs,
                        next: filter.before,
                    });
                }
            }
            looked += last;
            if last < PAGE {
                return Ok(Runs { runs, next: None });
            }
            if looked >= MAX_LOOKED {
                return Ok(Runs {
                    runs,
                    next: filter.before,
                });
            }
        }
    });
    Ok(Json(found.await?))
}

/// Runs that match filters of the trace store.
async fn searched(
    rest: &Rest,
    who: &Requester,
    query: RunsQuery,
    limit: usize,
) -> Result<Runs, Problem> {
    let store = rest.trace()?;
    projector::catch_up(&store, rest.gate.ledger().reader())
        .await
        .map_err(|e| {
            Problem::new(
                http::StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                e.to_string(),
            )
        })?;
    let trace = store.reader().clone();
    let asks = who.authenticated.clone();
    let found = rest.read(who, move |gate, reader| {
        let search = RunSearch {
            tenant: gate.ruleset().config.gate.tenant.clone(),
            open: query.open,
            outcome: query.outcome,
            principal: query.agent,
            tool: query.tool,
            policy: query.policy,
            conversation: query.conversation,
            text: query.text,
            set: query.set,
            since: query.since.map(Timestamp),
            until: query.until.map(Timestamp),
            before: query.before,
            limit,
            ..RunSearch::default()
        };
        let found = search::runs(&trace, reader, &search, |run| sees(gate, &asks, run));
        let (runs, next) = found.map_err(|error| match error {
            SearchError::Ledger(error) => error.into(),
            SearchError::Store(error) => Problem::from(error),
        })?;
        Ok(Runs { runs, next })
    });
    found.await
}

/// A run with its spans.
#[derive(Serialize, ToSchema)]
pub(super) struct RunView {
    /// The run, as in the list.
    #[schema(value_type = Object)]
    run: RunRow,
    /// In the order in which they began, with OpenTelemetry's names where it has one.
    spans: Vec<SpanView>,
    /// Spans that were reported of the run, each marked `origin: reported` and with its reporter. Their
    /// content is not verified. At most 1,000. The agent of the run sees only those that it reported.
    #[schema(value_type = Vec<Object>)]
    reported: Vec<StoredSpan>,
    /// Logs that were reported of the run; at most 1,000.
    #[schema(value_type = Vec<Object>)]
    logs: Vec<StoredLog>,
    /// Tokens and cost that the run's principal reported.
    #[schema(value_type = Object)]
    usage: Usage,
    /// Whether more spans or logs were reported than are returned.
    more_reported: bool,
}

/// Show a run with its spans, and the reported spans and logs. Reading the run of another principal is decided and
/// recorded.
#[utoipa::path(get, path = "/v1/runs/{id}", tag = "runs", params(("id" = String, Path)), responses(
    (status = 200, description = "The run", body = RunView),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person read it", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
))]
pub(super) async fn show(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
) -> Result<Json<RunView>, Problem> {
    let run = found(&rest.gate, &who, &id)?;
    // The owner of a run sees its own reports without a decision; all others need one.
    let own = rest.gate.is_own_run(&who.authenticated.caller, &run);
    who.admit()?;
    if !own {
        let user = who.user()?;
        rest.gate
            .authorize_on_run(&user, Action::ViewRun, &run)
            .await?;
    }
    let store = rest.trace().ok().map(|store| store.reader().clone());
    let shown = rest.read(&who, move |_, reader| {
        let records = reader.records_of_run(run.id)?;
        let merged = match store {
            Some(store) => MergedTrace::of_run(&store, &run, &records, REPORTED, !own)?,
            None => MergedTrace::default(),
        };
        Ok(RunView {
            run,
            spans: views(&records),
            reported: merged.spans().to_vec(),
            logs: merged.logs().to_vec(),
            usage: merged.usage(),
            more_reported: merged.is_cut(),
        })
    });
    Ok(Json(shown.await?))
}

/// The run with this id. An agent finds only its own runs.
pub(super) fn found(gate: &Gate, who: &Requester, id: &str) -> Result<RunRow, Problem> {
    let nothing = || {
        let id = tollgate::text::printable(id, 64);
        Problem::not_found(format!("there is no run `{id}`"))
    };
    id.parse::<RunId>().map_err(|_| nothing())?;
    let row = gate.ledger().reader().run(id)?;
    let who = &who.authenticated;
    if who.user().is_none() && !gate.is_own_run(&who.caller, &row) {
        return Err(nothing());
    }
    Ok(row)
}

/// How a run ended.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EndedAs {
    /// It reached its goal.
    Success,
    /// It did not reach its goal.
    Failed,
    /// A denial ended it.
    Denied,
    /// A budget was used up.
    BudgetExhausted,
}

/// The end of a run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// The outcome. If absent, it follows from the last call: `budget_exhausted` or `denied` if that was refused for
    /// it, else `success`.
    #[serde(default)]
    outcome: Option<EndedAs>,
    /// The reason, in a few words.
    #[serde(default)]
    reason: String,
}

/// End a run.
#[utoipa::path(post, path = "/v1/runs/{id}/end", tag = "runs", params(("id" = String, Path)), request_body = End,
    responses(
    (status = 204, description = "It has ended"),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "It has ended before", body = Problem),
    (status = 404, description = "None that is the caller's", body = Problem),
))]
pub(super) async fn end(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
    Body(body): Body<End>,
) -> Result<http::StatusCode, Problem> {
    who.admit()?;
    let run = found(&rest.gate, &who, &id)?;
    let outcome = body.outcome.map(|outcome| match outcome {
        EndedAs::Success => RunOutcome::Success,
        EndedAs::Failed => RunOutcome::Failed,
        EndedAs::Denied => RunOutcome::Denied,
        EndedAs::BudgetExhausted => RunOutcome::BudgetExhausted,
    });
    let caller = &who.authenticated.caller;
    rest.gate
        .end_own_run(caller, &run, outcome, &body.reason)
        .await
        .map_err(Problem::other_run)?;
    Ok(http::StatusCode::NO_CONTENT)
}

/// The cancellation of a run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancel {
    /// The reason, in a few words.
    reason: String,
}

/// Stop a run immediately. No further call starts, running components are ended, and pending approvals are voided.
#[utoipa::path(post, path = "/v1/runs/{id}/cancel", tag = "runs", params(("id" = String, Path)),
    request_body = Cancel, responses(
    (status = 204, description = "It is stopped"),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 404, description = "There is none", body = Problem),
))]
pub(super) async fn cancel(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
    Body(body): Body<Cancel>,
) -> Result<http::StatusCode, Problem> {
    let user = who.user()?;
    who.admit()?;
    let run = found(&rest.gate, &who, &id)?;
    rest.gate.cancel_run(&user, &run, &body.reason).await?;
    Ok(http::StatusCode::NO_CONTENT)
}
