//! Upstream servers whose answers are odd: an odd part costs itself, and an unreadable answer its own call, at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate::{
    enforce::Verdict, gate::Gate, gate::GateOptions, gate::compare_offers, tool::Content,
    upstream::Difference,
};
use tollgate_ledger::Sync;
use tollgate_server::upstream::Servers;
use tollgate_testkit::world::{World, call, user};

/// A server in the shell: what each tool answers after the id.
const ANSWERS: &[(&str, &str)] = &[
    (
        "surrogate",
        r#""result":{"content":[{"type":"text","text":"a \ud83d toy"}]}}"#,
    ),
    (
        "big",
        r#""result":{"content":[],"structuredContent":{"id":1902433718237462529,"n":1e999}}}"#,
    ),
    (
        "odd_parts",
        r#""result":{"content":[{"type":"chart"},{"type":"text","text":"healthy"},{"type":"resource","resource":{"uri":"annual report.pdf","blob":"AQI"}}]}}"#,
    ),
    (
        "one_part",
        r#""result":{"content":{"type":"text","text":"one"}}}"#,
    ),
    ("broken", r#""result":{"content":["#),
    ("no_result", r#""other":1}"#),
    (
        "error",
        r#""error":{"code":-32000,"message":"bad \udfff"}}"#,
    ),
];

/// What answers each message that holds one of these texts, after the id.
fn script(answers: &[(String, String)]) -> String {
    let mut script = String::from(
        "printf '\\357\\273\\277\\n=== ready ===\\r\\n{not json}\\n'\n\
         while IFS= read -r line; do\n\
         id=${line#*\\\"id\\\":}; id=${id%%[,\\}]*}\n\
         say() { printf '{\"jsonrpc\":\"2.0\",\"id\":%s,%s\\r\\n' \"$id\" \"$1\"; }\n\
         case $line in\n",
    );
    for (asked, text) in answers {
        script.push_str(&format!("*'{asked}'*) say '{text}';;\n"));
    }
    script + "esac\ndone\n"
}

fn result(result: &Value) -> String {
    format!("\"result\":{result}}}")
}

/// The answers of a server with the tools of [`ANSWERS`].
fn odd_tools() -> Vec<(String, String)> {
    let tools: Vec<Value> = ANSWERS
        .iter()
        .map(|(name, _)| json!({"name": name, "inputSchema": {"type": "object"}, "description": null}))
        .collect();
    let hello = r#""result":{"protocolVersion":"2025-06-18","capabilities":{"tools":[]},"serverInfo":{"name":"odd","version":"1"}}}"#;
    let list = json!({ "tools": tools, "nextCursor": "" });
    let mut answers = vec![
        ("\"initialize\"".into(), hello.into()),
        ("\"tools/list\"".into(), result(&list)),
    ];
    let named = |(name, text): &(&str, &str)| (format!("\"name\":\"{name}\""), (*text).into());
    answers.extend(ANSWERS.iter().map(named));
    answers.push((
        "\"server/discover\"".into(),
        r#""error":{"code":-32601,"message":"no such method"}}"#.into(),
    ));
    answers
}

/// A gate with such a server, and what is odd about its offer.
async fn gate(world: &World, answers: &[(String, String)], carried: &str) -> (Gate, Difference) {
    let config = world.read("tollgate.toml");
    world.write("odd.sh", &script(answers));
    let file = world.path("odd.sh");
    let upstream = format!(
        "\n[upstream.box]\ncommand = [\"/bin/sh\", {file:?}]\nlabels = []\ntaints = []\nlimits = {{ time = \"20s\" }}\n\
         {carried}\n"
    );
    world.write("tollgate.toml", &(config + &upstream));
    let connector = Servers::new();
    let looked = compare_offers(&world.config(), connector.as_ref(), None).await;
    let (name, difference) = looked.unwrap().pop().unwrap();
    let seen = [(name, difference.digest)];
    let options = GateOptions {
        clock: world.clock(),
        sync: Sync::Full,
        by: "tests".into(),
        connector: Servers::new(),
        ..GateOptions::default()
    };
    let alice = user("alice");
    let opened = Gate::open_accepting(world.config(), options, &alice, &seen);
    (opened.await.unwrap(), difference)
}

#[tokio::test]
async fn an_odd_part_costs_itself_and_an_unreadable_answer_its_call() {
    let world = World::new("");
    let (gate, _) = gate(&world, &odd_tools(), "").await;
    let begun = Instant::now();
    let text = |text: &str| Content::Text { text: text.into() };
    let released = async |tool: &str| {
        let answer = call(&gate, "r", &format!("box__{tool}"), "{}").await;
        match answer.verdict {
            Verdict::Released { content, .. } => content,
            other => panic!("{tool}: {other:?}"),
        }
    };
    assert_eq!(released("surrogate").await, [text("a \u{fffd} toy")]);
    let big = json!({"id": 1902433718237462529_i64, "n": "1e999"});
    assert_eq!(released("big").await, [Content::Structured(big)]);
    assert_eq!(released("one_part").await, [text("one")]);
    let parts = released("odd_parts").await;
    assert!(parts.contains(&text("healthy")), "{parts:?}");
    let carried = serde_json::to_value(&parts).unwrap();
    assert_eq!(
        carried[3],
        json!({"type": "resource", "resource": {"uri": "unknown:annual%20report.pdf", "blob": "AQI="}})
    );
    for (tool, words) in [
        ("broken", "the answer is not JSON"),
        ("no_result", "neither a result nor an error"),
        ("error", "bad \u{fffd}"),
    ] {
        let answer = call(&gate, "r", &format!("box__{tool}"), "{}").await;
        match answer.verdict {
            Verdict::ToolError(failure) => {
                assert!(failure.message.contains(words), "{tool}: {failure:?}");
            }
            other => panic!("{tool}: {other:?}"),
        }
    }
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "none waits for its time"
    );
    gate.close().await;
}

/// The answers of a server whose prompts, resources and instructions are odd, and whose tool is not.
fn odd_features() -> Vec<(String, String)> {
    let long = "x".repeat(100_000);
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}, "prompts": [], "resources": true},
        "serverInfo": {"name": "odd", "version": "1"}, "instructions": long});
    let tools = json!({"tools": [{"name": "healthy", "inputSchema": {"type": "object"}}]});
    let prompts = json!({"prompts": [
        {"name": "good", "arguments": []},
        {"name": "e\u{1b}[2J\u{202e}"},
        {"name": long},
        {"name": "twice"},
        {"name": "twice", "description": "Another."},
        {"name": "odd", "arguments": [{"name": "a\"b"}]},
        7,
    ]});
    let resources = json!({"resources": [
        {"uri": "note:good", "name": "good\u{202e}"},
        {"uri": format!("note:{long}"), "name": "long"},
        {"uri": "note:a\u{0}b", "name": "nul"},
        {"uri": "file:///a/../b", "name": "one"},
        {"uri": "file:///%62", "name": "the same"},
    ]});
    let got = json!({"messages": [{"content": "plain"}, {"role": "assistant", "content": {"type": "chart"}}, 7]});
    let read = json!({"contents": [{"uri": "x y", "text": "plain"}, {"uri": "note:good", "blob": "\u{fffd}"}]});
    let no_list = json!({"resourceTemplates": {}});
    let answers = [
        ("\"initialize\"", result(&hello)),
        ("\"tools/list\"", result(&tools)),
        ("\"tools/call\"", result(&json!({"content": "well"}))),
        ("\"prompts/list\"", result(&prompts)),
        ("\"prompts/get\"", result(&got)),
        ("\"resources/list\"", result(&resources)),
        ("\"resources/templates/list\"", result(&no_list)),
        ("\"resources/read\"", result(&read)),
        (
            "\"server/discover\"",
            "\"error\":{\"code\":-32601,\"message\":\"no\"}}".to_owned(),
        ),
    ];
    answers.map(|(asked, text)| (asked.to_owned(), text)).into()
}

#[tokio::test]
async fn an_odd_prompt_resource_or_list_costs_itself() {
    let world = World::new("");
    let carried = "instructions = true\nprompts = true\nresources = true";
    let (gate, difference) = gate(&world, &odd_features(), carried).await;
    let names = |names: Vec<String>| names.join(" ");
    let prompts = difference.prompts.added.iter().map(|p| p.name.clone());
    assert_eq!(names(prompts.collect()), "good");
    let resources = difference.resources.added.iter().map(|r| r.uri.clone());
    assert_eq!(names(resources.collect()), "note:good");
    assert_eq!(difference.instructions, None);
    let left_out: Vec<&String> = difference.left_out.keys().collect();
    assert_eq!(left_out.len(), 10, "{left_out:?}");
    for (name, why) in &difference.left_out {
        let plain = |text: &str| !text.contains(|c: char| c.is_control() || c == '\u{202e}');
        assert!(
            plain(name) && name.len() < 400 && plain(why),
            "{name}: {why}"
        );
    }
    assert!(difference.left_out["templates"].contains("no list of templates"));

    let texts = async |name: &str, arguments: &str| {
        let answer = call(&gate, "r", name, arguments).await;
        match answer.verdict {
            Verdict::Released { content, .. } => serde_json::to_value(content).unwrap(),
            other => panic!("{name}: {other:?}"),
        }
    };
    let line = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(texts("box__healthy", "{}").await, json!([line("well")]));
    let roles = json!({"type": "structured", "value": {"roles": ["user", "assistant"]}});
    let chart = line("[left out: a part of the kind `chart`, which this gate does not carry]");
    let prompt = texts("prompt:box__good", "{}").await;
    assert_eq!(prompt, json!([roles, line("plain"), chart]));
    let read = texts("resource:box", r#"{"uri":"note:good"}"#).await;
    let resource =
        json!({"type": "resource", "resource": {"uri": "unknown:x%20y", "text": "plain"}});
    assert_eq!(read[1], resource, "{read}");
    gate.close().await;
}
