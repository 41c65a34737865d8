//! The OpenAPI document, made from the handlers. Public: it holds nothing that a release does not.

use axum::{
    Json,
    routing::{MethodRouter, get},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document, SecurityRequirement,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::{Rest, approvals, calls, decisions, external, health, operate, review, runs};

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Rest>)> {
    vec![("/v1/openapi.json", get(document))]
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tollgate",
        description = "Calls that policy decides, what waits for people, and what was done. Errors are \
                       application/problem+json with a stable `code`."
    ),
    paths(
        calls::call, calls::tools,
        external::authorize, external::outcomes,
        approvals::list, approvals::show, approvals::approve, approvals::reject,
        runs::list, runs::show, runs::end, runs::cancel,
        review::tell, review::annotate, review::feedback, review::case, review::compare,
        decisions::list, decisions::show,
        operate::policies, operate::reload, operate::halts, operate::halt, operate::lift,
        health::health, health::ready, document,
    ),
    modifiers(&Bearer)
)]
struct Api;

/// Every operation but the public ones takes a bearer token.
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

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "health", security(()), responses(
    (status = 200, description = "OpenAPI 3.1", body = Object),
))]
pub(super) async fn document() -> Json<Document> {
    Json(Api::openapi())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rest::{protected_routes, public_routes};

    #[test]
    fn every_route_is_described() {
        let served: BTreeSet<&str> = protected_routes()
            .iter()
            .chain(&public_routes())
            .map(|(path, _)| *path)
            .collect();
        let api = Api::openapi();
        let described: BTreeSet<&str> = api.paths.paths.keys().map(String::as_str).collect();
        assert_eq!(described, served);
    }
}
