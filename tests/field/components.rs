//! Components whose size is the trouble: what is too large costs itself, in bounded time and memory.

use serde_json::Value;

use crate::gate::{Gate, Ran};

const HEAD: &str = r#"(component
  (core module $m (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "keep") (param i32) (result i32) (local.get 0))
    (func (export "many") (param i32) (result i32) (i32.const 7))
    (func (export "at") (result i32) (i32.const 16))
    (func (export "answer") (result i32) (i32.const 42)))
  (core instance $i (instantiate $m))
"#;
const ANSWER: &str =
    r#"  (func (export "answer") (result u32) (canon lift (core func $i "answer"))))"#;

/// A component with a healthy function `answer`, and this.
fn component(more: &str) -> Vec<u8> {
    wat::parse_str(format!("{HEAD}{more}{ANSWER}")).unwrap()
}

fn inspect(bytes: &[u8]) -> Ran {
    let gate = Gate::with_tools(&serde_json::json!([{"name": "echo", "inputSchema": {}}]));
    let file = gate.path("odd.wasm");
    std::fs::write(&file, bytes).unwrap();
    gate.run(&["component", "inspect", file.to_str().unwrap(), "--json"])
}

/// The tools of a component that loads.
fn tools(ran: &Ran) -> Vec<String> {
    let inspected: Value =
        serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
    let tools = inspected["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_is_too_large_costs_itself_or_is_refused_with_a_reason() {
    let functions: String = (0..300)
        .map(|n| {
            format!(
                "  (func (export \"f{n}\") (result u32) (canon lift (core func $i \"answer\")))\n"
            )
        })
        .collect();
    let cases: String = (0..1_200).map(|n| format!("(case \"c{n}\")")).collect();
    let lists: String = (1..60)
        .map(|n| format!("  (type $t{n} (list $t{}))\n", n - 1))
        .collect();
    let parameters: String = (0..40).map(|n| format!("(param \"p{n}\" u32) ")).collect();
    let instances = "  (core instance (instantiate $m))\n".repeat(1_200);
    for (what, more) in [
        ("a long name", "  (func (export \"a-function-whose-name-is-longer-than-any-interface-of-any-model-would-ever-take\") (result u32) (canon lift (core func $i \"answer\")))\n".to_owned()),
        ("many functions", functions),
        ("a large variant", format!("  (type $v' (variant {cases}))\n  (export $v \"choice\" (type $v'))\n  (func (export \"pick\") (param \"c\" $v) (result $v) (canon lift (core func $i \"keep\")))\n")),
        ("deep lists", format!("  (type $t0 (list u32))\n{lists}  (func (export \"deep\") (result $t59) (canon lift (core func $i \"at\") (memory $i \"memory\")))\n")),
        ("many parameters", format!("  (func (export \"sum\") {parameters}(result u32) (canon lift (core func $i \"many\") (memory $i \"memory\") (realloc (func $i \"realloc\"))))\n")),
        ("many instances", instances),
    ] {
        let ran = inspect(&component(&more));
        match ran.code {
            Some(0) => assert!(tools(&ran).contains(&"answer".to_owned()), "{what}: {ran:?}"),
            Some(1) => assert!(ran.err.contains("odd.wasm") || ran.err.contains("component"), "{what}: {ran:?}"),
            other => panic!("{what}: {other:?} {ran:?}"),
        }
    }
    let long = inspect(&component(
        "  (func (export \"a-function-whose-name-is-longer-than-any-interface-of-any-model-would-ever-take\") (result u32) (canon lift (core func $i \"answer\")))\n",
    ));
    assert_eq!(
        tools(&long.exits(0)),
        ["answer"],
        "one long name costs one tool"
    );
}

#[test]
fn what_is_no_component_or_never_begins_is_refused_with_a_remedy() {
    let module = wat::parse_str(
        "(module (memory (export \"memory\") 1) (func (export \"run\") (result i32) (i32.const 1)))",
    );
    inspect(&module.unwrap())
        .exits(1)
        .says("tollgate component build");
    let spins = wat::parse_str(
        "(component (core module $m (func $spin (loop $l (br $l))) (start $spin) (func (export \"answer\") (result i32) (i32.const 42)))\n\
         (core instance $i (instantiate $m)) (func (export \"answer\") (result u32) (canon lift (core func $i \"answer\"))))",
    );
    let ran = inspect(&spins.unwrap());
    // Nothing of it is run where its functions are its tools; otherwise fuel ends it.
    assert!(matches!(ran.code, Some(0 | 1)), "{ran:?}");
}
