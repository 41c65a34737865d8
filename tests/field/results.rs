//! Results as servers write them: each part by itself, and nothing is lost.

use serde_json::{Map, Value, json};

use crate::gate::Gate;

/// A gate whose tools answer with these texts after the id.
fn gate(answers: &[(&str, String)]) -> Gate {
    let tools: Vec<Value> = answers
        .iter()
        .map(|(name, _)| json!({"name": name, "inputSchema": {"type": "object"}}))
        .collect();
    gate_of(&tools, answers)
}

fn gate_of(tools: &[Value], answers: &[(&str, String)]) -> Gate {
    let by_tool: Map<String, Value> = answers
        .iter()
        .map(|(name, answer)| ((*name).to_owned(), Value::from(answer.clone())))
        .collect();
    let (gate, made) = Gate::wrap(&json!({"pages": [{"tools": tools}], "answers": by_tool}));
    made.exits(0);
    gate
}

fn result(result: &str) -> String {
    format!("\"result\":{result}}}")
}

/// Results, the outcome of their calls, and a part of what the caller gets.
const RESULTS: &[(&str, &str, &str, &str)] = &[
    // Halves of pairs, and characters that move a cursor.
    (
        "half",
        r#"{"content":[{"type":"text","text":"the \ud83d toy"}]}"#,
        "ok",
        "the \u{fffd} toy",
    ),
    (
        "half_key",
        r#"{"content":[],"structuredContent":{"a\udc00":1}}"#,
        "ok",
        "\u{fffd}",
    ),
    (
        "nul",
        r#"{"content":[{"type":"text","text":"x\u0000y"}]}"#,
        "ok",
        "x",
    ),
    // Numbers that a double cannot hold.
    (
        "big",
        r#"{"content":[{"type":"text","text":"row"}],"structuredContent":{"id":1902433718237462529}}"#,
        "ok",
        "1902433718237462529",
    ),
    (
        "decimal",
        r#"{"content":[],"structuredContent":{"v":0.30000000000000004,"w":1e21,"x":5.0}}"#,
        "ok",
        "0.30000000000000004",
    ),
    (
        "deep",
        r#"{"content":[{"type":"text","text":"here"}],"structuredContent":{"a":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}}"#,
        "ok",
        "here",
    ),
    // Resources whose names or types are none.
    (
        "blank",
        r#"{"content":[{"type":"text","text":"found"},{"type":"resource","resource":{"uri":"papers://7/year report.pdf","mimeType":"application/pdf","blob":"JVBERg=="}}]}"#,
        "ok",
        "papers://7/year%20report.pdf",
    ),
    (
        "plain",
        r#"{"content":[{"type":"resource","resource":{"uri":"bill.pdf","blob":"JVBERg"}}]}"#,
        "ok",
        "unknown:bill.pdf",
    ),
    (
        "windows",
        r#"{"content":[{"type":"text","text":"found"},{"type":"resource","resource":{"uri":"C:\\a\\b.txt","text":"t"}}]}"#,
        "ok",
        "found",
    ),
    (
        "mime",
        r#"{"content":[{"type":"resource","resource":{"uri":"doc://1","mimeType":"pdf","blob":"JVBERg=="}}]}"#,
        "ok",
        "doc://1",
    ),
    // Shapes.
    (
        "only",
        r#"{"structuredContent":{"items":[1,2]}}"#,
        "ok",
        "items",
    ),
    (
        "list",
        r#"{"content":[{"type":"text","text":"l"}],"structuredContent":[1,2]}"#,
        "ok",
        "l",
    ),
    (
        "word",
        r#"{"content":[],"structuredContent":"w"}"#,
        "ok",
        "w",
    ),
    (
        "null",
        r#"{"content":[{"type":"text","text":"n","_meta":null}],"structuredContent":null,"isError":null,"_meta":null}"#,
        "ok",
        "n",
    ),
    ("bare_text", r#"{"content":"just text"}"#, "ok", "just text"),
    (
        "one_part",
        r#"{"content":{"type":"text","text":"one part"}}"#,
        "ok",
        "one part",
    ),
    (
        "chart",
        r#"{"content":[{"type":"text","text":"and"},{"type":"chart","points":[1]}]}"#,
        "ok",
        "`chart`",
    ),
    (
        "audio",
        r#"{"content":[{"type":"audio","data":"UklGRg==","mimeType":"audio/wav"}]}"#,
        "ok",
        "audio",
    ),
    (
        "link",
        r#"{"content":[{"type":"resource_link","uri":"https://h/a b","name":"a b"}]}"#,
        "ok",
        "a b",
    ),
    (
        "both",
        r#"{"content":[{"type":"text","text":"short"}],"structuredContent":{"long":1}}"#,
        "ok",
        "short",
    ),
    (
        "php",
        r#"{"content":[{"type":"text","text":"done"}],"_meta":[],"structuredContent":[]}"#,
        "ok",
        "done",
    ),
    ("nothing", r#"{"content":[]}"#, "ok", ""),
    (
        "failed",
        r#"{"content":[{"type":"text","text":"no paper"}],"isError":"true"}"#,
        "tool_error",
        "no paper",
    ),
    (
        "twice",
        r#"{"content":[{"type":"text","text":"t"}],"structuredContent":{"a":1,"a":2}}"#,
        "ok",
        "t",
    ),
];

#[test]
fn an_odd_part_of_a_result_costs_only_itself() {
    let answers: Vec<(&str, String)> = RESULTS
        .iter()
        .map(|(name, answer, ..)| (*name, result(answer)))
        .collect();
    let gate = gate(&answers);
    let calls: Vec<(&str, &str)> = RESULTS.iter().map(|(name, ..)| (*name, "{}")).collect();
    for (reply, (name, _, outcome, words)) in gate.calls(&calls).iter().zip(RESULTS) {
        assert_eq!(reply["outcome"], *outcome, "{name}: {reply}");
        let said = format!("{} {}", reply["content"], reply["message"]);
        assert!(said.contains(words), "{name}: {reply}");
    }
}

/// None of them waits until its time is up: five of those would take longer than this may.
#[test]
fn an_answer_that_cannot_be_read_ends_its_call_at_once() {
    let answers = [
        ("torn", "\"result\":{\"content\":[".to_owned()),
        ("neither", "\"other\":1}".to_owned()),
        ("empty", result("null")),
        (
            "half_error",
            "\"error\":{\"code\":-32000,\"message\":\"bad \\udfff sign\"}}".to_owned(),
        ),
        ("odd_error", "\"error\":\"no\"}".to_owned()),
    ];
    let gate = gate(&answers);
    let calls = answers.each_ref().map(|(name, _)| (*name, "{}"));
    let begun = std::time::Instant::now();
    for (reply, (name, _)) in gate.calls(&calls).iter().zip(&calls) {
        assert_eq!(reply["outcome"], "tool_error", "{name}: {reply}");
        assert!(!reply["message"].as_str().unwrap().is_empty());
    }
    assert!(begun.elapsed().as_secs() < 60);
}

/// A gate with large results, and with a promise that is not kept; the size of the picture.
fn gate_with_large_results() -> (Gate, usize) {
    let picture = "iVBORw0KGgoA".repeat(175_000);
    let long = "line of words, é中\\n".repeat(300_000);
    let many: Vec<Value> = (0..1_500)
        .map(|n| json!({"type": "text", "text": format!("row {n}")}))
        .collect();
    let promised =
        json!({"type": "object", "properties": {"rows": {"type": "array"}}, "required": ["rows"]});
    let rows: Vec<Value> = (0..30_000)
        .map(|n| json!({"n": n, "v": "x".repeat(200)}))
        .collect();
    let table = json!({"content": [{"type": "text", "text": "a table"}], "structuredContent": {"rows": rows}});
    let answers = [
        (
            "screenshot",
            result(
                &json!({"content": [{"type": "text", "text": "the page"},
            {"type": "image", "mimeType": "image/png", "data": picture}]})
                .to_string(),
            ),
        ),
        (
            "long",
            result(&format!(
                r#"{{"content":[{{"type":"text","text":"{long}"}}]}}"#
            )),
        ),
        ("many", result(&json!({"content": many}).to_string())),
        ("table", result(&table.to_string())),
        (
            "less",
            result(r#"{"content":[{"type":"text","text":"less than was promised"}]}"#),
        ),
    ];
    let tools: Vec<Value> = answers
        .iter()
        .map(|(name, _)| {
            let mut tool = json!({"name": name, "inputSchema": {"type": "object"}});
            if matches!(*name, "table" | "less") {
                tool["outputSchema"] = promised.clone();
            }
            tool
        })
        .collect();
    (gate_of(&tools, &answers), picture.len())
}

#[test]
fn a_large_result_is_carried_or_cut_and_says_so() {
    let (gate, picture) = gate_with_large_results();
    let reply = gate.call("screenshot", "{}");
    assert_eq!(reply["outcome"], "ok");
    let carried = reply["content"][1]["data"].as_str();
    assert_eq!(
        carried.map(str::len),
        Some(picture),
        "a page's picture of 1.5 MB is carried"
    );
    for name in ["long", "many", "table"] {
        let reply = gate.call(name, "{}");
        assert_eq!(reply["outcome"], "ok", "{name}");
        let content = reply["content"].as_array().unwrap();
        let last = content.last().unwrap()["text"].as_str().unwrap();
        assert!(
            last.starts_with("[cut: ") && last.contains("limits.output"),
            "{name}: {last}"
        );
    }
}

/// What is cut is not a failure where a schema promises more.
#[test]
fn a_client_that_checks_a_promise_is_told_why_it_is_not_kept() {
    let (gate, _) = gate_with_large_results();
    let mut lines = gate.stdio();
    lines.begin();
    let listed = lines.ask(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let listed = listed["result"]["tools"].as_array().unwrap();
    let schema = &listed
        .iter()
        .find(|tool| tool["name"] == "box__table")
        .unwrap()["outputSchema"];
    assert!(
        schema.to_string().contains("dev.tollgate/incomplete"),
        "{schema}"
    );
    let cut = lines.ask(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"box__table","arguments":{}}}"#);
    assert_ne!(cut["result"]["isError"], true);
    let incomplete = &cut["result"]["structuredContent"]["dev.tollgate/incomplete"];
    assert!(
        !incomplete.is_null(),
        "{}",
        &cut.to_string()[..400.min(cut.to_string().len())]
    );
    let less = lines.ask(r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"box__less","arguments":{}}}"#);
    assert_eq!(less["result"]["isError"], false, "{less}");
    let incomplete = &less["result"]["structuredContent"]["dev.tollgate/incomplete"];
    assert!(incomplete.is_string(), "{less}");
    lines.end();
}
