//! What a server asks a person in the middle of a call, before the real command: the person answers in another terminal.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use crate::gate::{Gate, text};

const ASK: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"box__TOOL","arguments":{}}}"#;

/// A gate as `tollgate wrap` makes it.
fn gate(more: &Value) -> Gate {
    let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object", "properties": {}}});
    let mut script = json!({"pages": [{"tools": [tool("book"), tool("sign"), tool("modern")]}]});
    for (name, value) in more.as_object().unwrap() {
        script[name] = value.clone();
    }
    let (gate, made) = Gate::wrap(&script);
    made.exits(0);
    gate
}

fn carried(gate: &Gate) {
    gate.set("[upstream.box]", "[upstream.box]\nelicitation = true");
}

fn question() -> Value {
    json!({"message": "How many?\u{202e}", "mode": "form", "requestedSchema": {"type": "object",
        "properties": {"seats": {"type": "integer", "minimum": 1, "title": "Seats"}}, "required": ["seats"]}})
}

/// What waits for a person, once it does.
fn asked(gate: &Gate) -> Value {
    for _ in 0..600 {
        let all = gate.json(&["approvals", "list"]);
        if let Some(first) = all.as_array().and_then(|all| all.first()) {
            return first.clone();
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("no person is asked");
}

fn result_of(answer: &Value) -> &str {
    text(&answer["result"])
}

#[test]
fn a_person_answers_in_another_terminal_while_the_call_waits() {
    let gate = gate(&json!({"asks": {"book": question()}}));
    carried(&gate);
    let mut lines = gate.stdio();
    lines.begin();
    lines.send(&ASK.replace("TOOL", "book"));
    let waiting = asked(&gate);
    let id = waiting["id"].as_str().unwrap();
    assert_eq!(waiting["elicitation"], json!({"upstream": "box", "mode": "form"}), "{waiting}");
    let shown = gate.run(&["approvals", "show", id]).exits(0);
    let shown = shown.says("the server box asks").says("seats (Seats): integer, required, at least 1");
    assert!(!shown.out.contains('\u{202e}'), "{}", shown.out);
    gate.run(&["approvals", "approve", id, "--yes"]).exits(1).says("approvals answer");
    let wrong = ["approvals", "answer", id, "--yes", "--field", "seats=none"];
    gate.run(&wrong).exits(2).says("`seats` is not a number");
    assert_eq!(gate.log().matches("\"result\":{\"action\"").count(), 0, "nothing was sent");
    let right = ["approvals", "answer", id, "--yes", "--field", "seats=2"];
    gate.run(&right).exits(0).says("the server gets it");
    let answer = lines.answer(&json!(7));
    assert_eq!(result_of(&answer), r#"book got {"action":"accept","content":{"seats":2}}"#);
    gate.run(&["runs", "show"]).exits(0).says("question").says("answered");
    gate.run(&["approvals", "answer", id, "--decline"]).exits(1).says("consumed already");
    lines.end();
}

#[test]
fn it_is_refused_unless_it_is_carried() {
    let required = json!({"resultType": "input_required",
        "inputRequests": {"a": {"method": "elicitation/create", "params": question()}}});
    let gate = gate(&json!({
        "asks": {"book": question()},
        "answers": {"modern": format!("\"result\":{required}}}")},
    }));
    assert!(!gate.log().contains("elicitation"), "it is not declared");
    let reply = gate.call("book", "{}");
    assert!(text(&reply).contains("refuses elicitation/create"), "{reply}");
    let modern = gate.call("modern", "{}");
    assert!(modern["message"].as_str().unwrap().contains("`elicitation`"), "{modern}");
    assert_eq!(gate.json(&["approvals", "list"]), json!([]));
}

#[test]
fn both_forms_of_the_protocol_carry_pages_and_forms() {
    let page = json!({"message": "Sign in.", "mode": "url", "url": "https://Sign.example/in", "elicitationId": "e"});
    let required = json!({"resultType": "input_required", "requestState": "opaque", "inputRequests": {
        "a": {"method": "elicitation/create", "params": question()},
        "b": {"method": "elicitation/create", "params": page}}});
    let gate = gate(&json!({"answers": {"modern": format!("\"result\":{required}}}")}}));
    carried(&gate);
    gate.policy("pages", "permit (principal == Tollgate::Component::\"box\", action == Tollgate::Action::\"elicit_input\", \
        resource) when { context.host == \"sign.example\" };");
    let mut lines = gate.stdio();
    lines.begin();
    lines.send(&ASK.replace("TOOL", "modern"));
    for _ in 0..2 {
        let waiting = asked(&gate);
        let id = waiting["id"].as_str().unwrap();
        match waiting["elicitation"]["mode"].as_str() {
            Some("url") => {
                assert_eq!(waiting["elicitation"]["host"], "sign.example");
                let shown = gate.run(&["approvals", "show", id]).exits(0);
                shown.says("open the page https://sign.example/in");
                gate.run(&["approvals", "answer", id, "--yes"]).exits(0);
            }
            _ => {
                gate.run(&["approvals", "answer", id, "--decline"]).exits(0);
            }
        }
    }
    let answer = lines.answer(&json!(7));
    let got = r#"modern got {"a":{"action":"decline"},"b":{"action":"accept"}}"#;
    assert_eq!(result_of(&answer), got);
    let log = gate.log();
    let last = log.lines().rfind(|line| line.contains("tools/call")).unwrap();
    let sent: Value = serde_json::from_str(last).unwrap();
    assert_eq!(sent["params"]["requestState"], "opaque");
    lines.end();
}

#[test]
fn what_policy_denies_never_reaches_a_person_or_the_server() {
    let page = json!({"message": "Sign in.", "mode": "url", "url": "https://sign.example/in"});
    let secret = json!({"message": "?", "requestedSchema": {"type": "object", "properties": {
        "api_key": {"type": "string"}}}});
    let gate = gate(&json!({"asks": {"sign": page, "book": secret}}));
    carried(&gate);
    gate.policy("no-pages", "forbid (principal, action == Tollgate::Action::\"elicit_input\", resource) \
        when { context.host like \"*.example\" };");
    let denied = gate.call("sign", "{}");
    assert_eq!(text(&denied), r#"sign got {"action":"decline"}"#);
    let refused = gate.call("book", "{}");
    assert_eq!(text(&refused), r#"book got {"action":"cancel"}"#);
    assert_eq!(gate.json(&["approvals", "list", "--all"]), json!([]));
}

#[test]
fn a_client_that_gives_up_ends_what_is_asked() {
    let gate = gate(&json!({"asks": {"book": question()}}));
    carried(&gate);
    let mut lines = gate.stdio();
    lines.begin();
    lines.send(&ASK.replace("TOOL", "book"));
    let id = asked(&gate)["id"].as_str().unwrap().to_owned();
    lines.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#);
    for _ in 0..600 {
        let all = gate.json(&["approvals", "list", "--all"]);
        if all[0]["state"] == "cancelled" {
            assert!(!gate.log().contains("\"action\":\"accept\""));
            gate.run(&["approvals", "answer", &id, "--yes", "--field", "seats=2"]).exits(1);
            return lines.end();
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("it is still asked");
}
