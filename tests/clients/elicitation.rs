//! Servers that others' SDKs make ask a person in the middle of a call, in both generations of the protocol.

use std::thread;

use tollgate_testkit::{binary, command::World, installed, repository, serve::Server};

const WRAPPED: [&str; 2] = ["--config", "gate/tollgate.toml"];
const CALL: &[&str] = &["call", "booking__book", "--agent", "client", "--args"];
const DATE: &str = r#"{"date":"2026-03-01"}"#;

fn with<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&WRAPPED[..], args].concat()
}

/// A gate in front of this script, with its questions carried, and served.
fn gate(environment: &str, script: &str) -> (World, Server) {
    let world = World::empty();
    let python = installed(environment).join("bin/python");
    let script = repository().join("tests/clients/python").join(script);
    let (python, script) = (python.display().to_string(), script.display().to_string());
    let init = [
        "wrap", "--init", "--name", "booking", "--dir", "gate", "--", &python, &script,
    ];
    world.run(&init).exits(0);
    let file = world.path("gate/tollgate.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let table = "[upstream.booking]\n";
    assert!(config.contains(table), "{config}");
    let carried = config.replace(table, &format!("{table}elicitation = true\n"));
    world.write("gate/tollgate.toml", carried);
    let mut command = world.command(binary());
    command.args(with(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--agent",
        "client",
        "--json",
    ]));
    (world, Server::of(&mut command))
}

/// The id of what waits for a person, once something does.
fn asked(world: &World) -> String {
    for _ in 0..1_000 {
        let all = world.json(&with(&["approvals", "list"]));
        if let Some(id) = all[0]["id"].as_str() {
            return id.to_owned();
        }
        thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("nothing waits");
}

fn story(environment: &str, script: &str) {
    let (world, _server) = gate(environment, script);
    let call = world.begin(&with(&[CALL, &[DATE]].concat()));
    let id = asked(&world);
    let shown = world.run(&with(&["approvals", "show", &id])).exits(0);
    shown.says(&[
        "How many seats on 2026-03-01?",
        "seats (Seats): integer, required, at least 1, at most 8",
        "window (Window): boolean if left out: false",
    ]);
    let nine = ["approvals", "answer", &id, "--yes", "--field", "seats=9"];
    world
        .run(&with(&nine))
        .exits(2)
        .says(&["`seats` is more than 8"]);
    let two = [
        "approvals",
        "answer",
        &id,
        "--yes",
        "--content",
        r#"{"seats":2}"#,
    ];
    world.run(&with(&two)).exits(0);
    call.end()
        .exits(0)
        .says(&["booked 2 seats, window False, note None"]);

    let call = world.begin(&with(&[CALL, &[DATE]].concat()));
    let id = asked(&world);
    world
        .run(&with(&["approvals", "answer", &id, "--decline"]))
        .exits(0);
    call.end().exits(0).says(&["not booked: decline"]);
}

#[test]
fn a_server_of_the_first_sdk_asks_by_a_request_of_its_own() {
    story("python_1", "elicit_1.py");
}

#[test]
fn a_server_of_the_second_sdk_asks_by_the_result_of_the_call() {
    story("python_2", "elicit_2.py");
}
