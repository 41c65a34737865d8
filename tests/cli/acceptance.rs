//! The way to the first acceptance of an upstream server, with policies that do not load yet.

use std::fs;

use serde_json::json;
use tollgate_testkit::command::World;

const SERVER: &str = env!("CARGO_BIN_EXE_mcp-server");

#[test]
fn every_error_of_policies_is_seen_before_the_first_acceptance() {
    let world = World::new();
    fs::create_dir(world.path("server")).unwrap();
    let server = world.path("server");
    world.configure(
        "[users.alice]",
        &format!("[upstream.box]\ncommand = [{SERVER:?}, {server:?}]\n[users.alice]"),
    );
    let wrong = |id: &str, action: &str| {
        format!(
            "@id(\"{id}\") @owner(\"o\") @reason(\"R.\")\npermit (principal, action == Tollgate::Action::\"{action}\", resource);\n"
        )
    };
    world.write(
        "policies/wrong.cedar",
        [
            wrong("one", "box__ecko"),
            wrong("two", "hello__greet"),
            wrong("three", "box__echo"),
        ]
        .concat(),
    );
    let checked = world.run(&["policy", "check"]).exits(1);
    checked.says(&["wrong.cedar:2", "wrong.cedar:4", "`box` was never accepted"]);
    let shown = world.json(&["upstream", "show", "box"]);
    let digest = shown["digest"].as_str().unwrap();
    let refused = world.run(&["upstream", "accept", "box", "--digest", digest]);
    refused.exits(1).says(&["wrong.cedar:2", "wrong.cedar:4"]);
    world.write("policies/wrong.cedar", wrong("three", "box__echo"));
    world.run(&["policy", "check"]).exits(0);
    world.accept_upstream("box");
    let mail = json!([{"name": "send the mail", "inputSchema": {"type": "object"}}]);
    world.write("server/tools.json", mail.to_string());
    let shown = world.run(&["upstream", "show", "box"]).exits(0);
    shown.says(&[
        "send the mail cannot be used",
        "add rename.\"send the mail\"",
    ]);
}
