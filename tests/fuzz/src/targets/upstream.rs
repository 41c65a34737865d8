//! What upstream servers send.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate::{
    lock::{Lock, LockedUpstream},
    upstream::{CallResult, Offer},
};
use tollgate_model::tool::{BoundedContent, Content, RawContent};
use tollgate_server::upstream::fuzzing::{content, events, mend, refusal, wire};

use super::{PACKAGE, is_readable, texts};
use crate::Target;

pub(super) const MEND: Target = Target {
    name: "mend",
    package: PACKAGE,
    corpus: || {
        texts(&[
            r#"{"price":"one \ud83d toy","n":-Infinity,"m":[NaN,1e999,12345678901234567890123]}"#,
            "{\"tab\":\"a\tb\u{1}\",\"pair\":\"\\ud83d\\ude00\",\"half\":\"\\udc00\\ud83d\"}",
            r#"{"a":"\\u00e9\"","b":1902433718237462529,"c":0.30000000000000004}"#,
            "{\"open\":\"no end \\",
        ])
    },
    variants: 3_000,
    check: mended,
};

/// What is mended stays as it is, and what could be read before means the same, apart from numbers.
fn mended(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let once = mend(&text);
    assert_eq!(mend(&once), once);
    assert!(
        once.len() <= text.len() * 6 + 16,
        "{} of {}",
        once.len(),
        text.len()
    );
    if let Ok(before) = serde_json::from_str::<Value>(&text) {
        let after: Value = serde_json::from_str(&once).expect("it could be read");
        assert!(is_same(&before, &after), "{before} became {after}");
    }
}

fn is_same(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Number(_), Value::Number(_) | Value::String(_)) => true,
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len() && before.iter().zip(after).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(before), Value::Object(after)) => {
            before.len() == after.len()
                && before
                    .iter()
                    .all(|(key, a)| after.get(key).is_some_and(|b| is_same(a, b)))
        }
        (before, after) => before == after,
    }
}

pub(super) const EVENT_STREAM: Target = Target {
    name: "event_stream",
    package: PACKAGE,
    corpus: || {
        texts(&[
            ": hello\n\nid: 1\nretry: 500\ndata:\n\nevent: message\nid: 2\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\ndata: \"result\":{}}\n\n",
            "\u{feff}data: {\"id\":1}\r\n\r\nevent: ping\r\ndata: now\r\n\r\n",
            "data:{\"id\":1}\r\rid: x\u{0}y\rdata\r\r",
            "event: endpoint\ndata: /messages?session=1\n\nretry: 99999999999999999999\n\ndata: {\"id\":2}",
        ])
    },
    variants: 2_000,
    check: event_stream,
};

/// How a stream is cut changes nothing, and no event holds a line's end.
fn event_stream(input: &[u8]) {
    let whole = events(&[input]);
    for size in [1, 7] {
        let pieces: Vec<&[u8]> = input.chunks(size).collect();
        assert_eq!(events(&pieces), whole);
    }
    for event in whole.into_iter().flatten() {
        assert!(!event.data.contains(&b'\r') && event.data.len() <= input.len());
        assert!(!event.name.contains(['\r', '\n']) && event.name.len() <= 3 << 10);
        assert!(event.id.is_none_or(|id| !id.contains(['\r', '\n', '\0'])));
    }
}

pub(super) const WIRE: Target = Target {
    name: "wire",
    package: PACKAGE,
    corpus: || {
        texts(&[
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a \ud83d toy"}]}}"#,
            r#"{"jsonrpc":"2.0","id":"2","result":{"tools":[{"name":"echo","inputSchema":null}],"nextCursor":null}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":"-32000","message":null,"data":1}}"#,
            r#"[{"id":1.0,"result":{}},{"method":"notifications/progress","params":{"progressToken":7,"progress":1.5}}]"#,
            r#"{"id":1,"result":{"content":["#,
            r#"{"jsonrpc":"2.0","id":3,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":[]},"serverInfo":{"name":"s","version":1}}}"#,
            r#"{"jsonrpc":"2.0","id":"srv-1","method":"elicitation/create","params":{"message":"Name?","requestedSchema":{"type":"object","properties":{}}}}"#,
            "\u{feff}{\"result\":{\"id\":9},\"id\":1} ",
        ])
    },
    variants: 1_500,
    check: answers,
};

/// Each open request is answered at most once, and no other is answered.
fn answers(input: &[u8]) {
    let mut open: BTreeSet<String> = ["1", "2", "3"].map(str::to_owned).into();
    // The same input twice: a request that was answered is not open any more.
    for id in wire(&[input, input], &[1, 2, 3]) {
        assert!(
            open.remove(&id),
            "the request {id} is answered twice, or was never sent"
        );
    }
}

pub(super) const RESULT: Target = Target {
    name: "result",
    package: PACKAGE,
    corpus: || {
        texts(&[
            r#"{"content":[{"type":"text","text":"noon"},{"type":"image","data":"iVBORw0KGgo","mimeType":null}],"isError":"true"}"#,
            r#"{"content":[{"type":"resource","resource":{"uri":"desk://papers/3/annual report.pdf","mimeType":"pdf","blob":"AQI"}}]}"#,
            r#"{"content":[{"type":"resource","uri":"C:\\docs\\a.txt","text":"x"},{"type":"resource_link","uri":"a b","name":"n"}]}"#,
            r#"{"content":{"type":"text","text":null},"structuredContent":[],"_meta":[]}"#,
            r#"{"content":["plain",7,null,{"type":"chart","points":[1]},{"type":"audio","data":"UklGRg=="}]}"#,
            r#"{"structuredContent":{"rows":[{"id":1902433718237462529,"v":0.30000000000000004,"w":1e21}]}}"#,
            r#"{"resultType":"input_required","content":[]}"#,
            r#""bare""#,
        ])
    },
    variants: 1_500,
    check: result,
};

/// Every part is carried or named, within bounds, and reads back equal.
fn result(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Ok(value) = serde_json::from_str::<Value>(&mend(&text)) else {
        return;
    };
    let parts = match content(value) {
        CallResult::Returned { content, .. } => content,
        CallResult::Unusable(why) => return is_readable(&why, 300),
        other => panic!("{other:?}"),
    };
    assert!(parts.len() <= 1_002);
    for most in [4_096, 16] {
        let raw: Vec<RawContent> = parts.iter().cloned().map(RawContent::from).collect();
        let bounded = BoundedContent::of_each_part(raw, most);
        let kept = bounded.content.expect("each part costs itself");
        assert!(kept.len() <= 1_000);
        assert!(bounded.cut || bounded.size <= most);
        for part in kept {
            let json = serde_json::to_string(&part).unwrap();
            let again: Content = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&again).unwrap(), json);
        }
    }
}

pub(super) const REFUSAL: Target = Target {
    name: "refusal",
    package: PACKAGE,
    corpus: || {
        texts(&[
            "401\nwww-authenticate: Bearer error=\"invalid_token\", resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource\"\n\n{\"error\":\"invalid_token\"}",
            "429\nretry-after: 7\n\n{\"error\":\"slow down\"}",
            "503\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\n\n<html>\u{1b}[31m",
            "404\n\n{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,\"message\":\"Session not found\"}}",
            "400\n\nBad Request: no valid session",
            "500\n\nunknown session",
        ])
    },
    variants: 2_000,
    check: refused,
};

/// A status, headers, and after a blank line the body.
fn refused(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let Some(status) = lines.next().and_then(|line| line.trim().parse().ok()) else {
        return;
    };
    let headers: Vec<(&str, &str)> = lines
        .take(64)
        .filter_map(|line| line.split_once(':'))
        .collect();
    for in_session in [true, false] {
        let Some(told) = refusal(status, &headers, body, in_session) else {
            return;
        };
        is_readable(&told.why, 400);
        if let Some(said) = &told.said {
            is_readable(said, 1_500);
        }
        assert!(in_session || !told.session_lost, "it has none to lose");
        assert!(
            status < 500 || !told.nothing_was_done,
            "a server may fail after the deed: {}",
            told.why
        );
    }
}

pub(super) const DEFINITIONS: Target = Target {
    name: "definitions",
    package: PACKAGE,
    corpus: || {
        texts(&[
            r#"[{"name":"echo","title":null,"description":null,"inputSchema":{"type":"object","properties":{"text":{"type":"string","default":""}}},"outputSchema":null,"annotations":[],"icons":null}]"#,
            r#"[{"name":"site.info","inputSchema":{"type":"object","properties":[],"required":[]}},{"name":"site.info","inputSchema":{}},{"name":"repo:search","description":"a\u202eb\nc"}]"#,
            r#"[{"name":"pay","inputSchema":{"type":"object","oneOf":[{"required":["iban"]},{"required":["card"]}]},"annotations":{"title":"Pay","readOnlyHint":true,"destructiveHint":null}}]"#,
            r#"[{"name":"bounds","inputSchema":{"type":"object","properties":{"n":{"type":"integer","maximum":9223372036854775807,"multipleOf":0.1}}},"outputSchema":{"type":"object","properties":{"big":{"const":1e300}}}}]"#,
            r#"[{"name":"","inputSchema":7},null,{"name":"é"},{"inputSchema":{"$ref":"https://schemas.example.invalid/x.json"}}]"#,
        ])
    },
    variants: 800,
    check: definitions,
};

/// Each tool is usable or left out with a reason, and what is usable reads back from the lock as it was.
fn definitions(input: &[u8]) {
    let Ok(Value::Array(tools)) = serde_json::from_str(&mend(&String::from_utf8_lossy(input)))
    else {
        return;
    };
    let offer = Offer::new(&tools);
    for (name, why) in offer.left_out() {
        is_readable(&why, 2_000);
        let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        assert!(!name.contains(odd), "{name:?}");
    }
    let definitions = offer.definitions();
    let locked = LockedUpstream::new(definitions.clone());
    let mut lock = Lock::default();
    lock.upstream.insert("box".into(), locked);
    let text = toml::to_string(&lock).expect("a lock can be written");
    let read: Lock = toml::from_str(&text).expect("a lock can be read");
    assert_eq!(read, lock);
    assert_eq!(read.upstream["box"].definitions(), Some(definitions));
}
