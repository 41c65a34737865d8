//! Payloads, for users: facts of decisions, arguments, tokens of traces, and the export of a run. Each access is
//! decided and recorded.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Json,
    extract::{Path, State},
    routing::{MethodRouter, get, post},
};
use http::StatusCode;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use tollgate::{
    capture::RevealedValue,
    gate::{FactsView, Gate, OperateError},
};
use tollgate_ledger::LedgerReader;
use tollgate_model::{
    canonical::Sha256Digest,
    entity::Uid,
    ids::{DecisionId, RunId},
    record::Event,
    request::{Action, ActionContext, Request},
};
use tollgate_trace::file_export;
use utoipa::ToSchema;

use super::{
    Rest,
    body::{Body, Requester},
    runs::found,
};
use crate::{
    problem::Problem,
    reply::{DecisionArguments, DecisionFacts, EntityHash},
};

/// The most decisions in one request.
const MAX_DECISIONS: usize = 500;

/// The most bytes of facts that one request reads.
const MAX_ARGUMENTS: usize = 16 << 20;

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![
        ("/v1/decisions/{id}/facts", get(facts)),
        ("/v1/decisions/arguments", post(arguments)),
        ("/v1/runs/{id}/facts", get(run_facts)),
        ("/v1/runs/{id}/export", post(export)),
        ("/v1/reveal", post(reveal)),
    ]
}

/// Show the request and facts of a decision.
#[utoipa::path(get, path = "/v1/decisions/{id}/facts", tag = "decisions", params(("id" = String, Path)), responses(
    (status = 200, description = "{request, facts}", body = Object),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 404, description = "There is none, or nothing is kept of it", body = Problem),
))]
pub(super) async fn facts(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
) -> Result<Json<FactsView>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let id: DecisionId = id.parse().map_err(|_| {
        let id = tollgate::text::printable(&id, 64);
        Problem::not_found(format!("there is no decision `{id}`"))
    })?;
    Ok(Json(rest.gate.facts(&user, id).await?))
}

/// Show the request and facts of each decision of a run, as far as they can still be read.
#[utoipa::path(get, path = "/v1/runs/{id}/facts", tag = "runs", params(("id" = String, Path)), responses(
    (status = 200, description = "By decision", body = [DecisionFacts]),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
))]
pub(super) async fn run_facts(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
) -> Result<Json<Vec<DecisionFacts>>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let run = found(&rest.gate, &who, &id)?;
    let all = rest.gate.facts_of_run(&user, &run).await?.into_iter();
    let all = all.map(|(decision, facts)| DecisionFacts { decision, facts });
    Ok(Json(all.collect()))
}

/// The calls whose arguments to return.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ArgumentsQuery {
    /// The decisions about them.
    #[schema(value_type = Vec<String>)]
    decisions: Vec<DecisionId>,
}

/// Show the arguments of calls. Arguments that the caller may not see, or that cannot be read any more, are left
/// out. The access is decided once for each run.
#[utoipa::path(post, path = "/v1/decisions/arguments", tag = "decisions", request_body = ArgumentsQuery, responses(
    (status = 200, description = "By decision", body = [DecisionArguments]),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 400, description = "They are more than 500", body = Problem),
    (status = 403, description = "The caller is not a person", body = Problem),
    (status = 413, description = "The answer would be too large: ask for fewer", body = Problem),
    (status = 429, description = "The caller asks too often: each run counts", body = Problem),
))]
pub(super) async fn arguments(
    State(rest): State<Rest>,
    who: Requester,
    Body(body): Body<ArgumentsQuery>,
) -> Result<Json<Vec<DecisionArguments>>, Problem> {
    let user = who.user()?;
    who.admit()?;
    if body.decisions.len() > MAX_DECISIONS {
        return Err(Problem::invalid(format!(
            "ask for at most {MAX_DECISIONS} decisions at once"
        )));
    }
    let mut calls = rest
        .read(&who, move |_, reader| kept_calls(reader, body.decisions))
        .await?;
    let mut readable: BTreeMap<RunId, bool> = BTreeMap::new();
    for call in &calls {
        if readable.contains_key(&call.run) {
            continue;
        }
        if !readable.is_empty() {
            who.admit()?;
        }
        let allowed = may_read(&rest.gate, &user, call.run).await?;
        readable.insert(call.run, allowed);
    }
    calls.retain(|call| readable.get(&call.run).is_some_and(|allowed| *allowed));
    let found = rest.read(&who, move |gate, _| unsealed_arguments(gate, &calls));
    Ok(Json(found.await?))
}

/// A decision with sealed facts.
struct KeptCall {
    decision: DecisionId,
    run: RunId,
    facts: Sha256Digest,
}

/// These decisions without duplicates and without those that have no facts.
fn kept_calls(reader: &LedgerReader, decisions: Vec<DecisionId>) -> Result<Vec<KeptCall>, Problem> {
    let mut seen = BTreeSet::new();
    let mut calls = Vec::new();
    for decision in decisions {
        if seen.insert(decision.0)
            && let Some(record) = reader.record(decision.0)?
            && let (Some(run), Event::Decision(decided)) = (record.run, record.event)
            && let Some(facts) = decided.facts_digest
        {
            calls.push(KeptCall {
                decision,
                run,
                facts,
            });
        }
    }
    Ok(calls)
}

/// Their arguments, as far as they can still be read.
fn unsealed_arguments(gate: &Gate, calls: &[KeptCall]) -> Result<Vec<DecisionArguments>, Problem> {
    let mut found = Vec::new();
    let mut bytes = 0;
    for call in calls {
        let Ok(plain) = gate.ledger().unseal(call.decision.0, call.facts, "facts") else {
            continue;
        };
        let Some(arguments) = call_arguments(&plain) else {
            continue;
        };
        bytes += plain.len();
        if bytes > MAX_ARGUMENTS {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!(
                    "an answer has at most {MAX_ARGUMENTS} bytes: ask for fewer decisions at once"
                ),
            ));
        }
        found.push(DecisionArguments {
            decision: call.decision,
            arguments,
        });
    }
    Ok(found)
}

async fn may_read(gate: &Gate, user: &Uid, run: RunId) -> Result<bool, Problem> {
    let row = gate.ledger().reader().run(&run.to_string())?;
    match gate.authorize_on_run(user, Action::ViewPayload, &row).await {
        Ok(_) => Ok(true),
        Err(OperateError::Refused(_)) => Ok(false),
        Err(other) => Err(other.into()),
    }
}

/// The arguments in facts; `None` if the decision is not about a call.
fn call_arguments(facts: &[u8]) -> Option<Value> {
    let (request, _): (Request, IgnoredAny) = serde_json::from_slice(facts).ok()?;
    match request.context {
        ActionContext::Call { input, .. } => Some(input),
        _ => None,
    }
}

/// Decide and record that a run is exported to a file. Returns the keyed hashes of the entities in it.
#[utoipa::path(post, path = "/v1/runs/{id}/export", tag = "runs", params(("id" = String, Path)), responses(
    (status = 200, description = "It may be exported", body = [EntityHash]),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 404, description = "None that the caller may know of", body = Problem),
))]
pub(super) async fn export(
    State(rest): State<Rest>,
    who: Requester,
    Path(id): Path<String>,
) -> Result<Json<Vec<EntityHash>>, Problem> {
    let user = who.user()?;
    who.admit()?;
    let gate = &rest.gate;
    let run = found(gate, &who, &id)?;
    gate.authorize_on_run(&user, Action::ExportRuns, &run)
        .await?;
    let ledger = gate.ledger();
    let records = ledger.reader().records_of_run(run.id)?;
    let mut hashes = Vec::new();
    for entity in file_export::named(run.id, &records) {
        let hash = ledger.digest(&run.tenant, &file_export::hash_parts(&entity))?;
        hashes.push(EntityHash { entity, hash });
    }
    Ok(Json(hashes))
}

/// A token of a trace.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TraceToken {
    /// The token, as in the trace.
    token: String,
}

/// Return the value behind a token of a trace.
#[utoipa::path(post, path = "/v1/reveal", tag = "decisions", request_body = TraceToken, responses(
    (status = 200, description = "{run, value}", body = Object),
    (status = 401, description = "No credential that counts", body = Problem),
    (status = 403, description = "Policy does not let this person, or the caller is not a person", body = Problem),
    (status = 404, description = "It is not a token of this gate", body = Problem),
))]
pub(super) async fn reveal(
    State(rest): State<Rest>,
    who: Requester,
    Body(TraceToken { token }): Body<TraceToken>,
) -> Result<Json<RevealedValue>, Problem> {
    let user = who.user()?;
    who.admit()?;
    Ok(Json(rest.gate.reveal(&user, &token).await?))
}
