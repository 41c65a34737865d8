use std::collections::BTreeMap;

use serde_json::json;

use super::{CrateRule, Metadata, broken};

/// `gate` depends on `ledger`, which depends on `sql`; for its tests, `ledger` depends on `gate`.
fn metadata() -> Metadata {
    let package = |id: &str| json!({ "id": id, "name": id, "publish": [] });
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
        for_tests: false,
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

/// `kit` is only for tests and depends on `gate`; `user` uses it by a dependency of this kind.
fn with_kit(user: &str, kind: Option<&str>, publish: serde_json::Value) -> Vec<String> {
    let package = |id: &str| {
        let publish = if id == "kit" {
            publish.clone()
        } else {
            json!([])
        };
        json!({ "id": id, "name": id, "publish": publish })
    };
    let dependency =
        |id: &str, kind: Option<&str>| json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] });
    let node = |id: &str, normal: &[&str]| {
        let mut deps: Vec<_> = normal.iter().map(|id| dependency(id, None)).collect();
        if id == user {
            deps.push(dependency("kit", kind));
        }
        json!({ "id": id, "deps": deps })
    };
    let metadata: Metadata = serde_json::from_value(json!({
        "packages": (["cli", "kit", "gate", "ledger"].map(package)),
        "workspace_members": ["cli", "kit", "gate", "ledger"],
        "resolve": { "nodes": [
            node("cli", &["gate"]), node("kit", &["gate"]), node("gate", &["ledger"]), node("ledger", &[]),
        ] },
    }))
    .unwrap();
    let mut rules = rules("kit", &["gate"], &[]);
    rules.get_mut("kit").unwrap().for_tests = true;
    broken(&rules, &metadata)
}

#[test]
fn a_crate_for_tests_is_a_dev_dependency_of_crates_above_it() {
    let private = || json!([]);
    assert!(with_kit("cli", Some("dev"), private()).is_empty());
    for kind in [None, Some("build")] {
        let wrong = with_kit("cli", kind, private());
        assert_eq!(
            wrong,
            ["cli depends on kit, which may only be a dev-dependency: it is so"],
            "{kind:?}"
        );
    }
    for below in ["gate", "ledger"] {
        let wrong = with_kit(below, Some("dev"), private());
        let [wrong] = &wrong[..] else {
            panic!("{wrong:?}")
        };
        assert!(
            wrong.contains(&format!("kit depends on {below}")),
            "{wrong}"
        );
    }
}

#[test]
fn a_crate_for_tests_is_not_published() {
    for publish in [json!(null), json!(["crates-io"])] {
        let wrong = with_kit("cli", Some("dev"), publish);
        assert_eq!(
            wrong,
            ["kit is only for tests: write publish = false in its Cargo.toml"]
        );
    }
}
