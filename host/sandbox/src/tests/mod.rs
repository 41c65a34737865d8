//! Loading: which components fit the world, which do not, and their error messages.

mod limits;

use tokio::sync::watch;
use tollgate_model::tool::{FailureKind, Limits, Size};

use crate::{
    Sandbox, SandboxError, SandboxOptions, ToolList,
    test_support::{built, calling, guest, load, sandbox},
    wasm_sections,
};

fn refused(text: &str) -> String {
    let error = sandbox()
        .load("test", &wat::parse_str(text).unwrap(), Size::Standard)
        .unwrap_err();
    assert!(
        matches!(
            error,
            SandboxError::WrongWorld { .. } | SandboxError::ForeignImports { .. }
        ),
        "{error:?}"
    );
    error.to_string()
}

#[test]
fn a_component_of_the_world_is_loaded() {
    let component = load(&calling("unreachable"));
    assert!(component.instantiation_is_pure());
    assert!(format!("{component:?}").contains("test"));
}

#[test]
fn what_is_no_component_is_refused_with_what_to_do() {
    let load = |bytes: &[u8]| sandbox().load("test", bytes, Size::Standard).unwrap_err();
    let module = wat::parse_str("(module)").unwrap();
    assert_eq!(load(b""), SandboxError::NotWasm);
    assert_eq!(load(b"(component)"), SandboxError::NotWasm);
    assert_eq!(load(&module), SandboxError::CoreModule);
    assert!(
        load(&module)
            .to_string()
            .contains("tollgate component build DIR")
    );
    assert!(matches!(
        load(b"\0asm\x0d\0\x01\0garbage"),
        SandboxError::Invalid { .. }
    ));
    let mut large = wat::parse_str("(component)").unwrap();
    large.resize(crate::MAX_COMPONENT + 1, 0);
    assert!(matches!(load(&large), SandboxError::TooLarge { .. }));
}

#[test]
fn a_component_of_another_world_is_refused_by_name() {
    for import in [
        "wasi:http/incoming-handler@0.2.3",
        "wasi:cli/environment@0.3.0",
        "wasi:cli/environment",
    ] {
        let message = refused(&format!(r#"(component (import "{import}" (instance)))"#));
        assert!(
            message.contains(&format!("imports `{import}`, a part of WASI")),
            "{message}"
        );
    }

    let message = refused(r#"(component (import "tollgate:adapter/files@0.9.0" (instance)))"#);
    assert!(
        message.contains("`tollgate:adapter/files@0.9.0`, which this version"),
        "{message}"
    );

    let message = refused(
        r#"(component (instance $i) (export "tollgate:adapter/tools@0.9.0" (instance $i)))"#,
    );
    assert!(
        message.contains("exports `tollgate:adapter/tools@0.9.0`"),
        "{message}"
    );

    // A compatible version is still one that was not published here.
    let message = refused(r#"(component (import "tollgate:adapter/log@0.1.7" (instance)))"#);
    assert!(
        message.contains("`tollgate:adapter/log@0.1.7`"),
        "{message}"
    );

    let many: String = (0..20)
        .map(|i| format!("(import \"a:b/c{i}\" (instance))"))
        .collect();
    let message = refused(&format!("(component {many})"));
    assert!(
        message.contains("and 12 more") && message.len() < 2_000,
        "{message}"
    );
}

#[test]
fn imports_are_looked_at_before_anything_is_compiled() {
    let text = r#"(component (import "acme:host/tools" (instance)) (core module (func nop)))"#;
    let whole = wat::parse_str(text).unwrap();
    // Cut short, it cannot be compiled.
    let begin = whole.len() - 1;
    let error = sandbox().load("test", &whole[..begin], Size::Standard);
    let foreign = SandboxError::ForeignImports {
        imports: vec!["acme:host/tools".into()],
    };
    assert_eq!(error.unwrap_err(), foreign);
}

#[test]
fn a_component_without_functions_is_refused() {
    let empty = wat::parse_str("(component)").unwrap();
    let error = sandbox().load("test", &empty, Size::Standard).unwrap_err();
    assert!(
        matches!(error, SandboxError::NoFunctions { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("tollgate:adapter/tools@0.1.0"));
}

#[test]
fn the_right_names_with_other_types_are_refused() {
    let message = refused(
        r#"(component
          (import "tollgate:adapter/log@0.1.0" (instance (export "shout" (func (param "text" string)))))
          (instance $i) (export "tollgate:adapter/tools@0.1.0" (instance $i)))"#,
    );
    assert!(
        message.contains("shout") || message.contains("log"),
        "{message}"
    );
    let message = refused(
        r#"(component (instance $i) (export "tollgate:adapter/tools@0.1.0" (instance $i)))"#,
    );
    assert!(
        message.contains("list-tools") || message.contains("call-tool"),
        "{message}"
    );
}

#[test]
fn more_instances_memories_or_memory_than_there_is_are_refused() {
    let load = |text: String| {
        sandbox()
            .load("test", &wat::parse_str(text).unwrap(), Size::Standard)
            .unwrap_err()
    };
    let many: String = (0..20)
        .map(|i| format!("(core instance $i{i} (instantiate $m))"))
        .collect();
    let instances = load(format!("(component (core module $m) {many})"));
    assert!(
        matches!(instances, SandboxError::NoRoom { .. })
            && instances.to_string().contains("size = \"large\""),
        "{instances}"
    );
    let memory =
        load("(component (core module $m (memory 2000)) (core instance (instantiate $m)))".into());
    assert!(matches!(memory, SandboxError::NoRoom { .. }), "{memory}");
    let table = load(
        "(component (core module $m (table 20000 funcref)) (core instance (instantiate $m)))"
            .into(),
    );
    assert!(matches!(table, SandboxError::NoRoom { .. }), "{table}");
    for feature in ["(memory i64 1)", "(memory 1 1 shared)"] {
        let text = format!("(component (core module $m {feature}))");
        let error = load(text);
        assert!(
            matches!(error, SandboxError::Invalid { .. }),
            "{feature}: {error}"
        );
    }
}

#[test]
fn a_start_function_is_seen_wherever_it_is() {
    let start = "(func $s) (start $s)";
    let pure = |text: &str| !wasm_sections::runs_at_instantiation(&wat::parse_str(text).unwrap());
    assert!(pure("(component)"));
    assert!(pure("(component (core module (func $s)))"));
    assert!(!pure(&format!("(component (core module {start}))")));
    assert!(!pure(&format!(
        "(component (core module) (component (component (core module {start}))))"
    )));
    assert!(!wasm_sections::runs_at_instantiation(
        &wat::parse_str("(component)").unwrap()
    ));
    // A truncated file, or one that is not WebAssembly, counts as one that runs code.
    let whole = wat::parse_str("(component (core module (func $s)))").unwrap();
    assert!(wasm_sections::runs_at_instantiation(
        &whole[..whole.len() - 1]
    ));
    assert!(wasm_sections::runs_at_instantiation(b""));
    assert!(!load(&format!("{} {start}", calling("unreachable"))).instantiation_is_pure());
}

#[tokio::test]
async fn a_component_without_tools_lists_none() {
    assert_eq!(
        sandbox().list_tools(&load(&calling("unreachable"))).await,
        Ok(ToolList {
            tools: Vec::new(),
            left_out: Vec::new()
        })
    );
}

/// `$list` returns one tool, whose strings are at these places in memory.
fn listing(name: &str, description: (usize, usize), schema: &str) -> String {
    let word = |n: usize| {
        (n as u32)
            .to_le_bytes()
            .iter()
            .map(|b| format!("\\{b:02x}"))
            .collect::<String>()
    };
    let (name_at, schema_at) = (1024, 2048);
    let record = [
        word(name_at),
        word(name.len()), // name
        word(0),
        word(0),
        word(0), // title: none
        word(description.0),
        word(description.1), // description
        word(schema_at),
        word(schema.len()), // input schema
        word(0),
        word(0),
        word(0), // output schema: none
        word(1), // annotations: read only
    ];
    format!(
        r#"(memory (export "memory") 64)
    (data (i32.const 0) "{}{}")
    (data (i32.const 8) "{}")
    (data (i32.const {name_at}) "{name}")
    (data (i32.const {schema_at}) "{}")
    (func $list (result i32) i32.const 0)
    (func $call (param i32 i32 i32 i32) (result i32) unreachable)"#,
        word(8),
        word(1),
        record.concat(),
        schema.replace('"', "\\\""),
    )
}

#[tokio::test]
async fn what_a_component_says_about_a_tool_is_checked() {
    let list = async |name: &str, description, schema: &str| {
        sandbox()
            .list_tools(&load(&listing(name, description, schema)))
            .await
    };
    let tools = list("read", (1024, 4), r#"{"type":"object"}"#)
        .await
        .unwrap()
        .tools;
    assert_eq!(
        (tools[0].name.as_str(), tools[0].description.as_str()),
        ("read", "read")
    );
    assert!(tools[0].annotations.read_only && !tools[0].annotations.destructive);

    let problem =
        async |name: &str, description, schema: &str| match list(name, description, schema).await {
            Ok(listed) => {
                assert!(listed.tools.is_empty(), "{listed:?}");
                listed.left_out[0].1.clone()
            }
            Err(error) => error.to_string(),
        };
    let object = r#"{"type":"object"}"#;
    let deep = format!("{}1", r#"{"a":"#.repeat(65));
    for (name, description, schema, expected) in [
        ("a/b", (0, 0), object, "1 to 64 letters"),
        ("", (0, 0), object, "1 to 64 letters"),
        (&"a".repeat(65), (0, 0), object, "1 to 64 letters"),
        ("read", (4096, 16_385), object, "16385 bytes"),
        ("read", (0, 0), "[]", "not a JSON object"),
        ("read", (0, 0), r#"{"a":1,"a":2}"#, "occurs twice"),
        ("read", (0, 0), &deep, "deeper"),
        // Outside memory, and not UTF-8: each is an error, not a crash.
        ("read", (0, 1 << 30), object, "crashed"),
        ("\\ff", (0, 0), object, "crashed"),
    ] {
        let message = problem(name, description, schema).await;
        assert!(message.contains(expected), "{name:?}: {message}");
    }
    let loops = load(
        r#"(memory (export "memory") 1) (func $list (result i32) (loop br 0) unreachable)
        (func $call (param i32 i32 i32 i32) (result i32) unreachable)"#,
    );
    let error = sandbox().list_tools(&loops).await.unwrap_err().to_string();
    assert!(
        error.contains("budget") || error.contains("out of time"),
        "{error}"
    );
}

#[test]
fn the_directory_for_compiled_code_is_the_gates_own() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let options = |name: &str, concurrency| SandboxOptions {
        cache_dir: dir.path().join(name),
        concurrency,
        compiler: None,
    };
    Sandbox::new(options("a/b", 1)).unwrap();
    let mode = std::fs::metadata(dir.path().join("a/b"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);

    std::fs::create_dir(dir.path().join("open")).unwrap();
    let everyone = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(dir.path().join("open"), everyone).unwrap();
    let error = Sandbox::new(options("open", 1)).unwrap_err();
    assert!(error.to_string().contains("empty it"), "{error}");

    std::os::unix::fs::symlink(dir.path().join("a"), dir.path().join("link")).unwrap();
    assert!(matches!(
        Sandbox::new(options("link", 1)),
        Err(SandboxError::Cache { .. })
    ));
    assert!(matches!(
        Sandbox::new(options("c", 0)),
        Err(SandboxError::Concurrency { .. })
    ));
}

#[tokio::test]
async fn the_built_adapters_load_list_and_answer() {
    for name in ["files", "tickets", "payments", "web"] {
        let Some(component) = built(name) else { return };
        assert!(component.instantiation_is_pure(), "{name}");
        let tools = sandbox().list_tools(&component).await.unwrap().tools;
        assert!(
            !tools.is_empty() && tools.iter().all(|t| !t.description.is_empty()),
            "{name}"
        );
        let (_sender, never) = watch::channel(false);
        let unknown = guest(&component, &Limits::default())
            .await
            .call("none", "{}", never)
            .await;
        assert_eq!(
            unknown.content.unwrap_err().kind,
            FailureKind::UnknownTool,
            "{name}"
        );
    }
}
