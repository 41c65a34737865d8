//! Configurations that are wrong, and what they become when they are right.

use super::*;

fn error(text: &str) -> String {
    Config::parse(Path::new("/etc/tollgate.toml"), text)
        .unwrap_err()
        .to_string()
}

#[test]
fn an_empty_file_has_sensible_defaults() {
    let config = Config::parse(Path::new("/x/tollgate.toml"), "").unwrap();
    assert_eq!(config.store.path, Path::new("/x/.tollgate/ledger.db"));
    assert_eq!(config.policies, Path::new("/x/policies"));
    assert_eq!(config.approval_expires, Duration::from_secs(3600));
    assert_eq!(config.gate.environment, "development");
}

#[test]
fn mistakes_name_place_and_remedy() {
    insta::assert_snapshot!(
        [
            "[gate]\nnam = \"x\"",
            "[gate]\nfrobnicate = 1",
            "[gate\n",
            "[gate]\ntimezone = \"Mars/Olympus\"",
            "[store]\nurl = \"mysql://x\"",
            "[approvals]\nexpires = \"soon\"",
            "[components.x]\ngrants.a = { path = \"d\" }",
            "[components.x]\npath = \"x.wasm\"\ngrants.a = { path = \"d\", mode = \"w\" }",
            "[components.a__b]\npath = \"x.wasm\"",
            "[tools.x]\nlimits.memory = \"64MB\"",
            "[tools.x]\nlimits.memory = \"1GiB\"",
            "[tools.x]\nnumbers.\"/a\" = \"scaled(99)\"",
            "[agents.support]\nroles = []",
            "[users.alice]\n[agents.support]\noperator = \"alise\"",
            "[agents.cli]\noperator = \"alice\"",
            "[users.\"a b\"]",
        ]
        .map(error)
        .join("\n")
    );
}

#[test]
fn labels_roles_and_agents_become_entities() {
    let text = "[users.alice]\nroles = [\"security\"]\n[agents.support]\noperator = \"alice\"\n\
                [tools.x]\ntaints = [\"own\"]";
    let config = Config::parse(Path::new("/x/tollgate.toml"), text).unwrap();
    let entities = config.entities();
    let has = |kind, id: &str| entities.iter().any(|e| e.uid == Uid::new(kind, id));
    assert!(has(Kind::Role, "security") && has(Kind::Label, "own") && has(Kind::Agent, "support"));
    assert!(has(Kind::Label, "egress") && has(Kind::Agent, "cli") && has(Kind::Tenant, "default"));
}
