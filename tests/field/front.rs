//! A client over HTTP: what its headers may say, sessions, origins, and what stands alone.

use serde_json::{Value, json};

use crate::gate::{Answer, Gate, Served};

const INIT: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"box__echo","arguments":{}}}"#;
const JSON: (&str, &str) = ("content-type", "application/json");
const BOTH: (&str, &str) = ("accept", "application/json, text/event-stream");

fn gate() -> Gate {
    let gate = Gate::with_tools(
        &json!([{"name": "echo", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}]),
    );
    gate.configure("[serve]\norigins = [\"https://app.example.com\"]\n");
    gate
}

fn post(served: &Served, headers: &[(&str, &str)], body: &str) -> Answer {
    served.ask("POST", "/mcp", headers, body.as_bytes())
}

#[test]
fn every_accept_that_takes_an_answer_gets_one() {
    let gate = gate();
    let served = gate.serve();
    for accept in [
        "application/json, text/event-stream",
        "*/*",
        "application/json",
        "text/event-stream",
        "application/*, text/*",
        "text/event-stream;q=0.9 , application/json;q=1",
    ] {
        let answer = post(&served, &[JSON, ("accept", accept)], INIT);
        assert_eq!(answer.status, 200, "{accept}: {answer:?}");
        assert!(answer.body.contains("protocolVersion"), "{answer:?}");
        assert!(answer.header("mcp-session-id").is_some(), "{answer:?}");
    }
    assert_eq!(post(&served, &[JSON], INIT).status, 200, "no Accept is any");
    let two = [
        JSON,
        ("accept", "application/json"),
        ("accept", "text/event-stream"),
    ];
    assert_eq!(post(&served, &two, INIT).status, 200);
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(
            post(&served, &[("content-type", kind), BOTH], INIT).status,
            200,
            "{kind}"
        );
    }
    assert_eq!(
        post(&served, &[("content-type", "text/plain"), BOTH], INIT).status,
        415
    );
    let below = served.ask("POST", "/mcp/", &[JSON, BOTH], INIT.as_bytes());
    let is_mcp = below.body.contains("protocolVersion");
    assert!(
        matches!(below.status, 404 | 307 | 308) || below.status == 200 && is_mcp,
        "{below:?}"
    );
}

#[test]
fn a_session_begins_is_used_and_ends() {
    let gate = gate();
    let served = gate.serve();
    let hello = post(&served, &[JSON, BOTH], INIT);
    let session = hello.header("mcp-session-id").unwrap().to_owned();
    let within = ("mcp-session-id", session.as_str());
    let version = |version| ("mcp-protocol-version", version);
    let ask =
        |more: &[(&str, &str)], body: &str| post(&served, &[&[JSON, BOTH], more].concat(), body);
    assert!(ask(&[within], CALL).body.contains("echo got"));
    assert_eq!(ask(&[within, version("2025-11-25")], CALL).status, 200);
    assert_eq!(ask(&[within, version("1999-01-01")], CALL).status, 400);
    let unknown = ("mcp-session-id", "7f1c9a52-3b0e-4b4e-9c55-2f6f0a2a9d11");
    assert_eq!(
        ask(&[unknown], CALL).status,
        404,
        "so that clients begin anew"
    );
    let without = ask(&[], CALL).status;
    assert!((400..500).contains(&without), "{without}");
    let batch = ask(&[within], &format!("[{CALL},{CALL}]"));
    assert!(
        batch.status >= 400 || batch.body.contains("error"),
        "{batch:?}"
    );
    assert!(
        !batch.body.contains("echo got"),
        "nothing of a batch is run: {batch:?}"
    );
    for (body, words) in [
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"ping","params":null}"#,
            "\"id\":3",
        ),
        (
            r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"box__echo","arguments":null}}"#,
            "echo got {}",
        ),
    ] {
        let answer = ask(&[within], body);
        assert!(
            answer.status == 200 && answer.body.contains(words),
            "{answer:?}"
        );
    }
    for body in [
        r#"{"jsonrpc":"2.0","id":77,"result":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    ] {
        let answer = ask(&[within], body);
        assert_eq!((answer.status, answer.body.as_str()), (202, ""), "{body}");
    }
    assert_eq!(ask(&[within], "").status, 400);
    let packed = ask(&[within, ("content-encoding", "gzip")], "");
    assert!((400..500).contains(&packed.status), "{packed:?}");

    let end = || served.ask("DELETE", "/mcp", &[within], b"").status;
    assert!(matches!(end(), 200 | 202 | 204));
    assert_eq!(end(), 404);
    assert_eq!(ask(&[within], CALL).status, 404);
}

#[test]
fn a_stream_of_a_session_is_opened_and_taken_up() {
    let gate = gate();
    let served = gate.serve();
    let hello = post(&served, &[JSON, BOTH], INIT);
    let session = hello.header("mcp-session-id").unwrap().to_owned();
    let within = ("mcp-session-id", session.as_str());
    let stream = ("accept", "text/event-stream");
    for accept in [("accept", "*/*"), stream] {
        let without = served.ask("GET", "/mcp", &[accept], b"");
        assert_eq!(
            (without.status, without.header("allow")),
            (405, Some("POST"))
        );
    }
    let open = served.ask("GET", "/mcp", &[stream, within], b"");
    assert_eq!(
        (open.status, open.header("content-type")),
        (200, Some("text/event-stream"))
    );
    let resumed = served.ask(
        "GET",
        "/mcp",
        &[stream, within, ("last-event-id", "999999")],
        b"",
    );
    assert!(
        matches!(resumed.status, 200 | 400 | 404 | 409),
        "{resumed:?}"
    );
    assert!(matches!(
        served.ask("HEAD", "/mcp", &[], b"").status,
        200 | 400 | 405 | 406
    ));
}

#[test]
fn only_pages_that_are_configured_reach_the_gate() {
    let gate = gate();
    let served = gate.serve();
    let ask = |more: &[(&str, &str)]| post(&served, &[&[JSON, BOTH], more].concat(), INIT);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost:6274"),
        ("host", "attacker.example"),
    ] {
        assert_eq!(ask(&[(name, value)]).status, 403, "{name}: {value}");
    }
    let port = served.address.rsplit(':').next().unwrap();
    let spelled = ask(&[("host", &format!("LOCALHOST.:{port}"))]);
    assert!(matches!(spelled.status, 200 | 403), "{spelled:?}");

    let app = ("origin", "https://app.example.com");
    let wanted = "content-type,accept,mcp-protocol-version,mcp-session-id,mcp-method,mcp-name,authorization,last-event-id,traceparent";
    let preflight = |origin: &str, method: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", method),
            ("access-control-request-headers", wanted),
        ];
        served.ask("OPTIONS", "/mcp", &headers, b"")
    };
    for method in ["POST", "DELETE"] {
        let allowed = preflight(app.1, method);
        assert!(matches!(allowed.status, 200 | 204), "{allowed:?}");
        assert_eq!(allowed.header("access-control-allow-origin"), Some(app.1));
        let methods = allowed.header("access-control-allow-methods").unwrap();
        assert!(methods.contains(method), "{methods}");
        let headers = allowed
            .header("access-control-allow-headers")
            .unwrap()
            .to_lowercase();
        for header in wanted.split(',') {
            assert!(headers.contains(header), "{header} is not in {headers}");
        }
    }
    assert_eq!(
        preflight("https://evil.example", "POST").header("access-control-allow-origin"),
        None
    );
    let read = ask(&[app]);
    assert_eq!(read.status, 200);
    let exposed = read
        .header("access-control-expose-headers")
        .unwrap()
        .to_lowercase();
    assert!(exposed.contains("mcp-session-id"), "{exposed}");
    let refused = post(
        &served,
        &[JSON, BOTH, app, ("mcp-session-id", "none")],
        CALL,
    );
    assert!((400..500).contains(&refused.status));
    assert_eq!(
        refused.header("access-control-allow-origin"),
        Some(app.1),
        "{refused:?}"
    );
}

#[test]
fn a_request_that_stands_alone_agrees_with_its_headers() {
    let gate = gate();
    let served = gate.serve();
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}});
    let request = |id: u8, method: &str, mut params: Value| {
        params["_meta"] = meta.clone();
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
    };
    let headers = |method: &'static str| {
        [
            JSON,
            BOTH,
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
        ]
    };
    let list = post(
        &served,
        &headers("tools/list"),
        &request(5, "tools/list", json!({})),
    );
    assert!(
        list.status == 200 && list.body.contains("box__echo"),
        "{list:?}"
    );
    let call = request(
        6,
        "tools/call",
        json!({"name": "box__echo", "arguments": {}}),
    );
    let named = [&headers("tools/list")[..], &[("mcp-name", "box__echo")]].concat();
    let disagrees = post(&served, &named, &call);
    assert!(
        disagrees.status >= 400 || disagrees.body.contains("\"error\""),
        "{disagrees:?}"
    );
    assert!(!disagrees.body.contains("echo got"), "{disagrees:?}");
}
