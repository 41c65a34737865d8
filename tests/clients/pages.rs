//! The pages about clients: each program in them runs as shown, and prints the output below it.

use std::{fs, os::unix::fs::symlink};

use serde_json::{Value, json};
use tollgate_testkit::{
    binary,
    command::{RunningCommand, World},
    installed, repository,
};

use crate::{
    client::{
        Kind, LANGGRAPH, Language, OPENAI_AGENTS, PYTHON_1, PYTHON_2, TYPESCRIPT_1, TYPESCRIPT_2,
        node,
    },
    gate::{Gate, Reach},
};

/// A program and what it prints.
struct Example {
    program: String,
    prints: String,
}

/// The examples of a page: code blocks of Python or JavaScript, each followed by one of text.
fn examples(page: &str) -> Vec<Example> {
    let text = fs::read_to_string(repository().join("docs/clients").join(page)).unwrap();
    let mut examples: Vec<Example> = Vec::new();
    let mut fence: Option<(&str, String)> = None;
    for line in text.lines() {
        match (&mut fence, line.strip_prefix("```")) {
            (None, Some(kind)) => fence = Some((kind, String::new())),
            (Some((_, body)), None) => *body += &format!("{line}\n"),
            (None, None) => {}
            (Some(_), Some(_)) => match fence.take() {
                Some(("python" | "js", program)) => examples.push(Example {
                    program,
                    prints: String::new(),
                }),
                Some(("text", prints)) => examples.last_mut().unwrap().prints = prints,
                _ => {}
            },
        }
    }
    assert!(fence.is_none(), "{page}: a fence is open");
    examples
}

/// Removes ids, which differ from run to run: `apr-…` and `dec-…` represent all of them.
fn without_ids(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = ["apr-", "dec-"].iter().filter_map(|id| rest.find(id)).min() {
        let (before, id) = rest.split_at(at + 4);
        plain += before;
        plain += "…";
        let end = id.find(|c: char| !c.is_ascii_hexdigit() && c != '…');
        rest = &id[end.unwrap_or(id.len())..];
    }
    plain + rest
}

/// The client of a page's program, and the tool calls of its model.
struct Part(Kind, Option<(&'static str, Value)>);

/// Every program of `page`, each with its own gate in the folder `my-gate`.
fn runs(page: &str, parts: &[Part]) {
    let examples = examples(page);
    assert_eq!(examples.len(), parts.len(), "the programs of {page}");
    for (number, (example, Part(kind, call))) in examples.iter().zip(parts).enumerate() {
        let gate = Gate::new(Reach::Stdio, "0s");
        let outside = World::empty();
        symlink(gate.world.path(""), outside.path("my-gate")).unwrap();
        let mut command = match kind.language {
            Language::Python => {
                outside.write("page.py", &example.program);
                let mut page = kind.script(&outside, "page.py", &[kind.name]);
                if let Some((tool, arguments)) = call {
                    page.args([*tool, &arguments.to_string()]);
                }
                page.stdin(fs::File::open(outside.path("page.py")).unwrap());
                page
            }
            Language::JavaScript => {
                // Packages are searched above a program, where they are installed.
                let name = format!("{}-{number}.mjs", kind.name);
                let program = installed("node").join(name);
                fs::write(&program, &example.program).unwrap();
                let mut page = outside.command(node());
                page.arg(program);
                page
            }
        };
        let path = std::env::var("PATH").unwrap();
        let ours = binary().parent().unwrap().display().to_string();
        command.env("PATH", format!("{ours}:{path}"));
        // Clients pass little more than HOME on to a server.
        command.env("HOME", gate.world.path(".home"));
        // The framework's own telemetry is switched off.
        command.env("OPENAI_AGENTS_DISABLE_TRACING", "1");
        let ran = RunningCommand::of(&mut command, page.to_owned())
            .end()
            .exits(0);
        assert_eq!(
            without_ids(&ran.out),
            without_ids(&example.prints),
            "{page}: the program {} prints something else; it said {}",
            number + 1,
            ran.err
        );
    }
}

fn delete() -> Option<(&'static str, Value)> {
    Some(("files__delete", json!({ "path": "letter.txt" })))
}

fn refund() -> Option<(&'static str, Value)> {
    let order = json!({ "order": "A-1", "amount": 6000, "currency": "EUR", "reason": "broken" });
    Some(("payments__refund", order))
}

#[test]
fn python() {
    runs("python.md", &[Part(PYTHON_2, None), Part(PYTHON_1, None)]);
}

#[test]
fn typescript() {
    runs(
        "typescript.md",
        &[Part(TYPESCRIPT_2, None), Part(TYPESCRIPT_1, None)],
    );
}

#[test]
fn openai_agents() {
    runs(
        "openai-agents.md",
        &[Part(OPENAI_AGENTS, delete()), Part(OPENAI_AGENTS, refund())],
    );
}

#[test]
fn langgraph() {
    runs(
        "langgraph.md",
        &[Part(LANGGRAPH, delete()), Part(LANGGRAPH, refund())],
    );
}
