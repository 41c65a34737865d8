//! What a stranger, a broken client or a clumsy one sends.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tollgate_testkit::rest::{HttpGate, Response};

/// A call as raw bytes, of this content type.
async fn post(served: &HttpGate, agent: &str, kind: Option<&str>, body: Vec<u8>) -> Response {
    let mut request = served.request(Method::POST, "/v1/calls").bearer_auth(agent);
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    served.send(request.body(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_has_a_precise_answer() {
    let served = HttpGate::new("").await;
    let agent = served.agent("support").await;
    let raw = async |kind: Option<&str>, body: &str| {
        post(&served, &agent, kind, body.as_bytes().to_vec()).await
    };
    let json = Some("application/json");
    for (kind, body, status, code) in [
        (None, "{}", 415, "unsupported_media_type"),
        (Some("text/plain"), "{}", 415, "unsupported_media_type"),
        (json, "", 400, "invalid_body"),
        (json, "{", 400, "invalid_body"),
        (json, "[]", 400, "invalid_body"),
        (json, "{}", 400, "invalid_body"),
        (json, r#"{"tool":"a","tool":"b"}"#, 400, "invalid_body"),
        (json, r#"{"tool":"a","user":"other"}"#, 400, "invalid_body"),
        (json, r#"{"tool":"a","agent":"other"}"#, 403, "people_only"),
        (
            json,
            r#"{"tool":"a","wait_ms":60001}"#,
            400,
            "invalid_request",
        ),
        (json, r#"{"tool":"a","wait_ms":-1}"#, 400, "invalid_body"),
    ] {
        raw(kind, body).await.fails(status, code);
    }
    let large = format!(r#"{{"tool":"{}"}}"#, "x".repeat(2 << 20));
    raw(json, &large).await.fails(413, "too_large");
    // What is wrong with arguments the gate says, and records.
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    for arguments in [
        r#"{"path":"a","path":"b"}"#,
        r#"{"path":9007199254740993}"#,
        r#"{"path":7}"#,
        "[]",
        &format!(r#"{{"path":{deep}}}"#),
    ] {
        let body = format!(r#"{{"tool":"files__read","arguments":{arguments}}}"#);
        let reply = raw(json, &body).await.is(200);
        assert_eq!(reply["outcome"], "invalid");
    }
    let reply = raw(json, r#"{"tool":"files__raed"}"#).await.is(200);
    assert_eq!(reply["outcome"], "unknown_tool");
    assert!(reply["message"].as_str().unwrap().contains("files__read"));
    served
        .get(&agent, "/v1/runs?opne=true")
        .await
        .fails(400, "invalid_query");
    served
        .get(&agent, "/v1/approvals?limit=x")
        .await
        .fails(400, "invalid_query");
    assert_eq!(served.get(&agent, "/v1/nothing").await.status, 404);
    assert_eq!(served.get(&agent, "/v1/calls").await.status, 405);
    let not_utf8 = b"{\"tool\":\"files__read\",\"arguments\":{\"path\":\"\xff\"}}".to_vec();
    post(&served, &agent, json, not_utf8)
        .await
        .fails(400, "invalid_body");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_or_broken_request_delays_no_other() {
    let served = HttpGate::new("").await;
    let agent = served.agent("support").await;
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let head = format!(
            "POST /v1/calls HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {agent}\r\n\
             content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let read = served
        .call(&agent, "files__read", json!({ "path": "letter.txt" }))
        .await;
    assert_eq!(read.is(200)["outcome"], "ok");
    // One breaks off: nothing was called.
    drop(slow.pop());
    let mut last = slow.pop().unwrap();
    last.shutdown().await.unwrap();
    let mut answer = Vec::new();
    last.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_waits() {
    let served = HttpGate::new("").await;
    let config = "\n[serve.rate]\nper_second = 1\nburst = 3\n";
    let file = served.world.read("tollgate.toml");
    served
        .world
        .write("tollgate.toml", &format!("{file}{config}"));
    served.gate.reload("tests").await.unwrap();
    let (agent, other) = (served.agent("support").await, served.agent("other").await);
    let read = json!({ "path": "letter.txt" });
    for _ in 0..3 {
        served
            .call(&agent, "files__read", read.clone())
            .await
            .is(200);
    }
    let size = served.gate.ledger().size();
    let busy = served.call(&agent, "files__read", read.clone()).await;
    let busy = busy.fails(429, "too_many_requests");
    assert_eq!(busy.headers["retry-after"], "1");
    assert_eq!(served.gate.ledger().size(), size, "nothing was recorded");
    served
        .call(&other, "files__read", read.clone())
        .await
        .is(200);
    served.world.pass(1);
    served.call(&agent, "files__read", read).await.is(200);
    // Reading counts, too: some of it is dear.
    for path in ["/v1/approvals?all=true", "/v1/runs", "/v1/runs?text=x"] {
        let busy = served.get(&agent, path).await;
        busy.fails(429, "too_many_requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_short_and_plain() {
    let served = HttpGate::new("").await;
    let agent = served.agent("support").await;
    for name in ["a b", "session:s1", "trace:x", "", "ü", &"x".repeat(129)] {
        let call =
            json!({ "tool": "files__read", "arguments": { "path": "letter.txt" }, "run": name });
        for path in ["/v1/calls", "/v1/authorize"] {
            let got = served.post(&agent, path, call.clone()).await;
            got.fails(400, "invalid_request");
        }
    }
    let long = json!({ "tool": "claude__Bash", "reference": "x".repeat(129) });
    let got = served.post(&agent, "/v1/authorize", long).await;
    got.fails(400, "invalid_request");
}

/// Whether the operation is served only where it is configured: answers by links and from Slack.
fn is_optional(operation: &Value) -> bool {
    operation["tags"] == json!(["answers"])
}

/// Every operation of the document is served, takes credentials unless it is public, and no other
/// method is.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_describes_what_is_served() {
    let served = HttpGate::new("").await;
    let document = served
        .send(served.request(Method::GET, "/v1/openapi.json"))
        .await
        .is(200);
    let paths: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_value(document["paths"].clone()).unwrap();
    for (path, operations) in &paths {
        if operations
            .values()
            .any(|operation| operation["tags"] == json!(["mcp"]) || is_optional(operation))
        {
            // Over the owner's socket alone, or only where it is configured.
            continue;
        }
        let path = path.replace("{id}", "x");
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
        ] {
            let described = operations.get(&method.as_str().to_lowercase());
            let status = served
                .send(served.request(method.clone(), &path))
                .await
                .status;
            let expected = match described {
                Some(operation) if operation["security"] == json!([{}]) => 200,
                Some(_) => 401,
                // Answers to unauthenticated callers reveal nothing about the gate.
                None if path.starts_with("/v1/") && path != "/v1/openapi.json" => 401,
                None => 405,
            };
            assert_eq!(status, expected, "{method} {path}");
        }
    }
    assert!(paths.len() > 15);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(schemas.contains_key("CallReply") && schemas.contains_key("Problem"));
}
