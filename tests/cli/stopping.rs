//! Stopping agents, and looking at what they did, while the gate is served and something is in the way.

use serde_json::Value;
use tollgate_testkit::{
    command::{READ, World},
    serve::Server,
};

#[test]
fn an_agent_is_stopped_while_the_configuration_has_an_error() {
    let world = World::new();
    let server = Server::start(&world);
    world.configure("[gate]\n", "nonsense = 1\n[gate]\n");
    world.run(&["halt", "agent", "support"]).exits(0).says(&[
        "warning:",
        "tollgate.toml:1:1",
        "agent support is halted",
    ]);
    let halts = world.json(&["halt", "--list"]);
    assert_eq!(halts[0]["name"], "support", "{halts}");
    for look in [["runs", "list"], ["approvals", "list"]] {
        world.run(&look).exits(0);
    }
    world
        .run(&["resume", "agent", "support"])
        .exits(0)
        .says(&["agent support is resumed"]);
    // A file that is not TOML any more.
    world.configure("nonsense = 1\n", "[nonsense\n");
    world.run(&["halt", "--all"]).exits(0);
    assert_eq!(world.json(&["halt", "--list"])[0]["scope"], "all");
    world.run(READ).exits(1).says(&["tollgate.toml:1"]);
    server.stop();
    // Where no process serves the gate, there is nothing to stop, and nothing loads.
    world
        .run(&["halt", "agent", "support"])
        .exits(1)
        .says(&["unclosed table", "tollgate.toml:1"]);
}

#[test]
fn a_key_that_several_runs_have_names_none_of_them() {
    let world = World::new();
    world.run(&[READ, &["--run", "monday"]].concat()).exits(0);
    let as_agent = ["--agent", "support", "--run", "monday"];
    world.run(&[READ, &as_agent].concat()).exits(0);
    for command in [
        &["runs", "show", "monday"] as &[&str],
        &["runs", "cancel", "monday"],
        &["runs", "end", "monday"],
        &["runs", "export", "monday", "--format", "eval"],
        &["runs", "diff", "monday", "monday"],
        &["runs", "annotate", "monday"],
    ] {
        world.run(command).exits(1).says(&[
            "several runs have the key `monday`",
            "of agent support for alice",
            "of user alice for alice",
            "by its id",
        ]);
    }
    let runs = world.json(&["runs", "list"]);
    for run in runs.as_array().unwrap() {
        assert_eq!(run["ended"], Value::Null, "{run}");
    }
    let id = runs[0]["id"].as_str().unwrap();
    world.run(&["runs", "cancel", id]).exits(0);
}

#[test]
fn who_looks_at_a_run_does_not_make_it_the_latest() {
    let world = World::new();
    world.run(&[READ, &["--run", "first"]].concat()).exits(0);
    world.run(&[READ, &["--run", "second"]].concat()).exits(0);
    let decisions = world.json_lines(&["decisions", "list"]);
    let mut of_read = decisions.iter().rev();
    let first = of_read.find(|entry| entry["resource"] == "files__read");
    let first = first.unwrap()["id"].as_str().unwrap();
    let last = |world: &World| world.json(&["runs", "show", "first"])["run"]["last"].clone();
    let before = last(&world);
    // The policies here permit it to no one; what is refused is recorded as well.
    world.run(&["policy", "explain", first]).exits(3);
    assert_eq!(last(&world), before);
    world.run(&["runs", "show"]).exits(0).says(&["second"]);
    let looked = world.run(&["runs", "show", "first"]).exits(0);
    looked.says(&["view_payload", "asked by alice"]);
}
