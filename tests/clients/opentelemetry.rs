//! The official OpenTelemetry SDK for Python reports an agent's own steps, by OTLP over HTTP and gRPC, next
//! to its calls through the gate.

use std::{fs, process::Command};

use serde_json::{Value, json};
use tollgate_testkit::{command::World, installed, serve::Server};

use crate::client::{Kind, PYTHON_2};

/// A secret that the detectors know.
const SECRET: &str = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";

const PRICES: &str = r#"roles = ["clerk"]
[prices]
currency = "EUR"
[prices.models.gpt-5]
input = 1.25
output = 10.0
"#;

fn world() -> (World, Server, String) {
    let world = World::new();
    world.configure("roles = [\"clerk\"]\n", PRICES);
    let token = [
        "token",
        "create",
        "--agent",
        "support",
        "--name",
        "sdk",
        "--out",
        "support.token",
    ];
    world.run(&token).exits(0);
    let token = fs::read_to_string(world.path("support.token")).unwrap();
    let served = Server::start(&world);
    (world, served, token.trim().to_owned())
}

/// Sends spans and logs; `{trace, call, failed}`.
fn send(world: &World, protocol: &str, address: &str, token: &str) -> Value {
    let sdk = Kind {
        name: "opentelemetry_sdk",
        ..PYTHON_2
    };
    let arguments = [protocol, address, token, SECRET];
    let sent = sdk
        .script(world, "opentelemetry_sdk.py", &arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&sent.stderr);
    assert!(sent.status.success(), "{said}");
    serde_json::from_slice(&sent.stdout).unwrap()
}

/// Calls a tool through the gate, from the span in `traceparent`.
fn call(served: &Server, token: &str, traceparent: &str) {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "files__read",
        "arguments": {"path": "letter.txt"},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "traceparent": traceparent,
        },
    }});
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail-with-body"]);
    for header in [
        &format!("authorization: Bearer {token}"),
        "content-type: application/json",
        "accept: application/json, text/event-stream",
        "mcp-protocol-version: 2026-07-28",
        "mcp-method: tools/call",
        "mcp-name: files__read",
    ] {
        curl.args(["-H", header]);
    }
    let called = curl
        .args(["-d", &body.to_string()])
        .arg(&*served.url)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&called.stdout);
    assert!(called.status.success(), "{said}");
    assert!(said.contains("Dear Ada"), "{said}");
}

fn reports(protocol: &str) {
    let (world, served, token) = world();
    let sent = send(&world, protocol, &served.address, &token);
    assert_eq!(sent["failed"], 0, "{sent}");
    call(&served, &token, sent["call"].as_str().unwrap());
    let trace = sent["trace"].as_str().unwrap();

    let shown = world.json(&["runs", "show", trace]);
    let usage = &shown["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["output_tokens"]),
        (&json!(2000), &json!(100))
    );
    // 2000 × 1.25 and 100 × 10 millionths, in billionths.
    assert_eq!(usage["cost_nano"], 3_500_000);
    let reported = shown["reported"].as_array().unwrap();
    assert_eq!(reported.len(), 3);
    let chat = reported.iter().find(|s| s["name"] == "chat gpt-5").unwrap();
    assert_eq!(chat["resource"]["service.name"], "support-bot");
    let attributes = &chat["attributes"];
    assert_eq!(attributes["reported.tollgate.decision.outcome"], "allow");
    assert!(attributes.get("tollgate.decision.outcome").is_none());

    // One tree: the gate's call is a child of the agent's own span.
    let tree = world.run(&["runs", "show", trace]).exits(0).out;
    let place = |words: &str| {
        let line = tree.lines().position(|line| line.contains(words));
        line.unwrap_or_else(|| panic!("`{words}` is not in\n{tree}"))
    };
    assert!(place("invoke_agent support-bot") < place("chat gpt-5"));
    assert!(place("chat gpt-5") < place("execute_tool read"));
    assert!(place("execute_tool read") < place("✓ files__read"));
    for words in ["2000 → 100 tokens", "0.0035 EUR", "authorize"] {
        place(words);
    }
    served.stop();

    // The secret is in none of the gate's files.
    for entry in fs::read_dir(world.path(".tollgate")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            let found = bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes());
            assert!(!found, "{} holds the secret", path.display());
        }
    }
}

#[test]
fn spans_and_logs_come_by_http() {
    reports("http");
}

#[test]
fn spans_and_logs_come_by_grpc() {
    reports("grpc");
}

#[test]
fn reports_without_a_token_are_refused() {
    let (world, served, _) = world();
    for protocol in ["http", "grpc"] {
        let sent = send(&world, protocol, &served.address, "tollgate_0_0");
        assert_eq!(sent["failed"], 3, "{protocol}: {sent}");
    }
    let trace_db = world.path(".tollgate/trace.db");
    assert!(trace_db.exists());
    assert!(installed("opentelemetry_sdk").exists());
    let runs = world.json(&["runs", "list"]);
    assert_eq!(runs, json!([]));
}
