//! Invalid requests over HTTP, and who may send requests.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::{Value, json};
use tollgate_testkit::{command::World, mcp::world, serve::Server};

/// One raw request; returns status and body.
fn ask(server: &Server, method: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let authority = server.url.strip_prefix("http://").unwrap();
    let (host, path) = authority.split_once('/').unwrap();
    let mut all = vec![
        ("host", host),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("connection", "close"),
    ];
    for (name, value) in headers {
        all.retain(|(known, _)| known != name);
        all.push((name, value));
    }
    let mut request = format!(
        "{method} /{path} HTTP/1.1\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in all {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.write_all(b"\r\n").unwrap();
    // A server may close the connection before the whole request is written.
    drop(stream.write_all(body));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap_or("0").parse().unwrap();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, body.to_owned())
}

fn list(version: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {}
    }}})
}

const LIST: [(&str, &str); 2] = [
    ("mcp-protocol-version", "2026-07-28"),
    ("mcp-method", "tools/list"),
];

/// The headers of a list, with others in addition or instead.
fn list_with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&LIST[..], more].concat()
}

fn post(server: &Server, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    ask(server, "POST", headers, body.as_bytes())
}

#[test]
fn bad_requests_get_precise_answers_and_good_ones_go_on() {
    let world = world("0s", "0s");
    let server = Server::start(&world);
    bodies_that_are_no_message_are_refused(&server);
    headers_are_checked(&server);
    members_that_occur_twice_are_refused(&server);
    let good = list("2026-07-28").to_string();
    let own = server.url.trim_end_matches("/mcp");
    let (status, body) = post(&server, &list_with(&[("origin", own)]), &good);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("files__read"), "{body}");
}

fn bodies_that_are_no_message_are_refused(server: &Server) {
    let (status, body) = post(server, &LIST, "{bad");
    assert_eq!(status, 400);
    assert!(body.contains("-32700"), "{body}");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let (status, body) = post(server, &LIST, &deep);
    assert_eq!(status, 400);
    assert!(body.contains("too deep"), "{body}");
    let (status, body) = post(server, &LIST, &format!("\"{}\"", "x".repeat(5 << 20)));
    assert!(
        status == 413 || (status == 0 && body.is_empty()),
        "{status} {body}"
    );
    let old = [("mcp-protocol-version", "1999-01-01")];
    let (status, body) = post(server, &old, &list("1999-01-01").to_string());
    assert!(
        status == 400 && body.contains("1999-01-01"),
        "{status} {body}"
    );
    assert_eq!(ask(server, "PUT", &LIST, b"").0, 405);
}

fn headers_are_checked(server: &Server) {
    let good = list("2026-07-28").to_string();
    let unknown = "3078e538-149f-4044-8326-306e96b6b24a.00000000000000000000000000000000";
    for (header, expected) in [
        (("host", "evil.example"), 403),
        (("host", "evil.example:8420"), 403),
        (("origin", "https://evil.example"), 403),
        (("origin", "null"), 403),
        (("accept", "text/plain"), 406),
        (("content-type", "text/plain"), 415),
        (("mcp-session-id", "nobodys"), 404),
        (("mcp-session-id", unknown), 404),
        (("accept", "*/*"), 200),
        (("accept", "application/json"), 200),
        (("accept", "text/event-stream"), 200),
        (("accept", "application/*, text/*;q=0.5"), 200),
    ] {
        let (status, _) = post(server, &list_with(&[header]), &good);
        assert_eq!(status, expected, "{header:?}");
    }
}

fn members_that_occur_twice_are_refused(server: &Server) {
    let call = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "files__read"),
    ];
    let meta = &list("2026-07-28")["params"]["_meta"];
    for (arguments, words) in [
        (r#"{"path":"a","path":"b"}"#, "`/path` occurs twice"),
        (r#""{}""#, "must be an object"),
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"files__read","arguments":{arguments},"_meta":{meta}}}}}"#
        );
        let (status, body) = post(server, &call, &body);
        assert_eq!(status, 200, "{body}");
        assert!(
            body.contains(words) && body.contains("\"isError\":true"),
            "{body}"
        );
    }
    let twice =
        r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"a","name":"b"}}"#;
    let (status, body) = post(server, &call, twice);
    assert!(
        status == 400 && body.contains("`/params/name` occurs twice"),
        "{status} {body}"
    );
}

#[test]
fn listening_beyond_loopback_requires_authentication() {
    World::new()
        .run(&["serve", "--listen", "0.0.0.0:0"])
        .exits(1)
        .says(&["nothing authenticates"]);
}

#[test]
fn a_request_without_credentials_is_refused() {
    let world = world("0s", "0s");
    let server = Server::start_with(&world, &[]);
    let (status, body) = post(&server, &LIST, &list("2026-07-28").to_string());
    assert_eq!(status, 401, "{body}");
}
