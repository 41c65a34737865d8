use std::collections::BTreeSet;

use super::*;

#[test]
fn any_directory_and_login_make_a_valid_configuration() {
    for (dir, login) in [
        (".", "root"),
        ("/x/My Gate", "first.last"),
        ("/", "o'brien \"x\""),
        ("/ü", "1000"),
    ] {
        let files = files(Path::new(dir), login, false).unwrap();
        assert!(
            files
                .iter()
                .any(|(path, _)| path.ends_with("policies/first.cedar")),
            "{dir} {login}"
        );
    }
}

/// first.cedar replaces least-privilege.cedar; the others need a decision of the operator first.
const LEFT_OUT: [&str; 5] = [
    "environments.cedar",
    "least-privilege.cedar",
    "new-tools.cedar",
    "read-only.cedar",
    "tenants.cedar",
];

#[test]
fn every_starter_policy_is_written_or_left_out_on_purpose() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let names = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = names.filter(|n| n.ends_with(".cedar")).collect();
    let mut known: BTreeSet<String> = POLICIES
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    known.extend(LEFT_OUT.iter().map(|name| (*name).to_owned()));
    assert_eq!(found, known);
}

#[test]
fn the_policies_load_with_the_tool() {
    use std::collections::BTreeMap;
    use tollgate_model::entity::{Entity, Kind, Uid};
    use tollgate_policy::{
        pdp::{Bundle, Pdp, ToolTypes},
        policy::PolicyFile,
    };

    let files = files(Path::new("."), "ada", false).unwrap();
    let config = Config::parse(Path::new("/x/tollgate.toml"), &files[0].1).unwrap();
    let mut entities = config.entities();
    entities.push(Entity::new(Uid::new(Kind::Component, "hello"), []));
    let mut tools = BTreeMap::new();
    for name in ["hello__greet", "hello__greeted"] {
        let component = Uid::new(Kind::Component, "hello");
        entities.push(Entity::new(Uid::new(Kind::Tool, name), [component]));
        let input_schema = serde_json::json!({ "type": "object", "properties": {} });
        tools.insert(
            name.to_owned(),
            ToolTypes {
                input_schema,
                numbers: BTreeMap::new(),
            },
        );
    }
    let policies = files
        .iter()
        .filter_map(|(path, text)| {
            let name = path.strip_prefix("policies").ok()?.display().to_string();
            Some(PolicyFile {
                name,
                text: text.to_string(),
            })
        })
        .collect();
    let pdp = Pdp::load(&Bundle::new(entities, policies, tools)).unwrap();
    assert_eq!(pdp.warnings(), []);
}

#[test]
fn a_bare_gate_speaks_of_no_tool() {
    let files = files(Path::new("."), "ada", true).unwrap();
    let config = Config::parse(Path::new("/x/tollgate.toml"), &files[0].1).unwrap();
    assert!(config.components.is_empty() && config.tools.is_empty());
    assert!(config.agents.contains_key("assistant"));
    assert!(files.iter().all(|(path, _)| !path.starts_with("tools")));
    let text = |name: &str| {
        let (_, text) = files.iter().find(|(path, _)| path.ends_with(name)).unwrap();
        text.clone()
    };
    for name in ["tollgate.toml", "first.cedar"] {
        assert!(!text(name).contains("hello"), "{}", text(name));
    }
    assert!(text("first.cedar").contains("operators-call-tools"));
}
