//! What the listener does before a caller is authenticated, and while it shuts down.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tollgate_ledger::ApprovalFilter;
use tollgate_testkit::{
    rest::{HttpGate, Response},
    world::World,
};

const PATIENCE: Duration = Duration::from_secs(10);

fn configured(more: &str) -> World {
    let world = World::new("");
    let config = world.read("tollgate.toml");
    world.write("tollgate.toml", &format!("{config}\n{more}"));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_known_sends_no_body() {
    let served = HttpGate::new("").await;
    for path in ["/mcp", "/v1/calls", "/v1/traces"] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 4000000\r\n\r\n{{",
            served.address
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        let reading = tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer));
        reading.await.expect("it waits for the body").unwrap();
        assert_eq!(&answer, b"HTTP/1.1 401", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_gate_leaves_held_calls_are_answered_and_new_ones_refused() {
    let served = HttpGate::new("").await;
    let agent = served.agent("support").await;
    let refund = json!({
        "tool": "payments__refund", "wait_ms": 60_000,
        "arguments": { "order": "A-1", "amount": 6000, "currency": "EUR", "reason": "broken" },
    });
    let held = served
        .request(Method::POST, "/v1/calls")
        .bearer_auth(&agent);
    let held = tokio::spawn(held.json(&refund).send());
    let begun = std::time::Instant::now();
    let reader = served.gate.ledger().reader();
    while reader
        .approvals(&ApprovalFilter::open())
        .unwrap()
        .is_empty()
    {
        assert!(begun.elapsed() < PATIENCE, "nothing waits");
        tokio::task::yield_now().await;
    }
    served.server.drain(PATIENCE).await;
    let answer = held.await.unwrap().unwrap();
    assert_eq!(answer.status(), 202);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["outcome"], "waiting");
    let got = served.post(&agent, "/v1/calls", refund).await;
    let got = got.fails(503, "leaving");
    assert!(got.headers.contains_key("retry-after"));
    let bash = json!({ "tool": "claude__Bash", "arguments": { "command": "ls" } });
    let got = served.post(&agent, "/v1/authorize", bash).await;
    got.fails(503, "leaving");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_and_the_configured_hosts_are_its_names() {
    let served = HttpGate::new("").await;
    let agent = served.agent("support").await;
    let at = async |host: &str| {
        let tools = served.request(Method::GET, "/v1/tools").bearer_auth(&agent);
        served.send(tools.header("host", host)).await.status
    };
    assert_eq!(at("192.0.2.1:443").await, 200, "where it listens");
    assert_eq!(at("192.0.2.2:443").await, 403);
    assert_eq!(at("gate.example").await, 403);
    let config = served.world.read("tollgate.toml");
    let hosts = format!("{config}\n[serve]\nhosts = [\"Gate.example\"]\n");
    served.world.write("tollgate.toml", &hosts);
    served.gate.reload("test").await.unwrap();
    assert_eq!(at("gate.EXAMPLE:8420").await, 200, "as configured by now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_known_origin_may_call() {
    const PAGE: &str = "https://app.example.com";
    let world = configured("[serve]\norigins = [\"https://app.example.com\"]\n");
    let served = HttpGate::at(world, "192.0.2.1:443").await;
    let agent = served.agent("support").await;
    let asks = |origin: &str| {
        let asks = served.request(Method::OPTIONS, "/v1/calls");
        asks.header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type",
            )
    };
    let header = |got: &Response, name: &str| {
        let value = got.headers.get(name);
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    let got = served.send(asks(PAGE)).await;
    assert_eq!(got.status, 204, "{got:?}");
    let allowed = header(&got, "access-control-allow-headers").unwrap();
    assert_eq!(allowed, "authorization,content-type");
    assert!(
        header(&got, "access-control-allow-methods")
            .unwrap()
            .contains("POST")
    );
    let allow = "access-control-allow-origin";
    assert_eq!(header(&got, allow).as_deref(), Some(PAGE));
    let tools = || {
        served
            .request(Method::GET, "/v1/tools")
            .header("origin", PAGE)
    };
    let got = served.send(tools().bearer_auth(&agent)).await;
    assert_eq!(
        (got.status, header(&got, allow).as_deref()),
        (200, Some(PAGE))
    );
    // A page may read why it is refused, too.
    let got = served.send(tools()).await;
    assert_eq!(
        (got.status, header(&got, allow).as_deref()),
        (401, Some(PAGE))
    );
    let got = served.send(asks("https://evil.example")).await;
    assert_eq!((got.status, header(&got, allow)), (403, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn beginning_sessions_counts_under_every_header() {
    let world = configured("[serve.rate]\nper_second = 1\nburst = 1\n");
    let served = HttpGate::at(world, "192.0.2.1:443").await;
    let agent = served.agent("support").await;
    let begin = async |version: &str| {
        let request = served.request(Method::POST, "/mcp").bearer_auth(&agent);
        let request = request
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", version);
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {},
            "clientInfo": { "name": "tests", "version": "1" },
        }});
        served.send(request.json(&message)).await
    };
    let first = begin("2026-07-28").await;
    assert!(first.headers.contains_key("mcp-session-id"), "{first:?}");
    begin("2026-07-28").await.fails(429, "too_many_requests");
    begin("2025-11-25").await.fails(429, "too_many_requests");
}
