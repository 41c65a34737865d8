use super::*;

fn checked(text: &str) -> Result<(), String> {
    check(&wat::parse_str(text).unwrap()).map_err(|error| error.to_string())
}

#[test]
fn an_adapter_imports_nothing_but_the_interfaces() {
    let tools = r#"(instance $tools) (export "tollgate:adapter/tools@0.1.0" (instance $tools))"#;
    let with = |import: &str| checked(&format!("(component {import} {tools})"));
    assert_eq!(with(""), Ok(()));
    assert_eq!(
        with(r#"(import "tollgate:adapter/log@0.1.0" (instance))"#),
        Ok(())
    );
    let foreign = with(r#"(import "wasi:clocks/wall-clock@0.2.0" (instance))"#).unwrap_err();
    assert!(
        foreign.starts_with("it imports wasi:clocks/wall-clock@0.2.0"),
        "{foreign}"
    );
    let similar = with(r#"(import "tollgate:adapters/log@0.1.0" (instance))"#);
    assert!(similar.is_err());
}

#[test]
fn a_component_of_another_world_is_refused() {
    let wrong = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/guests/wrong-world.wat"
    ));
    assert!(checked(wrong).unwrap_err().contains("acme:clock/now@1.0.0"));
    let nothing = checked("(component)").unwrap_err();
    assert!(nothing.contains("exports nothing"), "{nothing}");
}

#[test]
fn a_module_that_expects_another_host_is_refused() {
    let module =
        wat::parse_str(r#"(module (import "env" "now" (func)) (memory (export "memory") 1))"#)
            .unwrap();
    let error = component(&module).unwrap_err().to_string();
    assert!(
        error.contains("env") && error.contains("getrandom"),
        "{error}"
    );
    assert!(component(b"not wasm").is_err());
}
