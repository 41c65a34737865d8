//! Invalid configurations, and the values of valid ones.

use super::*;
use crate::sandbox::resources::{ConfigValue, MAX_TEXTS, MAX_VALUE};

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
            "[hosts.\"API.Example.com\"]",
            "[hosts.\"example.com/path\"]",
            "[hosts.\"*.10.0.0.1\"]",
            "[hosts.\"0x7f.1\"]",
            "[hosts.\"example.com\"]\nlabels = [\"private-network\"]",
            "[hosts.\"example.com\"]\nprivate = true",
            "[secrets.key]\nvalue = \"hunter2\"",
            "[secrets.key]",
            "[secrets.key]\nenv = \"KEY\"\nfile = \"key\"",
            "[secrets.key]\nenv = \"KEY\"\n[components.web]\npath = \"web.wasm\"\nsecrets = [\"kay\"]",
        ]
        .map(error)
        .join("\n")
    );
}

#[test]
fn what_is_said_of_values_names_place_and_remedy() {
    for (text, place, remedy) in [
        (
            "[tools.x.arguments]\n\"/to\" = \"receiver\"",
            "2:",
            "recipient, url, host",
        ),
        (
            "[tools.x.results]\n\"/to\" = \"safe\"",
            "2:",
            "trusted, counterparty or untrusted",
        ),
        (
            "[tools.x.results]\n\"to\" = \"trusted\"",
            "2:",
            "begins with `/`",
        ),
        (
            "[users.alice]\n[agents.a]\noperator = \"alice\"\nrequest_from = [\"mail\"]",
            "4:",
            "[\"rest\", \"mcp\", \"header\", \"otlp\"]",
        ),
    ] {
        let error = error(text);
        assert!(error.contains(place) && error.contains(remedy), "{error}");
    }
    let text = "[tools.x]\nasked_by = [\"close\"]\narguments.\"/id\" = \"none\"\n\
                results.\"/items/*/id\" = \"trusted\"\n[users.alice]\n\
                [agents.a]\noperator = \"alice\"\nrequest_from = [\"mcp\"]\nvalues = [\"*@x.example\"]";
    let config = Config::parse(Path::new("/x/tollgate.toml"), text).unwrap();
    let tool = &config.tools["x"].provenance;
    assert_eq!(tool.asked_by.as_deref(), Some(&["close".to_owned()][..]));
    assert_eq!(
        (tool.arguments[0].0.to_string(), tool.arguments[0].1),
        ("/id".into(), None)
    );
    assert_eq!(tool.results[0].0.to_string(), "/items/*/id");
    assert!(
        config.agents["a"]
            .request_from
            .contains(&RequestChannel::Mcp)
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

#[test]
fn a_host_is_what_is_said_of_it_or_of_the_nearest_above() {
    let text = "[hosts.\"example.com\"]\nlabels = [\"own\"]\n[hosts.\"*.example.com\"]\nlabels = [\"below\"]\n\
                [hosts.\"*.a.example.com\"]\nlabels = []\ntaints = []\n[hosts.\"::1\"]\nallow_private = true\n\
                [hosts.\"10.0.0.1\"]\ntrace = false";
    let config = Config::parse(Path::new("/x/tollgate.toml"), text).unwrap();
    let labels = |host: &str| {
        let host = config.network.host(host);
        host.labels.into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(labels("example.com"), "own");
    assert_eq!(labels("b.example.com"), "below");
    assert_eq!(labels("a.example.com"), "below");
    assert_eq!(labels("b.a.example.com"), "");
    assert_eq!(labels("notexample.com"), "unlabelled");
    assert_eq!(labels("com"), "unlabelled");
    let unlisted = config.network.host("other.org");
    assert!(unlisted.trace && !unlisted.allow_private && unlisted.taints.contains("untrusted"));
    assert!(config.network.host("::1").allow_private && !config.network.host("10.0.0.1").trace);
}

#[test]
fn a_key_that_was_renamed_is_refused_by_its_new_name() {
    for (text, new) in [
        ("[approvals]\nhold = \"3s\"", "wait_timeout"),
        (
            "[approvals]\nhold_with_progress = \"3s\"",
            "wait_timeout_with_progress",
        ),
        ("[runs]\nidle = \"30m\"", "idle_timeout"),
        ("[runs]\nnamed_idle = \"168h\"", "named_idle_timeout"),
        ("[capture]\notherwise = \"drop\"", "default"),
    ] {
        let error = error(text);
        assert!(error.contains(&format!("is called `{new}` now")), "{error}");
    }
}

#[test]
fn durations_may_be_in_days() {
    let text = "[capture]\nretention = \"90d\"\n[runs]\nnamed_idle_timeout = \"7d\"";
    let config = Config::parse(Path::new("/x/tollgate.toml"), text).unwrap();
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(config.capture.all.retention, Some(90 * day));
    assert_eq!(config.named_run_idle_timeout, 7 * day);
}

#[test]
fn what_an_agent_remembers_is_the_operators_statement() {
    let text = "[users.alice]\n[agents.a]\noperator = \"alice\"\n\
                [agents.b]\noperator = \"alice\"\nmemory = \"conversation\"";
    let config = Config::parse(Path::new("/x/tollgate.toml"), text).unwrap();
    assert_eq!(config.agents["a"].memory, AgentMemory::User);
    assert_eq!(config.agents["b"].memory, AgentMemory::Conversation);
}

fn component_config(entries: &str) -> String {
    format!("[components.x]\npath = \"x.wasm\"\n[components.x.config]\n{entries}")
}

#[test]
fn the_config_of_a_component_has_types_and_labels() {
    let text = component_config(
        "region = \"eu\"\nlimit = -5\nratio = 0.5\nenabled = true\nhosts = [\"a\", \"b\"]\nnone = []\n\
         customer = { value = \"acme\", labels = [\"own\"] }\n[components.y]\npath = \"y.wasm\"\nconfig.limit = 1",
    );
    let config = Config::parse(Path::new("/x/tollgate.toml"), &text).unwrap();
    let entries = &config.components["x"].config;
    let values: BTreeMap<&str, ConfigValue> = entries
        .iter()
        .map(|(key, entry)| (key.as_str(), entry.value.clone()))
        .collect();
    let texts = |texts: &[&str]| {
        let texts = texts.iter().map(|text| (*text).to_owned());
        ConfigValue::Texts(texts.collect())
    };
    let expected = BTreeMap::from([
        ("customer", ConfigValue::Text("acme".into())),
        ("enabled", ConfigValue::Boolean(true)),
        ("hosts", texts(&["a", "b"])),
        ("limit", ConfigValue::Integer(-5)),
        ("none", texts(&[])),
        ("ratio", ConfigValue::Float(0.5)),
        ("region", ConfigValue::Text("eu".into())),
    ]);
    assert_eq!(values, expected);
    assert_eq!(
        entries["customer"].labels,
        BTreeSet::from(["own".to_owned()])
    );
    assert!(entries["region"].labels.is_empty());
    assert!(config.labels().contains("own"), "policies know the label");
    let y = &config.components["y"].config;
    assert_eq!(y["limit"].value, ConfigValue::Integer(1));
}

#[test]
fn mistakes_in_the_config_of_a_component_name_place_and_remedy() {
    // Made up, and split, so that scanners of repositories stay quiet.
    let key = format!("note = \"-----BEGIN RSA PRIVATE{}-----\"", " KEY");
    let long = format!("note = \"{}\"", "x".repeat(MAX_VALUE + 1));
    let items = format!("note = [{}]", "\"x\",".repeat(MAX_TEXTS + 1));
    let many: String = (0..101).map(|n| format!("key-{n} = 1\n")).collect();
    let entries = [
        "\"a b\" = 1",
        "http.timeout = 3",
        "a = { value = 1, label = [\"private\"] }",
        "a = { value = 1, labels = \"private\" }",
        "a = { value = 1, labels = [\"not private\"] }",
        "a = { value = { b = 1 } }",
        "ratios = [0.5, 1.0]",
        "a = nan",
        "since = 2026-11-23",
        "password = \"hunter2\"",
        "token = [\"one\", \"two\"]",
        &key,
        &long,
        &items,
        &many,
    ];
    let text: Vec<String> = entries
        .iter()
        .map(|entry| error(&component_config(entry)))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
    for fine in ["password = \"\"", "token = 3", "token_limit = \"low\""] {
        assert!(Config::parse(Path::new("/x/t.toml"), &component_config(fine)).is_ok());
    }
}
