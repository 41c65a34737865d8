//! From an empty folder to a call of one's own tool, with what `tollgate init` says.

use std::fs;

use tollgate_testkit::{
    command::{RunningCommand, World},
    installed,
};

#[test]
fn a_tool_made_in_an_empty_folder_is_built_accepted_called_and_shown() {
    let world = World::empty();
    world.run(&["init"]).exits(0).says(&[
        "tollgate component build tools/hello",
        "tollgate component accept",
        "tollgate runs show",
    ]);
    world.run(&["policy", "fmt", "--check"]).exits(0);
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

    // Another crate joins the workspace, and shares what was built.
    world
        .run(&["new", "second"])
        .exits(0)
        .says(&["[components.second]", "tools/second"]);
    world
        .run(&["component", "build", "tools/second"])
        .exits(0)
        .says(&["tools/second/second.wasm"]);
    world
        .run(&["new", "second"])
        .exits(1)
        .says(&["overwritten"]);
    for name in ["../x", "sdk"] {
        world.run(&["new", name]).exits(2).says(&[name]);
    }
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

/// Begin a tool in another language, and take it from there to a call. `own` runs the tool's own tests.
fn another_language(lang: &str, own: &[&str]) {
    let world = World::empty();
    world.run(&["init"]).exits(0);
    // The first tool is not built here.
    let config = fs::read_to_string(world.path("tollgate.toml")).unwrap();
    let (before, rest) = config.split_once("[components.hello]").unwrap();
    let (_, after) = rest.split_once("[agents.assistant]").unwrap();
    let made = world.json(&["new", "other", "--lang", lang]);
    let table = made["config"].as_str().unwrap();
    world.write(
        "tollgate.toml",
        format!("{before}{table}\n[agents.assistant]{after}"),
    );
    let policies = fs::read_to_string(world.path("policies/first.cedar")).unwrap();
    let policies = policies.replace("hello__greeted", "other__greet");
    world.write(
        "policies/first.cedar",
        policies.replace("hello__greet", "other__greet"),
    );
    let again = ["new", "other", "--lang", lang];
    world
        .run(&again)
        .exits(1)
        .says(&["tools/other", "overwritten"]);
    let mut tests = world.command(own[0]);
    tests.args(&own[1..]).current_dir(world.path("tools/other"));
    RunningCommand::of(&mut tests, own.join(" ")).end().exits(0);
    let built = world.json(&["component", "build", "tools/other"]);
    assert_eq!(built["name"], "other");
    let again = world.json(&["component", "build", "tools/other"]);
    assert_eq!(again["unchanged"], true, "nothing changed: {again}");
    world.run(&["component", "accept", "other"]).exits(0);
    let ran = world
        .run(&["call", "other__greet", "--args", r#"{"name":"Ada"}"#])
        .exits(0);
    assert!(ran.out.contains("Hello, Ada!"), "{ran:?}");
    world
        .run(&["tools", "show", "other__greet"])
        .exits(0)
        .says(&["large", "256.0 MiB", "Greets a person."]);
}

#[test]
fn a_tool_begun_in_javascript_is_built_accepted_and_called() {
    another_language("js", &["node", "--test"]);
}

#[test]
fn a_tool_begun_in_python_is_built_accepted_and_called() {
    let python = installed("pytest/bin/python");
    let tests = format!("{0} -m pytest && {0} -m mypy", python.display());
    another_language("python", &["sh", "-c", &tests]);
}
