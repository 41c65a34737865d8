//! What clients send: messages and headers.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tollgate_model::canonical;
use tollgate_server::mcp::fuzzing::{Message, Place, accepts, message, place};

use super::{PACKAGE, is_readable, texts};
use crate::Target;

pub(super) const MESSAGE: Target = Target {
    name: "message",
    package: PACKAGE,
    corpus: || {
        texts(&[
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"mail__send","arguments":{"to":"ada@example.com","n":1.0}}}"#,
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"t","arguments":{"path":"a","path":"b"}}}"#,
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t","name":"u","arguments":{}}}"#,
            r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"t","arguments":null}}"#,
            r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"t","arguments":"{\"a\":1}"}}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"notifications/cancelled","params":{"requestId":1}}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping","params":null}"#,
            r#"[{"jsonrpc":"2.0","id":5,"method":"ping"},{"jsonrpc":"2.0","id":5,"method":"ping"}]"#,
        ])
    },
    variants: 2_000,
    check: read_message,
};

/// Arguments are handed on as they were written, and are those that a typed reading finds.
fn read_message(input: &[u8]) {
    let Message {
        arguments,
        problem,
        id,
    } = message(input);
    if let Some(problem) = &problem {
        is_readable(problem, 600);
        assert!(arguments.is_none(), "what is not taken has no arguments");
    }
    let typed = serde_json::from_slice::<Value>(input);
    if let (Some(id), None, Ok(typed)) = (id, &problem, &typed) {
        assert_eq!(typed["id"], id);
    }
    let Some(arguments) = arguments else { return };
    let text = std::str::from_utf8(input).unwrap();
    assert!(text.contains(&arguments), "{arguments}");
    if let Ok(read) = canonical::parse_with_any_number(&arguments) {
        let typed = &typed.unwrap()["params"]["arguments"];
        let same = canonical::parse_with_any_number(&typed.to_string()).unwrap();
        assert_eq!(read, same, "policy sees what the protocol's reading has");
    }
}

pub(super) const REQUEST_HEADERS: Target = Target {
    name: "request_headers",
    package: PACKAGE,
    corpus: || {
        texts(&[
            "accept: application/json, text/event-stream;q=0.5\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\ntracestate: vendor=1\nbaggage: session.id=chat-7,k=v;p=1\n\n{}",
            "accept: */*;q=0\ntollgate-run: monday\n\n{\"dev.tollgate/run\":\"tuesday\"}",
            "traceparent: ff-00000000000000000000000000000000-0000000000000000-00\n\n{\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00\",\"gen_ai.tool.call.id\":\"c\"}",
            "accept: text/html\naccept: application/*\n\n{\"dev.tollgate/run\":\"session:x\",\"dev.tollgate/conversation\":7}",
        ])
    },
    variants: 2_000,
    check: request_headers,
};

/// A header's lines and, after a blank one, `_meta`.
fn request_headers(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (head, meta) = text.split_once("\n\n").unwrap_or((&text, "{}"));
    let mut headers = HeaderMap::new();
    for line in head.lines().take(64) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let name = HeaderName::from_bytes(name.trim().as_bytes());
        let value = HeaderValue::from_bytes(value.trim().as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    if accepts(&headers) {
        let nothing = !headers.contains_key("accept");
        let values = headers.get_all("accept").iter();
        let named = values
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.contains('/'));
        assert!(nothing || named, "{headers:?}");
    }
    let Ok(meta) = serde_json::from_str::<Value>(meta) else {
        return;
    };
    let Ok(Place {
        run,
        conversation,
        state,
        meta,
    }) = place(meta, &headers)
    else {
        return;
    };
    assert!(!run.starts_with("trace:") || run.len() == 6 + 32, "{run}");
    let plain = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    assert!(conversation.is_none_or(|id| plain(&id, 128)));
    assert!(state.is_none_or(|state| state.len() <= 512));
    let baggage = meta.get("baggage").and_then(Value::as_str);
    assert!(baggage.is_none_or(|baggage| baggage.len() <= 8_192));
}
