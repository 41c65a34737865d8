//! Lists of tools in pages, handshakes, and what comes between messages.

use serde_json::{Value, json};

use crate::gate::{Gate, text};

fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}})
}

fn usable(gate: &Gate) -> Vec<String> {
    let listed = gate.json(&["tools", "list"]);
    let own = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["own_name"].as_str().unwrap().to_owned())
        // The server's resources have no name of its own.
        .filter(|own| !own.is_empty());
    own.collect()
}

#[test]
fn a_page_with_nothing_new_ends_a_list() {
    for last in [Value::Null, json!(""), json!("0")] {
        let page = json!({"tools": [tool("echo"), tool("one")], "nextCursor": last});
        let (gate, made) = Gate::wrap(&json!({"pages": [page]}));
        made.exits(0);
        assert_eq!(usable(&gate), ["echo", "one"], "{last}");
        assert_eq!(gate.call("one", "{}")["outcome"], "ok");
    }
}

#[test]
fn of_many_tools_it_is_said_how_many_were_not_taken_and_how_to_choose() {
    let all: Vec<Value> = (0..300).map(|n| tool(&format!("tool_{n:03}"))).collect();
    let pages: Vec<Value> = all
        .chunks(50)
        .enumerate()
        .map(|(n, tools)| match n {
            5 => json!({"tools": tools}),
            n => json!({"tools": tools, "nextCursor": (n + 1).to_string()}),
        })
        .collect();
    let (gate, made) = Gate::wrap(&json!({"pages": pages}));
    made.exits(0).says("(44 more)").says("tools = [");
    assert_eq!(usable(&gate).len(), 256);
    gate.run(&["upstream", "show", "box"])
        .exits(0)
        .says("(44 more)");
}

#[test]
fn what_cannot_be_used_is_listed_with_its_reason() {
    let dangling = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}});
    let odd = json!({"name": "odd\u{1b}[2J", "inputSchema": {"type": "object"}});
    let bad = json!({"name": "bad", "inputSchema": dangling});
    let gate = Gate::with_tools(&json!([tool("echo"), bad, odd]));
    let served = gate.serve();
    let ask = |path| -> Vec<Value> {
        let answer = served.ask("GET", path, &[], b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    };
    let usable: Vec<Value> = ask("/v1/tools");
    let unusable = ask("/v1/tools/unusable");
    assert!(usable.iter().any(|tool| tool["name"] == "box__echo"));
    let bad = unusable.iter().find(|tool| tool["name"] == "bad").unwrap();
    assert_eq!(
        (&bad["execution"], &bad["source"]),
        (&json!("upstream"), &json!("box"))
    );
    assert!(
        bad["reason"].as_str().unwrap().contains("#/$defs/none"),
        "{bad}"
    );
    assert!(
        unusable
            .iter()
            .all(|tool| !tool["reason"].as_str().unwrap().is_empty())
    );
    gate.run(&["tools", "list"])
        .exits(0)
        .says("its tool bad cannot be used");
}

#[test]
fn noise_between_messages_is_passed_over() {
    let script = json!({
        "before": "\u{feff}\n\n=== Odd server ready ===\r\n{no json}\n[1,2\n\u{1b}[32mok\u{1b}[0m\n",
        "hello": {"capabilities": {"tools": []}, "instructions": null},
        "pages": [{"tools": [tool("echo"), tool("chatter")]}],
        "answers": {"chatter": "\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"done\"}]}}\r\nworking...\r\n50%\rready"},
    });
    let (gate, made) = Gate::wrap(&script);
    made.exits(0);
    let replies = gate.calls(&[("chatter", "{}"), ("echo", "{}"), ("chatter", "{}")]);
    for reply in &replies {
        assert_eq!(reply["outcome"], "ok", "{reply}");
    }
    assert_eq!(text(&replies[0]), "done");
}

/// Progress reaches the caller that asked for it, with fractions, and never goes back.
#[test]
fn progress_keeps_its_fractions_and_increases() {
    let script = json!({
        "pages": [{"tools": [tool("slow"), tool("end")]}],
        "progress": {"slow": [1, 1.5, 0.5, 2.25, 2.25, 4]},
        "holds": {"slow": "end"},
    });
    let (gate, made) = Gate::wrap(&script);
    made.exits(0);
    let mut lines = gate.stdio();
    lines.begin();
    lines.send(r#"{"jsonrpc":"2.0","id":"call","method":"tools/call","params":{"name":"box__slow","arguments":{},"_meta":{"progressToken":"mine"}}}"#);
    let mut reported = Vec::new();
    let mut take = |message: &Value| {
        assert_eq!(message["method"], "notifications/progress", "{message}");
        assert_eq!(message["params"]["progressToken"], "mine");
        reported.push(message["params"]["progress"].as_f64().unwrap());
    };
    take(&lines.next());
    lines.send(r#"{"jsonrpc":"2.0","id":"end","method":"tools/call","params":{"name":"box__end","arguments":{}}}"#);
    let mut open = vec!["call", "end"];
    while !open.is_empty() {
        let message = lines.next();
        match message["id"].as_str() {
            None => take(&message),
            Some(id) => {
                assert_eq!(message["result"]["isError"], false, "{message}");
                open.retain(|known| *known != id);
            }
        }
    }
    assert!(
        reported.windows(2).all(|pair| pair[0] < pair[1]),
        "{reported:?}"
    );
    // Of many reports the gate may keep the latest, and of these none is rounded.
    assert!(
        reported.iter().all(|n| [1.0, 1.5, 2.25, 4.0].contains(n)),
        "{reported:?}"
    );
    lines.end();
}
