//! A client over standard input and output, in every order and spelling that clients have.

use serde_json::{Value, json};

use crate::gate::Gate;

fn gate() -> Gate {
    Gate::with_tools(
        &json!([{"name": "echo", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}]),
    )
}

fn request(id: &Value, method: &str, params: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\"{params}}}")
}

fn call(id: &Value, rest: &str) -> String {
    request(
        id,
        "tools/call",
        &format!(",\"params\":{{\"name\":\"box__echo\"{rest}}}"),
    )
}

/// Whether an answer is an error of the protocol, a failed call, or neither; with its words.
fn kind(answer: &Value) -> (&'static str, String) {
    if let Some(error) = answer.get("error") {
        return ("error", error["message"].to_string());
    }
    let text = answer["result"]["content"][0]["text"].to_string();
    match answer["result"]["isError"] == true {
        true => ("failed", text),
        false => ("ok", text),
    }
}

/// Before the handshake no call is taken; a line that is not a request ends nothing.
#[test]
fn a_handshake_comes_first_and_nothing_before_it_is_carried_out() {
    let gate = gate();
    let mut lines = gate.stdio();
    assert_eq!(
        lines.ask(&request(&json!("early"), "ping", ""))["result"],
        json!({})
    );
    lines.send(r#"{"jsonrpc":"2.0","id":99,"result":{}}"#);
    lines.send(
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"nothing"}}"#,
    );
    let early = lines.ask(&call(&json!("early-call"), ""));
    assert_eq!(kind(&early).0, "error", "{early}");
    let hello = lines.ask(&request(&json!("init"), "initialize", r#","params":{"protocolVersion":"2099-01-01",
        "capabilities":{"roots":{"listChanged":true},"elicitation":{}},"clientInfo":{"name":"t","version":"1"}}"#.replace('\n', " ").as_str()));
    assert_eq!(hello["result"]["protocolVersion"], "2025-11-25", "{hello}");
    // As an editor sends it, before it says that it is ready.
    let level = lines.ask(&request(
        &json!("log"),
        "logging/setLevel",
        r#","params":{"level":"info"}"#,
    ));
    assert_eq!(level["id"], "log");
    lines.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let again = lines.ask(&request(
        &json!("again"),
        "initialize",
        r#","params":{"protocolVersion":"2025-11-25",
        "capabilities":{},"clientInfo":{"name":"t","version":"1"}}"#
            .replace('\n', " ")
            .as_str(),
    ));
    assert_eq!(again["id"], "again");
    assert_eq!(kind(&lines.ask(&call(&json!("late"), ""))).0, "ok");
    lines.end();
}

/// Every request is answered by its own id, and the connection lives on.
#[test]
fn what_a_gate_does_not_have_is_answered_and_ends_nothing() {
    let gate = gate();
    let mut lines = gate.stdio();
    lines.begin();
    for (method, params) in [
        (
            "completion/complete",
            r#","params":{"ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"a","value":""}}"#,
        ),
        ("vendor/special", r#","params":[1,2]"#),
        ("vendor/other", ""),
    ] {
        let answer = lines.ask(&request(&json!(method), method, params));
        assert!(
            answer.get("error").is_some() || method.starts_with("completion"),
            "{answer}"
        );
    }
    lines.send(r#"{"jsonrpc":"2.0","method":"notifications/vendor","params":{"x":1}}"#);
    for (id, params) in [
        (json!(0), ""),
        (json!(-7), ",\"params\":null"),
        (json!(9_007_199_254_740_993_i64), ",\"params\":{}"),
        (json!("a b \u{e9}"), ""),
        (json!(""), ""),
    ] {
        let answer = lines.ask(&request(&id, "ping", params));
        assert_eq!(answer["result"], json!({}), "{id}: {answer}");
    }
    // The id of an answer is the very one, also where it is none.
    for id in [json!(1.5), Value::Null] {
        let answer = lines.ask(&request(&id, "ping", ""));
        assert_eq!(kind(&answer).0, "error", "{answer}");
    }
    for params in [
        "",
        ",\"params\":null",
        ",\"params\":{\"cursor\":null}",
        ",\"params\":{\"cursor\":\"\"}",
    ] {
        let answer = lines.ask(&request(&json!(params), "tools/list", params));
        assert!(answer["result"]["tools"].is_array(), "{params}: {answer}");
    }
    lines.end();
}

#[test]
fn arguments_in_every_spelling_get_an_answer_that_helps() {
    let gate = gate();
    let mut lines = gate.stdio();
    lines.begin();
    for (rest, expected, words) in [
        ("", "ok", "echo got {}"),
        (",\"arguments\":null", "ok", "echo got {}"),
        (",\"arguments\":[]", "ok", "echo got {}"),
        (",\"arguments\":{}", "ok", "echo got {}"),
        (
            ",\"arguments\":{},\"task\":null,\"_meta\":null",
            "ok",
            "echo got {}",
        ),
        (",\"arguments\":{\"text\":\"hi\"},\"more\":1", "ok", "hi"),
        (
            ",\"arguments\":\"{\\\"text\\\":\\\"hi\\\"}\"",
            "failed",
            "must be an object",
        ),
        (",\"arguments\":7", "failed", "must be an object"),
        (",\"arguments\":[1]", "failed", "must be an object"),
        (",\"arguments\":{\"text\":null}", "failed", "/text"),
        (
            ",\"arguments\":{\"text\":\"a\",\"text\":\"b\"}",
            "failed",
            "occurs twice",
        ),
        (",\"arguments\":{\"other\":\"a\"}", "failed", "other"),
        (",\"name\":\"other\"", "error", "occurs twice"),
    ] {
        let answer = lines.ask(&call(&json!(rest), rest));
        let (kind, said) = kind(&answer);
        assert_eq!(kind, expected, "{rest}: {answer}");
        assert!(said.contains(words), "{rest}: {answer}");
    }
    // Half a pair, which no reader of JSON takes: an answer, with the id or without one.
    lines.send(&call(
        &json!("half"),
        ",\"arguments\":{\"text\":\"\\ud83d\"}",
    ));
    let answer = lines.next();
    assert!(
        answer.get("error").is_some() || answer["result"]["isError"] == true,
        "{answer}"
    );
    // Clients of small servers leave the version out.
    let bare = lines.ask(r#"{"id":"bare","method":"ping"}"#);
    assert_eq!(bare["id"], "bare");
    // One id twice: two calls have two answers, or the second one is refused.
    for _ in 0..2 {
        lines.send(&call(&json!("twice"), ""));
    }
    for _ in 0..2 {
        assert_eq!(lines.next()["id"], "twice");
    }
    lines.end();
}
