//! Invalid configurations, and the values of valid ones.

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
