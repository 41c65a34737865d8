//! The official conformance suite, in both revisions, against the HTTP endpoint.
//!
//! Failures on purpose are listed with their reasons in `tests/clients/conformance/`. The suite itself
//! reports unlisted failures, and listed tests that pass.

use std::fs;

use tollgate_testkit::{
    command::{RunningCommand, World},
    install_policies, installed, repository,
    serve::Server,
};

use crate::client::node;

/// The suite's tool names, without a prefix for agents.
const TOOLS: &[&str] = &[
    "test_simple_text",
    "test_image_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_error_handling",
    "test_tool_with_progress",
    "test_logging_tool",
    "test_streaming_elicitation",
];

const POLICIES: &str = r#"@id("all-call") @owner("tests") @reason("Everyone may call.")
permit (principal, action in Tollgate::Action::"call", resource);
"#;

fn world() -> World {
    let world = World::empty();
    world.install("conformance", "conformance");
    fs::create_dir(world.path("policies")).unwrap();
    install_policies(&["results"], &world.path("policies"));
    world.write("policies/story.cedar", POLICIES);
    let mut config = "[users.alice]\n[agents.support]\noperator = \"alice\"\n\
        [components.conformance]\npath = \"conformance.wasm\"\n"
        .to_owned();
    for tool in TOOLS {
        config += &format!("rename.{tool} = \"{tool}\"\n");
    }
    for tool in TOOLS {
        config += &format!("[tools.{tool}]\nlabels = []\ntaints = []\n");
    }
    world.write("tollgate.toml", config);
    world.run(&["component", "accept"]).exits(0);
    world
}

fn conforms(revision: &str) {
    let expected = repository()
        .join("tests/clients/conformance")
        .join(format!("{revision}.yaml"));
    for line in fs::read_to_string(&expected).unwrap().lines() {
        let entry = line.trim_start().strip_prefix("- ");
        assert!(
            entry.is_none_or(|entry| entry.contains(" # ")),
            "{}: no reason is given for `{line}`",
            expected.display()
        );
    }
    let world = world();
    let served = Server::start(&world);
    let suite = installed("node").join("node_modules/@modelcontextprotocol/conformance");
    let mut command = world.command(node());
    command
        .arg(suite.join("dist/index.js"))
        .args(["server", "--requirements", revision])
        .args(["--url", &served.url, "--output-dir", "results"])
        .arg("--expected-failures")
        .arg(expected);
    RunningCommand::of(&mut command, "conformance".to_owned())
        .end()
        .exits(0);
    served.stop();
}

#[test]
fn the_revision_of_2025_11_25() {
    conforms("2025-11-25");
}

#[test]
fn the_revision_of_2026_07_28() {
    conforms("2026-07-28");
}
