//! Clients that others' generators make from the OpenAPI document: a validator accepts it, and the generated
//! Python and TypeScript make a call, read a refusal, and list.

use std::{fs, os::unix::fs::symlink, process::Command};

use serde_json::{Value, json};
use tollgate_testkit::{command::World, installed, repository, serve::Server};

use crate::client::node;

/// A served gate, the address of its REST API, a token of the agent `support`, and the document in a file.
struct Api {
    world: World,
    address: String,
    token: String,
    _served: Server,
}

impl Api {
    fn new() -> Self {
        let world = World::new();
        let token = [
            "token",
            "create",
            "--agent",
            "support",
            "--name",
            "generated",
            "--out",
            "support.token",
        ];
        world.run(&token).exits(0);
        let token = fs::read_to_string(world.path("support.token")).unwrap();
        let served = Server::start_with(&world, &[]);
        let address = served.url.trim_end_matches("/mcp").to_owned();
        let api = Self {
            world,
            address,
            token: token.trim().to_owned(),
            _served: served,
        };
        let document = format!("{}/v1/openapi.json", api.address);
        run(Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--fail",
                "--max-time",
                "60",
                "--output",
            ])
            .arg(api.world.path("openapi.json"))
            .arg(document));
        api
    }

    /// What a generated client of it prints.
    fn is_called_by(&self, client: &mut Command) {
        let printed: Value = serde_json::from_str(&run(client)).unwrap();
        let tools = printed["tools"].as_array().unwrap();
        assert!(tools.contains(&json!("files__read")), "{printed}");
        assert_eq!(printed["outcome"], "ok", "{printed}");
        assert!(
            printed["content"].to_string().contains("Dear Ada"),
            "{printed}"
        );
        assert_eq!(printed["runs"], 1, "{printed}");
        assert_eq!(
            printed["refused"],
            json!([401, "invalid_token"]),
            "{printed}"
        );
    }
}

/// The standard output of `command`, which succeeds.
fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {text}{errors}");
    text
}

#[test]
fn a_validator_accepts_the_document_and_generated_python_calls() {
    let api = Api::new();
    let document = api.world.path("openapi.json");
    let generators = installed("openapi_generators/bin");
    run(Command::new(generators.join("python"))
        .args(["-m", "openapi_spec_validator"])
        .arg(&document));

    // The generator formats with `ruff`, which it looks for in PATH.
    let path = format!(
        "{}:{}",
        generators.display(),
        std::env::var("PATH").unwrap()
    );
    let generated = run(api
        .world
        .command(generators.join("openapi-python-client"))
        .args([
            "generate",
            "--meta",
            "none",
            "--fail-on-warning",
            "--output-path",
        ])
        .arg(api.world.path("client"))
        .arg("--path")
        .arg(&document)
        .env("PATH", path));
    assert!(!generated.contains("Warning"), "{generated}");

    let script = repository().join("tests/clients/python/openapi_client.py");
    api.is_called_by(
        Command::new(generators.join("python"))
            .arg(script)
            .arg(api.world.path(""))
            .args([&api.address, &api.token]),
    );
}

#[test]
fn generated_typescript_compiles_and_calls() {
    let api = Api::new();
    let packages = installed("node_openapi/node_modules");
    let folder = api.world.path("typescript");
    fs::create_dir(&folder).unwrap();
    symlink(&packages, folder.join("node_modules")).unwrap();
    let scripts = repository().join("tests/clients/node_openapi");
    fs::copy(scripts.join("client.ts"), folder.join("client.ts")).unwrap();
    fs::write(folder.join("package.json"), r#"{"type": "module"}"#).unwrap();

    let tool = |name: &str| {
        let mut command = Command::new(node());
        command.current_dir(&folder).arg(packages.join(name));
        command
    };
    run(tool("openapi-typescript/bin/cli.js")
        .arg("../openapi.json")
        .args(["-o", "gate.d.ts"]));
    run(tool("typescript/bin/tsc").args([
        "--strict",
        "--noUncheckedIndexedAccess",
        "--target",
        "es2022",
        "--module",
        "nodenext",
        "client.ts",
    ]));
    api.is_called_by(
        Command::new(node())
            .current_dir(&folder)
            .arg("client.js")
            .args([&api.address, &api.token]),
    );
}
