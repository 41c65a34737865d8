//! A second process while one owns the gate: it is answered through the socket.

use std::fs;

use tollgate_testkit::command::{READ, RunningCommand, World};

const MARK: &[&str] = &[
    "call",
    "hostile__write_then_loop",
    "--args",
    r#"{"grant":"data","path":"marker","content":"x"}"#,
];

/// A call that has written `data/marker` and does not end by itself.
fn held(world: &World) -> RunningCommand {
    let mut held = world.begin(&[MARK, &["--run", "held"]].concat());
    world.await_file("data/marker", &mut held);
    held
}

#[test]
fn others_ask_the_owner_and_its_call_is_halted_through_it() {
    let world = World::new();
    let mut held = held(&world);
    assert!(world.path(".tollgate/gate.sock").exists());
    world.run(READ).exits(0).says(&["Dear Ada"]);
    let list = world.json(&["approvals", "list"]);
    assert_eq!(list, serde_json::json!([]));
    world
        .run(&["runs", "show", "held"])
        .exits(0)
        .says(&["hostile__write_then_loop"]);
    assert!(held.is_running(), "all of that came through the socket");
    world
        .run(&[
            "halt",
            "tool",
            "hostile__write_then_loop",
            "--reason",
            "stop",
        ])
        .exits(0)
        .says(&["tollgate resume tool hostile__write_then_loop"]);
    // It wrote before it was halted, so its outcome is indeterminate: exit code 7.
    held.end()
        .plain()
        .exits(7)
        .says(&["halted", "tollgate runs show"]);
    world
        .run(&["runs", "show", "held"])
        .exits(0)
        .says(&["halted", "write_file data:/marker"]);
    world.run(MARK).exits(3).says(&["halted: stop"]);
    let halts = world.json(&["halt", "--list"]);
    assert_eq!(halts[0]["name"], "hostile__write_then_loop", "{halts}");
    world.run(READ).exits(0);
}

#[test]
fn what_needs_the_ledger_closed_names_the_owner() {
    let world = World::new();
    world.run(READ).exits(0);
    world.run(&["store", "backup", "copy"]).exits(0);
    let mut held = held(&world);
    world
        .run(&["store", "restore", "copy", "--accept-loss"])
        .exits(1)
        .says(&[&format!("process {}", held.pid()), "owns the ledger"]);
    assert!(held.is_running());
}

#[test]
fn an_owner_that_was_killed_leaves_an_indeterminate_call_and_no_lock() {
    let world = World::new();
    drop(held(&world));
    fs::remove_file(world.path("data/marker")).unwrap();
    world.run(READ).exits(0).says(&["Dear Ada"]);
    world
        .run(&["runs", "show", "held"])
        .exits(0)
        .says(&["indeterminate"]);
    assert!(!world.path("data/marker").exists(), "nothing is repeated");
    world.run(&["ledger", "verify"]).exits(0);
}
