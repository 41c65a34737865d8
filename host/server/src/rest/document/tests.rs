use std::collections::BTreeSet;

use super::*;
use crate::rest::{answer_routes, owner_routes, protected_routes, public_routes};

fn described() -> Value {
    api()
}

/// Each operation of the document: path, method, and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((path.clone(), method.clone(), operation));
        }
    }
    all
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let answers = answer_routes();
    let served: BTreeSet<&str> = protected_routes()
        .iter()
        .chain(&owner_routes())
        .chain(&public_routes())
        .map(|(path, _)| *path)
        .chain(answers.iter().map(|(path, _)| *path))
        .collect();
    let api = Api::openapi();
    let described: BTreeSet<&str> = api.paths.paths.keys().map(String::as_str).collect();
    assert_eq!(described, served);
}

#[test]
fn every_parameter_of_a_path_is_described() {
    let document = described();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for (path, method, operation) in operations(&document) {
        let named: BTreeSet<&str> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let described: BTreeSet<&str> = parameters
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(described, named, "{method} {path}");
    }
}

#[test]
fn operations_have_names_of_their_own_bodies_and_errors() {
    let document = described();
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} occurs twice");
        let responses = operation["responses"].as_object().unwrap();
        assert!(
            responses.keys().any(|status| status < &"300".to_owned()),
            "{method} {path} never succeeds"
        );
        for (status, response) in responses {
            assert!(
                response["description"].is_string(),
                "{method} {path} {status}"
            );
        }
        if operation["security"].is_null() {
            for status in ["401", "403", "429", "503"] {
                assert!(responses.contains_key(status), "{method} {path} {status}");
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn follow(document: &Value, value: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(to)) = object.get("$ref") {
                    let pointer = to.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{to}");
                }
                object.values().for_each(|value| follow(document, value));
            }
            Value::Array(values) => values.iter().for_each(|value| follow(document, value)),
            _ => {}
        }
    }
    let document = described();
    follow(&document, &document);
}

#[test]
fn objects_without_described_members_admit_any() {
    let document = described();
    let schemas = &document["components"]["schemas"];
    assert_eq!(
        schemas["NewCall"]["properties"]["arguments"]["additionalProperties"],
        true
    );
    assert_eq!(
        schemas["CallReply"]["properties"]["content"]["items"]["additionalProperties"],
        true
    );
    assert_eq!(schemas["NewCall"]["additionalProperties"], false);
}
