//! Cases in the format of Cedar's own integration tests, through this decision point's index and
//! evaluation: policies, entities, a schema, and requests with decision, reasons and errors.
//!
//! One difference is intended, and the snapshot lists each case that it affects: if a policy fails to
//! evaluate, Cedar skips it, while here the answer is *error*, which denies.
//!
//! `TOLLGATE_CEDAR_TESTS=DIR` names a checkout of Cedar's tests: every `*.json` below it that is such a
//! case is run as well; paths in it are relative to DIR.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use cedar_policy::{
    Context, Entities as CedarEntities, EntityUid, PolicySet, Request, Schema, ValidationMode,
    Validator,
};
use cedar_policy_core::ast::{Policy, Request as CoreRequest};
use serde::Deserialize;
use serde_json::Value;

use super::*;

#[derive(Deserialize)]
struct Case {
    policies: String,
    entities: String,
    schema: Option<String>,
    #[serde(rename = "shouldValidate", alias = "should_validate", default)]
    should_validate: bool,
    #[serde(alias = "queries")]
    requests: Vec<IndexQuery>,
}

#[derive(Deserialize)]
struct IndexQuery {
    #[serde(default, alias = "desc")]
    description: String,
    principal: Value,
    action: Value,
    resource: Value,
    #[serde(default)]
    context: Value,
    decision: String,
    #[serde(alias = "reasons")]
    reason: BTreeSet<String>,
    errors: BTreeSet<String>,
}

fn text(base: &Path, path: &str) -> String {
    let path = base.join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn schema(text: &str) -> Schema {
    if text.trim_start().starts_with('{') {
        Schema::from_json_str(text).unwrap()
    } else {
        Schema::from_cedarschema_str(text).unwrap().0
    }
}

/// Runs a case. Returns the intended differences, one line each.
fn run(base: &Path, name: &str, case: &Case) -> Vec<String> {
    let set: PolicySet = text(base, &case.policies)
        .parse()
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    let schema = case.schema.as_ref().map(|path| schema(&text(base, path)));
    if let Some(schema) = schema.clone().filter(|_| case.should_validate) {
        let valid = Validator::new(schema).validate(&set, ValidationMode::Strict);
        assert!(valid.validation_passed(), "{name}: {valid}");
    }
    let entities = CedarEntities::from_json_str(&text(base, &case.entities), schema.as_ref())
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    let set: &cedar_policy_core::ast::PolicySet = set.as_ref();
    let all: Vec<&Policy> = set.policies().collect();
    let index = Index::new(all.iter().copied());
    let mut differences = Vec::new();
    for asked in &case.requests {
        let uid = |value: &Value| {
            let value = value.get("__entity").unwrap_or(value).clone();
            EntityUid::from_json(value).unwrap_or_else(|e| panic!("{name}: {e}"))
        };
        let action = uid(&asked.action);
        let context = match &asked.context {
            Value::Null => Context::empty(),
            context => Context::from_json_value(
                context.clone(),
                schema.as_ref().map(|schema| (schema, &action)),
            )
            .unwrap_or_else(|e| panic!("{name}: {e}")),
        };
        let request = Request::new(
            uid(&asked.principal),
            action,
            uid(&asked.resource),
            context,
            None,
        );
        let request = request.unwrap();
        let request: &CoreRequest = request.as_ref();
        let entities: &Entities = entities.as_ref();
        let part = |entry: &cedar_policy_core::ast::EntityUIDEntry| entry.uid().unwrap().clone();
        let slice: Vec<&Policy> = index
            .candidates(
                &part(request.principal()),
                &part(request.action()),
                &part(request.resource()),
                entities,
            )
            .into_iter()
            .map(|position| all[position as usize])
            .collect();
        let expected: Answer = (
            asked.decision.eq_ignore_ascii_case("allow"),
            asked.reason.clone(),
            asked.errors.clone(),
        );
        let found = sliced(&slice, request, entities);
        assert_eq!(found, expected, "{name}: {}", asked.description);
        if !asked.errors.is_empty() {
            let errors: Vec<&str> = asked.errors.iter().map(String::as_str).collect();
            differences.push(format!(
                "{name}: {}: Cedar says {}, this gate error, because of {}",
                asked.description,
                asked.decision.to_lowercase(),
                errors.join(", ")
            ));
        }
    }
    differences
}

/// Every `*.json` below `dir` that is a case, in order.
fn cases(dir: &Path) -> Vec<(PathBuf, Case)> {
    let mut found = Vec::new();
    let mut pending = vec![dir.to_path_buf()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "json") {
                let text = fs::read_to_string(&path).unwrap();
                found.extend(serde_json::from_str(&text).ok().map(|case| (path, case)));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

fn all(base: &Path) -> (usize, Vec<String>) {
    let cases = cases(base);
    let differences = cases.iter().flat_map(|(path, case)| {
        let name = path.strip_prefix(base).unwrap().display().to_string();
        run(base, &name, case)
    });
    (cases.len(), differences.collect())
}

#[test]
fn cases_in_cedars_format_pass() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cedar");
    let (cases, differences) = all(&own);
    assert!(cases >= 3, "{cases}");
    insta::assert_snapshot!(differences.join("\n"));
}

#[test]
fn cedars_own_cases_pass_where_they_are_at_hand() {
    let Some(dir) = std::env::var_os("TOLLGATE_CEDAR_TESTS") else {
        return;
    };
    let (cases, differences) = all(Path::new(&dir));
    assert!(cases > 0, "no cases in it");
    assert!(
        differences.iter().all(|d| d.contains("this gate error")),
        "{differences:#?}"
    );
}
