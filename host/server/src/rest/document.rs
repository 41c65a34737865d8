//! The OpenAPI document, generated from the handlers. It is public.

use axum::{
    Json,
    routing::{MethodRouter, get},
};
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder, Schema,
        SecurityRequirement,
        path::Operation,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::{
    Rest, answers, approval_links, approvals, calls, decisions, external, health, hook_events,
    operate, payloads, requests, review, runs, sets, standing, stats, stdio, store, tokens, tools,
    upstream_logins, upstreams,
};

/// The media type of errors (RFC 9457).
const PROBLEM: &str = "application/problem+json";
/// The reference to the schema of errors.
const PROBLEM_SCHEMA: &str = "#/components/schemas/Problem";

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![("/v1/openapi.json", get(document))]
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tollgate",
        description = "Calls that policy decides, what waits for people, and what was done. Errors are \
                       application/problem+json with a stable `code`. The same operations are served over TCP, \
                       with a bearer token, and over the Unix socket `gate.sock` next to the store, where the \
                       credentials of the peer say who calls."
    ),
    paths(
        calls::call, tools::tools, tools::unusable_tools,
        external::authorize, external::outcomes, hook_events::unknown_event, requests::request,
        approvals::list, approvals::show, approvals::preview, approvals::answer_elicitation, approvals::approve, approvals::reject,
        approval_links::list, approval_links::revoke,
        answers::interact, answers::page, answers::take,
        standing::list, standing::show, standing::revoke,
        runs::list, runs::show, runs::end, runs::cancel,
        review::self_report, review::annotate, review::remove_note, review::feedback, review::case,
        review::compare,
        sets::create, sets::remove, sets::add, sets::take,
        decisions::list, decisions::show,
        payloads::facts, payloads::arguments, payloads::run_facts, payloads::export, payloads::reveal,
        operate::policies, operate::promote, operate::reload, operate::halts, operate::halt, operate::lift,
        stats::costs,
        tokens::create, tokens::confirm, tokens::revoke, tokens::revoke_by_name,
        upstreams::accept,
        upstream_logins::begin, upstream_logins::complete, upstream_logins::remove, upstream_logins::offer,
        store::backup, store::permit_restore, store::forget,
        stdio::stdio,
        health::health, health::ready, document,
    ),
    modifiers(&Bearer, &CommonParts)
)]
struct Api;

/// The bearer token of all operations except public ones.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", scheme);
        let none: [&str; 0] = [];
        document.security = Some(vec![SecurityRequirement::new("bearer", none)]);
    }
}

/// Adds unique operation ids, and the errors that all operations have.
struct CommonParts;

impl Modify for CommonParts {
    fn modify(&self, document: &mut Document) {
        for path in document.paths.paths.values_mut() {
            let operations = [&mut path.get, &mut path.post, &mut path.delete];
            for operation in operations.into_iter().flatten() {
                name_by_tag(operation);
                add_errors(operation);
                operation
                    .responses
                    .responses
                    .values_mut()
                    .for_each(type_problem);
            }
        }
    }
}

/// Prefixes the operation id with the tag, because handlers of several modules have the same name.
fn name_by_tag(operation: &mut Operation) {
    let tag = operation.tags.iter().flatten().next();
    if let (Some(tag), Some(id)) = (tag, &operation.operation_id) {
        operation.operation_id = Some(format!("{tag}_{id}"));
    }
}

fn add_errors(operation: &mut Operation) {
    // Public operations declare that they need no credentials.
    if operation.security.is_some() {
        return;
    }
    let of_all = [
        ("400", "The credential, the path or the query is malformed"),
        ("403", "The credential counts, but not for this"),
        ("429", "The caller asks too often"),
        (
            "503",
            "The store or the issuer cannot be asked now; nothing was done",
        ),
    ];
    let of_body = [
        ("408", "The body took too long"),
        ("413", "The body is too large"),
        ("415", "The body is not JSON"),
    ];
    let of_body = of_body
        .into_iter()
        .filter(|_| operation.request_body.is_some());
    for (status, description) in of_all.into_iter().chain(of_body) {
        let responses = &mut operation.responses.responses;
        if !responses.contains_key(status) {
            let content = Content::new(Some(Ref::new(PROBLEM_SCHEMA)));
            let response = ResponseBuilder::new()
                .description(description)
                .content("application/json", content)
                .build();
            responses.insert(status.into(), RefOr::T(response));
        }
    }
}

/// Sets the media type of problem details.
fn type_problem(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else {
        return;
    };
    let content = std::mem::take(&mut response.content).into_iter();
    response.content = content
        .map(|(kind, content)| match is_problem(&content) {
            true => (PROBLEM.to_owned(), content),
            false => (kind, content),
        })
        .collect();
}

fn is_problem(content: &RefOr<Content>) -> bool {
    let RefOr::T(content) = content else {
        return false;
    };
    let schema: Option<&RefOr<Schema>> = content.schema.as_ref();
    matches!(schema, Some(RefOr::Ref(of)) if of.ref_location == PROBLEM_SCHEMA)
}

/// Allows any member in objects of which nothing is said: generators take `{"type": "object"}` alone for an
/// empty object.
fn admit_members(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(admit_members);
            let is_object = match members.get("type") {
                Some(Value::String(kind)) => kind == "object",
                Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
                _ => false,
            };
            if is_object && !members.contains_key("properties") {
                members
                    .entry("additionalProperties")
                    .or_insert(Value::Bool(true));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(admit_members),
        _ => {}
    }
}

/// The document as it is served.
fn api() -> Value {
    // All of it is strings, numbers and lists: it serializes.
    let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
    admit_members(&mut document);
    document
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "health", security(()), responses(
    (status = 200, description = "OpenAPI 3.1", body = Object),
))]
pub(super) async fn document() -> Json<Value> {
    Json(api())
}

#[cfg(test)]
mod tests;
