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
    world.run(&["new", "second"]).exits(0).says(&[
        "added to tollgate.toml",
        "[components.second]",
        "policies/second.cedar",
        "tools/second",
    ]);
    // What is not built yet costs no other tool.
    world.run(greet).exits(0);
    let dev = ["dev", "tools/second", "--once", "--call", "greet", "--args"];
    let bob = r#"{"name":"Bob"}"#;
    world.run(&[&dev[..], &[bob]].concat()).exits(0).says(&[
        "tools/second/second.wasm",
        "accepted second",
        "Hello, Bob!",
    ]);
    // A call that fails shows its run.
    let refused = world.run(&[&dev[..], &[r#"{"name":"  "}"#]].concat());
    refused
        .exits(5)
        .says(&["unchanged", "invoke_component second"]);
    let permits = ["policy", "explain", "--principal", "Agent::assistant"];
    let greets = ["--action", "second__greet", "--args", bob];
    let explained = world.run(&[&permits[..], &greets].concat()).exits(0);
    explained.says(&["assistant-calls-second"]);
    world
        .run(&["component", "build", "tools/second", "--accept"])
        .exits(0)
        .says(&["unchanged", "accepted second"]);
    world
        .run(&["new", "second"])
        .exits(1)
        .says(&["overwritten"]);
    for name in ["../x", "sdk"] {
        world.run(&["new", name]).exits(2).says(&[name]);
    }
}

#[test]
fn a_bare_gate_opens_and_waits_for_tools() {
    let world = World::empty();
    world
        .run(&["init", "--bare"])
        .exits(0)
        .says(&["tollgate new", "tollgate component add"]);
    world.run(&["policy", "check"]).exits(0).says(&["0 tools"]);
    world.run(&["tools", "list"]).exits(0).says(&["no tools"]);
    assert!(!world.path("tools").exists() && !world.path("notes").exists());
    // The examples read and write there.
    world.run(&["new", "prices", "--lang", "python"]).exits(0);
    assert!(world.path("notes").exists());
    let shown = ["new", "rates", "--lang", "js", "--no-config"];
    world.run(&shown).exits(0).says(&["add to tollgate.toml"]);
    let config = fs::read_to_string(world.path("tollgate.toml")).unwrap();
    assert!(config.contains("[components.prices]") && !config.contains("components.rates"));
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
fn another_language(lang: &str, own: &[&str]) -> World {
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
        .says(&["large", "256.0 MiB", "Greets a person"]);
    world
}

#[test]
fn a_tool_begun_in_javascript_is_built_accepted_and_called() {
    let world = another_language("js", &["node", "--test"]);
    let tool = fs::read_to_string(world.path("tools/other/tool.js")).unwrap();
    for (from, to, says) in [
        (
            "  description: 'Greets a person.',",
            "",
            "the tool `greet`, `description`: it is missing",
        ),
        (
            "string({ minLength: 1,",
            "({ type: 'strng',",
            "the tool `greet`, `input.name.type`: \"strng\" is not a type",
        ),
        ("'greeted'", "'greet'", "two tools are called `greet`"),
    ] {
        assert!(tool.contains(from));
        world.write("tools/other/tool.js", tool.replacen(from, to, 1));
        let refused = world.run(&["component", "build", "tools/other"]).exits(1);
        let refused = refused.says(&[says]);
        assert!(!refused.err.contains("componentize.js:"), "{refused:?}");
    }
    typescript(&world);
}

/// The same tool in TypeScript, with the toolchain that is installed already.
fn typescript(world: &World) {
    world
        .run(&["new", "typed", "--lang", "typescript"])
        .exits(0);
    let from = world.path("tools/other/node_modules");
    fs::rename(from, world.path("tools/typed/node_modules")).unwrap();
    for script in ["check", "test"] {
        let mut npm = world.command("npm");
        npm.args(["run", script])
            .current_dir(world.path("tools/typed"));
        RunningCommand::of(&mut npm, format!("npm run {script}"))
            .end()
            .exits(0);
    }
    let tool = fs::read_to_string(world.path("tools/typed/tool.ts")).unwrap();
    let wrong = tool.replace("const person =", "const person: number =");
    assert_ne!(wrong, tool);
    world.write("tools/typed/tool.ts", wrong);
    world
        .run(&["component", "build", "tools/typed"])
        .exits(1)
        .says(&["checking types failed", "tool.ts(", "not assignable"]);
}

#[test]
fn a_tool_begun_in_python_is_built_accepted_and_called() {
    let python = installed("pytest/bin/python");
    let tests = format!("{0} -m pytest && {0} -m mypy", python.display());
    another_language("python", &["sh", "-c", &tests]);
}
