//! From an empty folder to a call of one's own tool, with what `tollgate init` says.

use std::fs;

use crate::world::World;

#[test]
fn a_tool_made_in_an_empty_folder_is_built_accepted_called_and_shown() {
    let world = World::empty();
    world.run(&["init"]).exits(0).says(&[
        "tollgate component build tools/hello",
        "tollgate component accept",
        "tollgate runs show",
    ]);
    world
        .run(&["tools", "list"])
        .exits(1)
        .says(&["tools/hello/hello.wasm", "build it"]);
    world
        .run(&["component", "build", "tools/hello"])
        .exits(0)
        .says(&["tools/hello/hello.wasm"]);
    let again = world.json(&["component", "build", "tools/hello"]);
    assert_eq!(again["unchanged"], true, "nothing changed: {again}");
    world
        .run(&["policy", "check"])
        .exits(1)
        .says(&["hello", "tollgate component accept hello"]);
    world
        .run(&["component", "accept"])
        .exits(0)
        .says(&["hello", "sha256:"]);
    world
        .run(&["policy", "check", "--deny-warnings"])
        .exits(0)
        .says(&["2 tools", "0 warnings"]);
    let greet = &["call", "hello__greet", "--args", r#"{"name":"Ada"}"#];
    let ran = world.run(greet).exits(0);
    assert!(ran.out.contains("Ada"), "{ran:?}");
    let book = fs::read_to_string(world.path("notes/greeted.txt")).unwrap();
    assert_eq!(book.trim(), "Ada", "the effect is real");
    world.run(&["runs", "show"]).exits(0).says(&[
        "1 call",
        "hello__greet",
        "├─ ✓ authorize allow",
        "invoke_component hello",
        "write_file notes:/greeted.txt",
        "authorize return_result",
    ]);
}

#[test]
fn init_overwrites_nothing() {
    let world = World::empty();
    world.run(&["init", "gate"]).exits(0).says(&["cd gate"]);
    world.write("gate/tollgate.toml", "# mine\n");
    world.run(&["init", "gate"]).exits(1).says(&[
        "gate/tollgate.toml",
        "overwritten",
        "tollgate init DIR",
    ]);
    let kept = fs::read_to_string(world.path("gate/tollgate.toml")).unwrap();
    assert_eq!(kept, "# mine\n");
}

#[test]
fn without_a_gate_the_way_to_one_is_shown() {
    World::empty().run(&["runs", "list"]).exits(1).says(&[
        "tollgate.toml",
        "tollgate init",
        "--config",
    ]);
}
