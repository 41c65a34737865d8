use std::collections::BTreeMap;

use serde_json::json;

use super::{CrateRule, Metadata, broken};

/// `gate` depends on `ledger`, which depends on `sql`; for its tests, `ledger` depends on `gate`.
fn metadata() -> Metadata {
    let package = |id: &str| json!({ "id": id, "name": id });
    let dependency =
        |id: &str, kind: Option<&str>| json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] });
    serde_json::from_value(json!({
        "packages": [package("gate"), package("ledger"), package("sql")],
        "workspace_members": ["gate", "ledger"],
        "resolve": { "nodes": [
            { "id": "gate", "deps": [dependency("ledger", None)] },
            { "id": "ledger", "deps": [dependency("sql", None), dependency("gate", Some("dev"))] },
            { "id": "sql", "deps": [] },
        ] },
    }))
    .unwrap()
}

fn rules(name: &str, may_use: &[&str], never: &[&str]) -> BTreeMap<String, CrateRule> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let rule = CrateRule {
        may_use: owned(may_use),
        never: owned(never),
        because: "it is so".to_owned(),
    };
    BTreeMap::from([(name.to_owned(), rule)])
}

#[test]
fn a_crate_of_the_workspace_must_be_listed() {
    assert!(broken(&rules("gate", &["ledger"], &[]), &metadata()).is_empty());
    assert_eq!(
        broken(&rules("gate", &[], &[]), &metadata()),
        ["gate depends on ledger, which it must not: it is so"]
    );
}

#[test]
fn what_is_forbidden_must_not_be_reached_through_others() {
    assert_eq!(
        broken(&rules("gate", &["ledger"], &["sql"]), &metadata()),
        ["gate reaches sql, which it must not: it is so"]
    );
}

#[test]
fn what_only_tests_need_does_not_count() {
    assert!(broken(&rules("ledger", &[], &["gate"]), &metadata()).is_empty());
}
