//! Exported functions as tools: names, results, errors, descriptions, and what is left out.

use serde_json::json;
use tollgate_model::tool::FailureKind;

use super::{call, load, structured};
use crate::test_support::sandbox;

/// Functions of the world and of an interface; what they do is in the core functions.
fn calculator(world: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
  (core module $m
    (memory (export "memory") 1)
    (data (i32.const 16) "by zero")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "divide") (param i32 i32) (result i32)
      (if (i32.eqz (local.get 1))
        (then (i32.store8 (i32.const 0) (i32.const 1))
          (i32.store (i32.const 4) (i32.const 16)) (i32.store (i32.const 8) (i32.const 7)))
        (else (i32.store8 (i32.const 0) (i32.const 0))
          (i32.store (i32.const 4) (i32.div_u (local.get 0) (local.get 1)))))
      (i32.const 0))
    (func (export "nothing"))
    (func (export "bomb") (result i32)
      (i32.store (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (i32.const 60000000))
      (drop (memory.grow (i32.const 1000)))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (func $add (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
  (func $divide (param "a" u32) (param "b" u32) (result (result u32 (error string)))
    (canon lift (core func $i "divide") (memory $memory) (realloc $realloc)))
  (func $nothing (canon lift (core func $i "nothing")))
  (func $bomb (result (list u8)) (canon lift (core func $i "bomb") (memory $memory) (realloc $realloc)))
  (instance $ops (export "add" (func $add)) (export "divide" (func $divide)))
  {world})"#
    );
    wat::parse_str(&text).unwrap()
}

const CALCULATOR: &str = r#"
  (export "acme:calc/ops@1.2.0" (instance $ops))
  (export "nothing" (func $nothing))
  (export "bomb" (func $bomb))"#;

#[tokio::test]
async fn every_exported_function_is_a_tool() {
    let component = load(&calculator(CALCULATOR)).unwrap();
    let tools = sandbox().list_tools(&component).await.unwrap().tools;
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["ops_add", "ops_divide", "nothing", "bomb"]);
    assert_eq!(tools[2].output_schema, None);
    assert!(tools[0].annotations.destructive && !tools[0].annotations.read_only);

    let sum = call(&component, "ops_add", &json!({ "a": 40, "b": 2 })).await;
    assert_eq!(structured(&sum), &json!({ "result": 42 }));
    let quotient = call(&component, "ops_divide", &json!({ "a": 84, "b": 2 })).await;
    assert_eq!(structured(&quotient), &json!({ "result": 42 }));
    let by_zero = call(&component, "ops_divide", &json!({ "a": 1, "b": 0 })).await;
    let failure = by_zero.content.unwrap_err();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Failed, "by zero")
    );
    let nothing = call(&component, "nothing", &json!({})).await;
    assert_eq!(nothing.content.unwrap(), []);

    for (tool, arguments, kind) in [
        ("ops_add", json!({ "a": 1 }), FailureKind::InvalidArguments),
        (
            "ops_add",
            json!({ "a": 1, "b": -1 }),
            FailureKind::InvalidArguments,
        ),
        (
            "ops_add",
            json!({ "a": 1, "b": 1, "c": 1 }),
            FailureKind::InvalidArguments,
        ),
        ("add", json!({}), FailureKind::UnknownTool),
    ] {
        let failure = call(&component, tool, &arguments)
            .await
            .content
            .unwrap_err();
        assert_eq!(failure.kind, kind, "{tool} {arguments}");
    }
}

#[tokio::test]
async fn a_result_that_grows_in_the_host_ends_the_call() {
    let component = load(&calculator(CALCULATOR)).unwrap();
    let execution = call(&component, "bomb", &json!({})).await;
    assert_eq!(execution.content.unwrap_err().kind, FailureKind::Ended);
}

#[test]
fn two_functions_with_one_name_are_refused_with_both_named() {
    let world = r#"
      (export "acme:calc/ops@1.2.0" (instance $ops))
      (export "other:calc/ops@0.1.0" (instance $ops))"#;
    let message = load(&calculator(world)).unwrap_err().to_string();
    assert!(
        message.contains("acme:calc/ops@1.2.0#add") && message.contains("other:calc/ops@0.1.0#add"),
        "{message}"
    );
}

#[test]
fn what_needs_a_resource_is_left_out_and_said() {
    let maker = r#"
      (type $r (resource (rep i32)))
      (core func $new (canon resource.new $r))
      (core module $m2 (import "" "new" (func $new (param i32) (result i32)))
        (func (export "make") (result i32) (call $new (i32.const 1))))
      (core instance $i2 (instantiate $m2 (with "" (instance (export "new" (func $new))))))
      (export $res "res" (type $r))
      (func $make (result (own $res)) (canon lift (core func $i2 "make")))
      (export "make" (func $make))"#;
    let message = load(&calculator(maker)).unwrap_err().to_string();
    assert!(
        message.contains("`make`: it takes or gives a resource"),
        "{message}"
    );
    let component = load(&calculator(&format!("{maker}{CALCULATOR}"))).unwrap();
    assert_eq!(component.left_out().len(), 1, "the others are tools");
}

#[tokio::test]
async fn what_starts_an_interpreter_is_no_tool() {
    let world = r#"
      (instance $start (export "init" (func $nothing)))
      (export "exports" (instance $start))
      (export "init" (func $nothing))"#;
    let component = load(&calculator(world)).unwrap();
    let tools = sandbox().list_tools(&component).await.unwrap().tools;
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["init"], "another function may have this name");
}

#[test]
fn documentation_becomes_the_description() {
    let section = |json: &str| {
        let mut bytes = calculator(CALCULATOR);
        let contents = [&[12][..], b"package-docs", &[1], json.as_bytes()].concat();
        bytes.push(0);
        let mut size = contents.len();
        while size >= 0x80 {
            bytes.push((size & 0x7f) as u8 | 0x80);
            size >>= 7;
        }
        bytes.push(size as u8);
        bytes.extend(contents);
        bytes
    };
    let described = |bytes: &[u8]| {
        let component = load(bytes).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let tools = runtime
            .block_on(sandbox().list_tools(&component))
            .unwrap()
            .tools;
        tools
            .into_iter()
            .map(|tool| tool.description)
            .collect::<Vec<_>>()
    };
    let docs = r#"{"worlds":{"calc":{"func_exports":{"nothing":{"docs":"Does nothing."}}}},
        "interfaces":{"ops":{"docs":"x","funcs":{"add":"Adds two numbers."}}}}"#;
    let said = described(&section(docs));
    assert_eq!(
        (said[0].as_str(), said[2].as_str()),
        ("Adds two numbers.", "Does nothing.")
    );
    assert!(said[1].contains("acme:calc/ops@1.2.0#divide"));
    assert_eq!(
        described(&section("no JSON")),
        described(&calculator(CALCULATOR))
    );
}

#[test]
fn types_that_would_fill_any_memory_are_left_out() {
    let types: String = (1..13)
        .map(|n| format!("(type $t{n} (tuple $t{} $t{}))", n - 1, n - 1))
        .collect();
    let text = format!(
        r#"(component
          (core module $m (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
            (func (export "few")) (func (export "many") (param i32)))
          (core instance $i (instantiate $m))
          (type $t0 (tuple u8 u8)) {types}
          (func (export "few") (canon lift (core func $i "few")))
          (func (export "many") (param "x" $t12)
            (canon lift (core func $i "many") (memory $i "memory") (realloc (func $i "realloc")))))"#
    );
    let component = load(&wat::parse_str(&text).unwrap()).unwrap();
    assert_eq!(
        component.left_out(),
        ["`many`: its types are too large".to_owned()]
    );
}
