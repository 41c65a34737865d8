//! Component state: who sees it, its limits, and its labels.

use tollgate::{enforce::Verdict, gate::Gate, tool::Content};
use tollgate_model::{
    decision::Outcome,
    record::{Event, RunOutcome},
    request::Action,
};
use tollgate_testkit::world::{World, call, is_released, records, user};

/// Calls a tool of the hostile guest and returns its answer.
async fn ask(gate: &Gate, run: &str, tool: &str, arguments: &str) -> String {
    let answer = call(gate, run, &format!("hostile__{tool}"), arguments).await;
    match answer.verdict {
        Verdict::Released { content, .. } => match content.as_slice() {
            [Content::Text { text }] => text.clone(),
            other => panic!("{other:?}"),
        },
        Verdict::ToolError(failure) => format!("error {}", failure.message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_for_a_run_is_the_runs_and_goes_with_it() {
    let world = World::new("");
    let gate = world.open().await;
    let kept = call(
        &gate,
        "a",
        "hostile__keep_value",
        r#"{"run":true,"key":"k","value":"1"}"#,
    )
    .await;
    assert!(is_released(&kept), "{:?}", kept.verdict);
    assert_eq!(
        ask(&gate, "a", "recall", r#"{"run":true,"key":"k"}"#).await,
        "some 1"
    );
    assert_eq!(
        ask(&gate, "b", "recall", r#"{"run":true,"key":"k"}"#).await,
        "none"
    );
    assert_eq!(ask(&gate, "a", "recall", r#"{"key":"k"}"#).await, "none");

    let row = gate
        .ledger()
        .reader()
        .run(&kept.run.unwrap().to_string())
        .unwrap();
    gate.end_run(&user("alice"), &row, Some(RunOutcome::Success), "done")
        .await
        .unwrap();
    gate.close().await;
    let store = rows_kept(&world);
    assert_eq!(store, 0, "a run's values go with the run");
}

/// Rows of all component state.
fn rows_kept(world: &World) -> i64 {
    let file = world.config().store.path;
    let conn = rusqlite::Connection::open(file).unwrap();
    conn.query_row("SELECT count(*) FROM component_state", [], |row| row.get(0))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_adapter_keeps_outlives_runs_restarts_and_rebuilding() {
    let world = World::new("");
    let gate = world.open().await;
    let value = r#"{"key":"zähler/1","value":"7"}"#;
    assert_eq!(ask(&gate, "a", "keep_value", value).await, "kept");
    gate.close().await;
    let gate = world.open().await;
    gate.ledger().rebuild().await.unwrap();
    assert_eq!(
        ask(&gate, "b", "recall", r#"{"key":"zähler/1"}"#).await,
        "some 7"
    );
    assert_eq!(
        ask(&gate, "b", "recall_keys", r#"{"key":"z"}"#).await,
        "zähler/1"
    );
    assert_eq!(
        ask(&gate, "b", "forget", r#"{"key":"zähler/1"}"#).await,
        "true"
    );
    assert_eq!(
        ask(&gate, "b", "forget", r#"{"key":"zähler/1"}"#).await,
        "false"
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_that_compare_and_set_one_wins() {
    let world = World::new("");
    let gate = world.open().await;
    let set = |n: u32| {
        let gate = gate.clone();
        tokio::spawn(async move {
            let arguments = format!(r#"{{"key":"lock","value":"{n}"}}"#);
            ask(&gate, &format!("run-{n}"), "keep_if", &arguments).await
        })
    };
    let all: Vec<_> = (0..8).map(set).collect();
    let mut won = 0;
    for one in all {
        won += usize::from(one.await.unwrap() == "true");
    }
    assert_eq!(won, 1);
    let current = ask(&gate, "x", "recall", r#"{"key":"lock"}"#).await;
    let current = current.strip_prefix("some ").unwrap();
    let next = format!(r#"{{"key":"lock","value":"next","expected":"{current}"}}"#);
    assert_eq!(ask(&gate, "x", "keep_if", &next).await, "true");
    assert_eq!(ask(&gate, "x", "keep_if", &next).await, "false");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_one_commit_with_its_decision() {
    let world = World::new("");
    let gate = world.open().await;
    let answer = call(
        &gate,
        "a",
        "hostile__keep_value",
        r#"{"key":"k","value":"hidden words"}"#,
    )
    .await;
    let records = records(&gate, answer.run.unwrap());
    let place = |wanted: &dyn Fn(&Event) -> bool| records.iter().position(|r| wanted(&r.event));
    let decided = place(&|e| {
        matches!(e, Event::Decision(d) if d.action == Action::WriteState && d.outcome == Outcome::Allow
            && d.resource.id == "hostile/adapter:k" && d.principal.id == "hostile")
    });
    let done = place(
        &|e| matches!(e, Event::Effect(e) if e.operation == "write_state" && e.target == "adapter:k" && e.size == 12),
    );
    assert!(decided.is_some() && decided < done, "{records:?}");
    let whole = format!("{records:?}");
    assert!(!whole.contains("hidden words"), "no record holds a value");
    let file = world.config().store.path;
    gate.close().await;
    let bytes = std::fs::read(file).unwrap();
    assert!(
        !bytes.windows(12).any(|w| w == b"hidden words"),
        "values are sealed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_keeps_the_labels_of_the_run_that_wrote_it() {
    let world = World::new("");
    world.configure(
        "grants.data = { path = \"data\", mode = \"rw\" }\n[tools.files__read]",
        "grants.data = { path = \"data\", mode = \"rw\" }\ngrants.vault = { path = \"vault\", mode = \"r\", labels = [\"private\"] }\n[tools.files__read]",
    );
    let gate = world.open().await;
    let copy = r#"{"grant":"vault","path":"customer.json","key":"stolen"}"#;
    assert_eq!(ask(&gate, "a", "keep_file", copy).await, "kept");
    // Another run, with untrusted but no private data.
    let letter = call(&gate, "b", "files__read", r#"{"path":"letter.txt"}"#).await;
    assert!(is_released(&letter));
    let run = letter.run.unwrap();
    let labels = || gate.ledger().run_state(run, None).unwrap().unwrap().labels;
    let before = labels();
    ask(&gate, "b", "recall", r#"{"key":"other"}"#).await;
    assert_eq!(labels(), before);
    ask(&gate, "b", "recall_keys", r#"{"key":"s"}"#).await;
    assert!(labels().contains("private"), "{:?}", labels());
    let out = call(
        &gate,
        "b",
        "outbox__write",
        r#"{"path":"a.txt","text":"x"}"#,
    )
    .await;
    assert!(!is_released(&out), "state does not launder");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_keeps_the_labels_of_the_run_that_deleted_it() {
    let world = World::new("");
    world.configure(
        "grants.data = { path = \"data\", mode = \"rw\" }\n[tools.files__read]",
        "grants.data = { path = \"data\", mode = \"rw\" }\ngrants.vault = { path = \"vault\", mode = \"r\", labels = [\"private\"] }\n[tools.files__read]",
    );
    // Otherwise the agent's later runs would have the labels already.
    world.configure(
        "[agents.support]\noperator = \"alice\"",
        "[agents.support]\nmemory = \"run\"\noperator = \"alice\"",
    );
    let gate = world.open().await;
    let labels = |run| gate.ledger().run_state(run, None).unwrap().unwrap().labels;
    let bit = r#"{"key":"bit","value":"1"}"#;
    assert_eq!(ask(&gate, "clean", "keep_value", bit).await, "kept");
    // A run with private data tells one bit by deleting the key.
    let copy = r#"{"grant":"vault","path":"customer.json","key":"own"}"#;
    ask(&gate, "dirty", "keep_file", copy).await;
    ask(&gate, "dirty", "forget", r#"{"key":"own"}"#).await;
    let forgotten = call(&gate, "dirty", "hostile__forget", r#"{"key":"bit"}"#).await;
    assert!(labels(forgotten.run.unwrap()).contains("private"));
    for (run, tool, arguments) in [
        ("b", "recall", r#"{"key":"bit"}"#),
        ("c", "forget", r#"{"key":"bit"}"#),
        ("d", "recall_keys", r#"{"key":""}"#),
        ("e", "keep_if", r#"{"key":"bit","value":"2"}"#),
    ] {
        let answer = call(&gate, run, &format!("hostile__{tool}"), arguments).await;
        let labels = labels(answer.run.unwrap());
        assert!(labels.contains("private"), "{tool}: {labels:?}");
    }
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_says_who_keeps_what() {
    let world = World::new(
        r#"@id("runs-stay-apart") @owner("tests") @reason("Nothing crosses runs.")
           forbid (principal, action in [Tollgate::Action::"read_state", Tollgate::Action::"write_state"],
                   resource in Tollgate::State::"hostile/adapter:");"#,
    );
    let gate = world.open().await;
    let said = ask(&gate, "a", "keep_value", r#"{"key":"k","value":"1"}"#).await;
    assert!(said.contains("Nothing crosses runs."), "{said}");
    let said = ask(&gate, "a", "recall", r#"{"key":"k"}"#).await;
    assert!(said.contains("Nothing crosses runs."), "{said}");
    let said = ask(
        &gate,
        "a",
        "keep_value",
        r#"{"run":true,"key":"k","value":"1"}"#,
    )
    .await;
    assert_eq!(said, "kept");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_keeps_all_it_can_is_bounded() {
    let world = World::new("");
    world.configure("time = \"5s\" }", "time = \"60s\" }");
    let gate = world.open().await;
    // 1 MiB in values of 64 KiB with keys of 100 bytes; and 1,000 keys, however small the values.
    let said = ask(&gate, "a", "state_bomb", r#"{"run":true,"bytes":65536}"#).await;
    assert!(
        said.starts_with("15 kept; Error::Full; Some(Error::TooLarge); Some(Error::InvalidKey("),
        "{said}"
    );
    let said = ask(&gate, "b", "state_bomb", r#"{"run":true,"bytes":1}"#).await;
    assert!(said.starts_with("1000 kept; Error::Full; "), "{said}");
    // Other components are not affected, and the refused write was recorded.
    assert_eq!(
        ask(
            &gate,
            "c",
            "keep_value",
            r#"{"run":true,"key":"k","value":"1"}"#
        )
        .await,
        "kept"
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_does_not_open_in_another_place_nor_after_its_key_is_gone() {
    let world = World::new("");
    let gate = world.open().await;
    for (key, value) in [("mine", "a"), ("yours", "b")] {
        let arguments = format!(r#"{{"key":"{key}","value":"{value}"}}"#);
        assert_eq!(ask(&gate, "a", "keep_value", &arguments).await, "kept");
    }
    let file = world.config().store.path;
    let conn = rusqlite::Connection::open(file).unwrap();
    conn.execute(
        "UPDATE component_state SET ciphertext = (SELECT ciphertext FROM component_state WHERE key = 'yours') WHERE key = 'mine'",
        [],
    )
    .unwrap();
    let day: i64 = conn
        .query_row(
            "SELECT day FROM component_state WHERE key = 'mine'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(conn);
    let said = ask(&gate, "a", "recall", r#"{"key":"mine"}"#).await;
    assert!(said.starts_with("error"), "{said}");
    gate.ledger().keys().destroy_day("default", day).unwrap();
    world.pass(86_400);
    assert_eq!(
        ask(&gate, "a", "recall", r#"{"key":"yours"}"#).await,
        "none"
    );
    gate.close().await;
}
