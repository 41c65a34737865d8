//! Third-party MCP servers from their registries, wrapped as a client's configuration has them: listed, called and
//! denied.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use serde_json::{Value, json};
use tollgate_testkit::{
    command::{CommandOutput, World},
    installed, repository,
};

use crate::client::node;

/// A server, a call that it answers, and a call that is denied.
struct Server {
    name: &'static str,
    program: Program,
    /// `DIR` is a folder of the test.
    arguments: &'static [&'static str],
    answers: Call,
    /// Text of the answer; `None` for a call that fails inside, because this machine lacks something.
    answer: Option<&'static str>,
    denied: Call,
    /// The condition of the policy that denies it.
    when: &'static str,
}

/// Its path after `cargo xtask clients`.
enum Program {
    /// A script of the npm packages in `tests/clients/node_servers`.
    Node(&'static str),
    /// A script of this environment.
    Python(&'static str),
}

/// A tool's name without its server's prefix, and JSON arguments, in which `DIR` is a folder of the test.
type Call = (&'static str, &'static str);

use Program::{Node, Python};

const SERVERS: &[Server] = &[
    Server {
        name: "filesystem",
        program: Node("mcp-server-filesystem"),
        arguments: &["DIR"],
        answers: ("read_text_file", r#"{"path":"DIR/letter.txt"}"#),
        answer: Some("Dear Ada"),
        denied: (
            "write_file",
            r#"{"path":"DIR/denied.txt","content":"written"}"#,
        ),
        when: "true",
    },
    Server {
        name: "memory",
        program: Node("mcp-server-memory"),
        arguments: &[],
        answers: ("read_graph", "{}"),
        answer: Some("entities"),
        denied: ("delete_entities", r#"{"entityNames":["Ada"]}"#),
        when: "true",
    },
    Server {
        name: "everything",
        program: Node("mcp-server-everything"),
        arguments: &[],
        answers: ("get-sum", r#"{"a":20,"b":22}"#),
        answer: Some("42"),
        denied: ("get-env", "{}"),
        when: "true",
    },
    Server {
        name: "thinking",
        program: Node("mcp-server-sequential-thinking"),
        arguments: &[],
        answers: (
            "sequentialthinking",
            r#"{"thought":"one","nextThoughtNeeded":false,"thoughtNumber":1,"totalThoughts":1}"#,
        ),
        answer: Some("thoughtHistoryLength"),
        denied: (
            "sequentialthinking",
            r#"{"thought":"two","nextThoughtNeeded":false,"thoughtNumber":1,"totalThoughts":1}"#,
        ),
        when: r#"context.input.thought == "two""#,
    },
    Server {
        name: "playwright",
        program: Node("playwright-mcp"),
        arguments: &["--headless", "--isolated", "--browser", "chromium"],
        // No browser is installed.
        answers: ("browser_navigate", r#"{"url":"about:blank"}"#),
        answer: None,
        denied: ("browser_evaluate", r#"{"function":"() => 1"}"#),
        when: "true",
    },
    Server {
        name: "git",
        program: Python("servers_2/bin/mcp-server-git"),
        arguments: &[],
        answers: ("git_status", r#"{"repo_path":"DIR"}"#),
        answer: Some("letter.txt"),
        denied: ("git_add", r#"{"repo_path":"DIR","files":["letter.txt"]}"#),
        when: "true",
    },
    Server {
        name: "fetch",
        program: Python("servers_2/bin/mcp-server-fetch"),
        arguments: &["--ignore-robots-txt"],
        // Nothing listens there.
        answers: ("fetch", r#"{"url":"http://127.0.0.1:9/"}"#),
        answer: None,
        denied: ("fetch", r#"{"url":"http://127.0.0.1:9/secret"}"#),
        when: r#"context.input.url like "*secret""#,
    },
    Server {
        name: "time",
        program: Python("servers_2/bin/mcp-server-time"),
        arguments: &["--local-timezone", "Europe/Berlin"],
        answers: (
            "convert_time",
            r#"{"source_timezone":"Europe/Berlin","time":"12:00","target_timezone":"Asia/Tokyo"}"#,
        ),
        answer: Some("Asia/Tokyo"),
        denied: ("get_current_time", r#"{"timezone":"Europe/Berlin"}"#),
        when: "true",
    },
    Server {
        name: "sqlite",
        program: Python("servers_1/bin/mcp-server-sqlite"),
        arguments: &["--db-path", "DIR/data.db"],
        answers: ("read_query", r#"{"query":"SELECT 6 * 7 AS answer"}"#),
        answer: Some("42"),
        denied: ("write_query", r#"{"query":"CREATE TABLE denied (a)"}"#),
        when: "true",
    },
    Server {
        name: "calculator",
        program: Python("servers_1/bin/mcp-server-calculator"),
        arguments: &[],
        answers: ("calculate", r#"{"expression":"6 * 7"}"#),
        answer: Some("42"),
        denied: ("calculate", r#"{"expression":"1 + 1"}"#),
        when: r#"context.input.expression == "1 + 1""#,
    },
];

impl Server {
    /// Its command.
    fn command(&self, dir: &str) -> Vec<String> {
        let text = |path: PathBuf| path.display().to_string();
        let mut command = match self.program {
            Node(script) => {
                let bin = installed("node_servers/node_modules/.bin");
                vec![text(node()), text(bin.join(script))]
            }
            Python(script) => vec![text(installed(script))],
        };
        let arguments = self.arguments.iter().map(|word| word.replace("DIR", dir));
        command.extend(arguments);
        command
    }

    /// Its entry in a client's configuration.
    fn entry(&self, dir: &str) -> Value {
        let command = self.command(dir);
        let (program, arguments) = command.split_first().unwrap();
        json!({"command": program, "args": arguments, "env": {"HOME": dir}})
    }

    fn policy(&self) -> String {
        let Self {
            name,
            denied: (tool, _),
            when,
            ..
        } = self;
        format!(
            "@id(\"no-{name}\") @owner(\"tests\") @reason(\"This is not done with {name}.\")\n\
             forbid (principal, action == Tollgate::Action::\"{name}__{tool}\", resource)\n\
             when {{ {when} }};\n"
        )
    }

    fn call(&self, world: &World, dir: &str, (tool, arguments): Call) -> CommandOutput {
        let tool = format!("{}__{tool}", self.name);
        let arguments = arguments.replace("DIR", dir);
        world.run(&[&WRAPPED[..], &["call", &tool, "--args", &arguments]].concat())
    }
}

/// The gate that is made by `tollgate wrap`.
const WRAPPED: [&str; 2] = ["--config", "gate/tollgate.toml"];

/// A gate in front of all of them, made of a client's configuration.
fn gate() -> (World, String) {
    let world = World::empty();
    fs::create_dir(world.path("work")).unwrap();
    world.write("work/letter.txt", "Dear Ada");
    let dir = world.path("work").canonicalize().unwrap();
    let made = Command::new("git").args(["init", "-q"]).arg(&dir).status();
    assert!(made.unwrap().success());
    let dir = dir.display().to_string();
    let entries = SERVERS
        .iter()
        .map(|server| (server.name.to_owned(), server.entry(&dir)));
    let entries: serde_json::Map<String, Value> = entries.collect();
    world.write("client.json", json!({ "mcpServers": entries }).to_string());
    let made = world
        .run(&["wrap", "--from", "client.json", "--dir", "gate", "--yes"])
        .exits(0);
    assert!(!made.err.contains("is left out"), "{made:?}");
    for server in SERVERS {
        assert!(
            made.err.contains(&format!("pinned `{}`", server.name)),
            "{made:?}"
        );
    }
    let policies: String = SERVERS.iter().map(Server::policy).collect();
    world.write("gate/policies/servers.cedar", policies);
    world
        .run(&[&WRAPPED[..], &["policy", "check"]].concat())
        .exits(0);
    (world, dir)
}

#[test]
fn servers_that_others_wrote_are_listed_called_and_denied() {
    let (world, dir) = gate();
    let tools = world.json(&[&WRAPPED[..], &["tools", "list"]].concat());
    let tools: BTreeSet<&str> = tools
        .as_array()
        .unwrap()
        .iter()
        .filter(|tool| tool["unsandboxed"] == true)
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    for server in SERVERS {
        for (tool, _) in [server.answers, server.denied] {
            let name = format!("{}__{tool}", server.name);
            assert!(tools.contains(&*name), "{name} is not listed: {tools:?}");
        }
        let answered = server.call(&world, &dir, server.answers);
        match server.answer {
            Some(text) => {
                answered.exits(0).says(&[text]);
            }
            None => {
                answered.exits(5);
            }
        }
        let reason = format!("This is not done with {}.", server.name);
        server
            .call(&world, &dir, server.denied)
            .exits(3)
            .says(&[&reason]);
    }
    assert!(!world.path("work/denied.txt").exists());
    let staged = Command::new("git")
        .args(["-C", &dir, "diff", "--cached", "--name-only"])
        .output();
    assert!(staged.unwrap().stdout.is_empty(), "`git_add` was denied");
    let tables = json!({"query": "SELECT name FROM sqlite_master"});
    let tables = tables.to_string();
    let call = ["call", "sqlite__read_query", "--args", &tables];
    let tables = world.run(&[&WRAPPED[..], &call].concat());
    assert!(!tables.exits(0).out.contains("denied"));
}

/// Exactly the locked versions are installed, so that a new release cannot break the tests.
#[test]
fn packages_of_the_tests_are_locked() {
    for folder in ["node", "node_servers", "node_oauth"] {
        let folder = repository().join("tests/clients").join(folder);
        let json = |file: &str| -> Value {
            serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap()
        };
        let (package, lock) = (json("package.json"), json("package-lock.json"));
        assert_eq!(
            package["dependencies"],
            lock["packages"][""]["dependencies"],
            "{}: run `npm install --package-lock-only`",
            folder.display()
        );
        for (path, locked) in lock["packages"].as_object().unwrap() {
            assert!(
                path.is_empty() || locked["integrity"].is_string(),
                "{path} has no hash"
            );
        }
    }
}
