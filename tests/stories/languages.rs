//! Tools that are not written in Rust: in JavaScript, in Python, and components that do not know the gate.

use std::fs;

use serde_json::{Value, json};
use tollgate::{
    enforce::Answer,
    enforce::Verdict,
    load,
    tool::{Content, FailureKind, Size},
};
use tollgate_model::record::Event;
use tollgate_testkit::{
    component, repository,
    world::{World, call, records},
};

/// A world with one more component; `table` is its table in the configuration.
pub(crate) fn with_component(name: &str, bytes: &[u8], table: &str, policies: &str) -> World {
    let world = World::new(policies);
    fs::write(world.path(&format!("{name}.wasm")), bytes).unwrap();
    let config = world.read("tollgate.toml");
    // These stories do not need the other components.
    let (gate, _) = config.split_once("[components.files]").unwrap();
    let (_, users) = config.split_once("[users.alice]").unwrap();
    world.write(
        "tollgate.toml",
        &format!(
            "{gate}[components.{name}]\npath = \"{name}.wasm\"\n{table}\n[users.alice]{users}"
        ),
    );
    world.write("policies/base.cedar", CALL);
    world.accept();
    world
}

const CALL: &str = r#"@id("clerks-call") @owner("tests")
permit (principal in Tollgate::Role::"clerk", action in Tollgate::Action::"call", resource);"#;

/// Tools that are nothing special, in the configuration.
pub(crate) fn labelled(tools: &[&str]) -> String {
    let table = |tool: &&str| format!("\n[tools.{tool}]\nlabels = []\ntaints = []\n");
    tools.iter().map(table).collect()
}

pub(crate) fn built(name: &str) -> Vec<u8> {
    fs::read(component(name)).unwrap()
}

fn structured(answer: &Answer) -> Value {
    match &answer.verdict {
        Verdict::Released { content, .. } => content
            .iter()
            .find_map(|part| match part {
                Content::Structured(value) => Some(value.clone()),
                _ => None,
            })
            .unwrap(),
        other => panic!("{other:?}"),
    }
}

fn text(answer: &Answer) -> String {
    match &answer.verdict {
        Verdict::Released { content, .. } => match content.as_slice() {
            [Content::Text { text }] => text.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

pub(crate) fn failure(answer: &Answer) -> (FailureKind, String) {
    match &answer.verdict {
        Verdict::ToolError(failure) => (failure.kind, failure.message.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_in_javascript_converts() {
    let world = with_component(
        "convert",
        &built("convert"),
        &labelled(&[
            "convert__markdown_to_html",
            "convert__json_to_yaml",
            "convert__yaml_to_json",
        ]),
        "",
    );
    let gate = world.open().await;
    let converted = |tool: &'static str, text: &str| {
        let arguments = json!({ "text": text }).to_string();
        let gate = &gate;
        async move { call(gate, "r", tool, &arguments).await }
    };
    let html = converted("convert__markdown_to_html", "# Hi\n\n<b>x</b>").await;
    assert_eq!(
        text(&html),
        "<h1>Hi</h1>\n<p>&lt;b&gt;x&lt;/b&gt;</p>\n",
        "what a stranger wrote as HTML is text"
    );
    let yaml = converted("convert__json_to_yaml", r#"{"a":[1,"x"]}"#).await;
    assert_eq!(text(&yaml), "a:\n  - 1\n  - x\n");
    let (kind, why) = failure(&converted("convert__yaml_to_json", "a: [").await);
    assert!(
        kind == FailureKind::InvalidArguments && why.contains("YAML"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_in_python_queries_files_and_each_of_them_is_decided() {
    let world = with_component(
        "table",
        &built("table"),
        &format!(
            "size = \"large\"\ngrants.data = {{ path = \"data\", mode = \"r\" }}{}",
            labelled(&["table__query"])
        ),
        r#"@id("no-salaries") @owner("tests") @reason("Salaries are confidential.")
        forbid (principal, action == Tollgate::Action::"read_file", resource)
        when { resource == Tollgate::File::"table/data:/salaries.csv" };"#,
    );
    world.write(
        "data/orders.csv",
        "region,amount\nnorth,10\nsouth,2.5\nnorth,30\n",
    );
    world.write("data/salaries.csv", "name,amount\nada,1\n");
    let gate = world.open().await;
    let tool = &gate.ruleset().tools["table__query"];
    let component = &gate.executors().components["table"];
    assert_eq!(component.compiled.size(), Size::Large);
    assert_eq!(tool.limits.memory, Size::Large.max_memory());

    let query = |path: &str| {
        let arguments = json!({
            "grant": "data", "path": path, "group_by": ["region"],
            "aggregate": ["sum:amount", "count"], "sort_by": "-sum:amount", "limit": 1,
        });
        let (gate, arguments) = (&gate, arguments.to_string());
        async move { call(gate, "r", "table__query", &arguments).await }
    };
    let answer = query("orders.csv").await;
    let expected =
        json!({ "count": 2, "rows": [{ "region": "north", "sum:amount": 40, "count": 2 }] });
    assert_eq!(structured(&answer), expected);
    let read = records(&gate, answer.run.unwrap()).into_iter().any(
        |record| matches!(record.event, Event::Effect(effect) if effect.target.contains("orders.csv")),
    );
    assert!(read, "the file was read as a decided effect");

    let (kind, why) = failure(&query("salaries.csv").await);
    assert_eq!(kind, FailureKind::Denied);
    assert!(why.contains("Salaries are confidential."), "{why}");
    let (_, why) = failure(&query("nothing.csv").await);
    assert!(why.contains("nothing.csv"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_needs_more_than_there_is_names_the_setting() {
    let many: String = (0..20)
        .map(|i| format!("(core instance $i{i} (instantiate $m))"))
        .collect();
    let bytes = wat::parse_str(format!("(component (core module $m) {many})")).unwrap();
    let world = with_component("many", &bytes, "", "");
    let error = load::check(world.config(), None)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("many.wasm") && error.contains("size = \"large\""),
        "{error}"
    );
}

const CALCULATOR: &str = r#"(component
  (core module $m
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
  (core instance $i (instantiate $m))
  (func $add (param "a" u8) (param "b" u8) (result u32) (canon lift (core func $i "add")))
  (instance $ops (export "add" (func $add)))
  (export "acme:calc/ops@1.2.0" (instance $ops)))"#;

#[tokio::test(flavor = "multi_thread")]
async fn any_component_is_a_tool_whose_types_policies_know() {
    let bytes = wat::parse_str(CALCULATOR).unwrap();
    let world = with_component(
        "calc",
        &bytes,
        &labelled(&["calc__ops_add"]),
        r#"@id("no-thirteen") @owner("tests") @reason("Not thirteen.")
        forbid (principal, action == Tollgate::Action::"calc__ops_add", resource)
        when { context.input.a == 13 };"#,
    );
    let gate = world.open().await;
    let add = |arguments: &'static str| call(&gate, "r", "calc__ops_add", arguments);
    assert_eq!(
        structured(&add(r#"{"a":40,"b":2}"#).await),
        json!({ "result": 42 })
    );
    for arguments in [r#"{"a":256,"b":0}"#, r#"{"a":1}"#, r#"{"a":1,"b":2,"c":3}"#] {
        assert!(matches!(add(arguments).await.verdict, Verdict::Refused(_)));
    }
    let denied = add(r#"{"a":13,"b":1}"#).await;
    assert!(matches!(denied.verdict, Verdict::Refused(_)), "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_made_for_wasi_finds_nothing_and_is_heard() {
    let text = fs::read(repository().join("tests/guests/wasi.wat")).unwrap();
    let bytes = wat::parse_bytes(&text).unwrap();
    let tools = ["wasi__look", "wasi__say", "wasi__random", "wasi__leave"];
    let world = with_component("wasi", &bytes, &labelled(&tools), "");
    let gate = world.open().await;
    let call = |tool: &'static str, arguments: &'static str| call(&gate, "r", tool, arguments);
    let nothing = json!({ "arguments": 0, "directories": 0, "environment": 0 });
    assert_eq!(structured(&call("wasi__look", "{}").await), nothing);

    let left = call("wasi__leave", "{}").await;
    assert!(
        matches!(&left.verdict, Verdict::Released { content, .. } if content.is_empty()),
        "it has nothing to return: {left:?}"
    );

    let said = call("wasi__say", r#"{"text":"one\ntwo \u001b[31mred"}"#).await;
    assert!(matches!(said.verdict, Verdict::Released { .. }), "{said:?}");
    let lines: Vec<String> = records(&gate, said.run.unwrap())
        .into_iter()
        .filter_map(|record| match record.event {
            Event::ComponentLog(log) => Some(log.message),
            _ => None,
        })
        .collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0] == "one" && lines[1].starts_with("two"),
        "{lines:?}"
    );
    assert!(
        !lines[1].contains('\u{1b}'),
        "nothing that a terminal obeys"
    );

    let some = call("wasi__random", r#"{"len":32}"#).await;
    assert_eq!(structured(&some), json!({ "result": 32 }));
    let much = call("wasi__random", r#"{"len":10000000}"#).await;
    assert!(
        matches!(much.verdict, Verdict::Ended { .. }),
        "more randomness than is given at once: {much:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_made_for_wasi_finds_what_is_configured() {
    let text = fs::read(repository().join("tests/guests/wasi.wat")).unwrap();
    let bytes = wat::parse_bytes(&text).unwrap();
    let world = with_component("wasi", &bytes, &labelled(&["wasi__look"]), "");
    world.configure(
        "[components.wasi]",
        "[components.wasi]\nargs = [\"wasi\", \"--all\"]\nenv = { LANG = \"C.UTF-8\" }",
    );
    let gate = world.open().await;
    let found = call(&gate, "r", "wasi__look", "{}").await;
    let some = json!({ "arguments": 2, "directories": 0, "environment": 1 });
    assert_eq!(structured(&found), some);
}
