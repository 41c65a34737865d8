//! What the operator configures for a component: who reads it, as what it is recorded, and which labels it has.

use std::collections::BTreeSet;

use tollgate::{
    enforce::{Answer, Verdict},
    gate::Gate,
    replay::Replay,
    tool::Content,
};
use tollgate_ledger::RecordFilter;
use tollgate_model::{
    decision::Outcome,
    record::{DecisionRecord, Effect, Event},
    request::Action,
};
use tollgate_policy::policy::PolicyFile;
use tollgate_testkit::world::{World, call, is_released, records};

/// A world in which the hostile guest has a configuration.
fn world(policies: &str) -> World {
    let world = World::new(policies);
    world.configure(
        "[tools.files__read]",
        "[components.hostile.config]\nregion = \"eu\"\nlimit = -5\nratio = 0.5\nenabled = true\n\
         hosts = [\"a\", \"b\"]\ncustomer = { value = \"acme\", labels = [\"private\"] }\n[tools.files__read]",
    );
    world
}

fn text(answer: &Answer) -> String {
    match &answer.verdict {
        Verdict::Released { content, .. } => match content.as_slice() {
            [Content::Text { text }] => text.clone(),
            other => panic!("{other:?}"),
        },
        Verdict::ToolError(failure) => format!("error {}", failure.message),
        other => panic!("{other:?}"),
    }
}

async fn read(gate: &Gate, run: &str, key: &str) -> Answer {
    let arguments = serde_json::json!({ "key": key }).to_string();
    call(gate, run, "hostile__read_setting", &arguments).await
}

/// Decisions about reads in an answer's run, and the effects that they allowed.
fn recorded(gate: &Gate, answer: &Answer) -> (Vec<DecisionRecord>, Vec<Effect>) {
    let (mut decisions, mut effects) = (Vec::new(), Vec::new());
    for record in records(gate, answer.run.unwrap()) {
        match record.event {
            Event::Decision(d) if d.action == Action::ReadConfig => decisions.push(*d),
            Event::Effect(e) if e.operation == "read_config" => effects.push(e),
            _ => {}
        }
    }
    (decisions, effects)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_has_its_type_and_its_read_is_decided_and_recorded() {
    let world = world("");
    let gate = world.open().await;
    for (key, value) in [
        ("region", r#"Value::Text("eu")"#),
        ("limit", "Value::Integer(-5)"),
        ("ratio", "Value::Float(0.5)"),
        ("enabled", "Value::Boolean(true)"),
        ("hosts", r#"Value::Texts(["a", "b"])"#),
        ("absent", "none"),
    ] {
        assert_eq!(text(&read(&gate, "a", key).await), value);
    }
    let answer = read(&gate, "b", "region").await;
    let (decisions, effects) = recorded(&gate, &answer);
    let [decision] = decisions.as_slice() else {
        panic!("{decisions:?}")
    };
    assert_eq!(
        (decision.outcome, decision.resource.to_string().as_str()),
        (Outcome::Allow, r#"Tollgate::ConfigEntry::"hostile/region""#)
    );
    let [effect] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!((effect.target.as_str(), effect.size), ("region", 2));
    assert_eq!(effect.parent, decision.span);
    let whole = format!("{:?}", recorded(&gate, &read(&gate, "c", "customer").await));
    assert!(!whole.contains("acme"), "no record holds a value: {whole}");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_gives_its_labels_to_the_run_and_absence_those_of_all_entries() {
    let world = world("");
    let support = "[agents.support]\n";
    world.configure(support, &format!("{support}memory = \"run\"\n"));
    let gate = world.open().await;
    let letter = r#"{"path":"letter.txt"}"#;
    let out = r#"{"path":"a.txt","text":"x"}"#;
    for (run, key, private) in [
        ("a", "region", false),
        ("b", "customer", true),
        ("c", "absent", true),
    ] {
        assert!(is_released(&call(&gate, run, "files__read", letter).await));
        let answer = read(&gate, run, key).await;
        assert!(is_released(&answer), "{:?}", answer.verdict);
        let state = gate.ledger().run_state(answer.run.unwrap(), None).unwrap();
        let labels: BTreeSet<String> = state.unwrap().labels;
        assert_eq!(labels.contains("private"), private, "{key}: {labels:?}");
        let sent = call(&gate, run, "outbox__write", out).await;
        assert_eq!(is_released(&sent), !private, "{key}: {:?}", sent.verdict);
    }
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_says_which_entries_are_read() {
    let world = world(
        r#"@id("no-region") @owner("tests") @reason("Regions stay here.")
           forbid (principal, action == Tollgate::Action::"read_config",
                   resource == Tollgate::ConfigEntry::"hostile/region");
           @id("no-private") @owner("tests") @reason("Customers stay here.")
           forbid (principal, action == Tollgate::Action::"read_config", resource in Tollgate::Label::"private");"#,
    );
    let gate = world.open().await;
    for (key, reason) in [
        ("region", "Regions stay here."),
        ("customer", "Customers stay here."),
        // That it is absent tells something about what is there.
        ("absent", "Customers stay here."),
    ] {
        let answer = read(&gate, key, key).await;
        let said = match &answer.verdict {
            Verdict::ToolError(failure) => failure.message.clone(),
            other => panic!("{other:?}"),
        };
        assert!(said.contains(reason), "{key}: {said}");
        let (decisions, effects) = recorded(&gate, &answer);
        assert_eq!(decisions[0].outcome, Outcome::Deny);
        assert!(effects.is_empty(), "{effects:?}");
        let run = gate.ledger().run_state(answer.run.unwrap(), None).unwrap();
        assert!(!run.unwrap().labels.contains("private"), "nothing was read");
    }
    assert_eq!(
        text(&read(&gate, "limit", "limit").await),
        "Value::Integer(-5)"
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_no_entry_has_are_refused_before_anything_is_decided() {
    let world = world("");
    let gate = world.open().await;
    let answer = call(&gate, "a", "hostile__odd_settings", "{}").await;
    let said = text(&answer);
    assert_eq!(said, ["invalid"; 6].join(" "));
    assert!(recorded(&gate, &answer).0.is_empty());
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_reads_without_end_is_bounded() {
    let world = world("");
    world.configure("time = \"5s\" }", "time = \"120s\" }");
    world.configure("cpu = \"200ms\"", "cpu = \"60s\"");
    let gate = world.open().await;
    let arguments = r#"{"key":"limit","times":10100}"#;
    let answer = call(&gate, "a", "hostile__setting_storm", arguments).await;
    let said = text(&answer);
    assert!(
        said.starts_with("10000 answers; ") && said.contains("asked for too much of its host"),
        "{said}"
    );
    assert_eq!(recorded(&gate, &answer).0.len(), 10_000, "each is recorded");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_read_is_decided_again_under_other_policies() {
    let world = world("");
    let gate = world.open().await;
    read(&gate, "a", "customer").await;
    read(&gate, "b", "region").await;
    let candidate = world.config().policy_files().unwrap();
    let stricter = PolicyFile {
        name: "stricter.cedar".into(),
        text: r#"@id("no-private") @owner("tests") @reason("Customers stay here.")
            forbid (principal, action == Tollgate::Action::"read_config", resource in Tollgate::Label::"private");"#
            .into(),
    };
    let replay = Replay {
        reader: gate.ledger().reader(),
        keys: gate.ledger().keys(),
        candidate: candidate.into_iter().chain([stricter]).collect(),
        filter: RecordFilter::default(),
        tool: None,
        threads: 1,
    };
    let report = replay.run(|_, _| {}).unwrap();
    assert_eq!(report.not_comparable.len(), 0, "{report:?}");
    let [flips] = report.flips.as_slice() else {
        panic!("{report:?}")
    };
    assert_eq!(
        (flips.from, flips.to, flips.count, flips.policies.as_slice()),
        (
            Outcome::Allow,
            Outcome::Deny,
            1,
            ["no-private".to_owned()].as_slice()
        )
    );
    gate.close().await;
}
