//! Upstream servers whose answers are odd: an odd part costs itself, and an unreadable answer its own call, at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate::{
    enforce::Verdict, gate::Gate, gate::GateOptions, gate::compare_offers, tool::Content,
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

fn script() -> String {
    let tools: Vec<Value> = ANSWERS
        .iter()
        .map(|(name, _)| json!({"name": name, "inputSchema": {"type": "object"}, "description": null}))
        .collect();
    let list = json!({ "tools": tools, "nextCursor": "" });
    let mut script = String::from(
        "printf '\\357\\273\\277\\n=== ready ===\\r\\n{not json}\\n'\n\
         while IFS= read -r line; do\n\
         id=${line#*\\\"id\\\":}; id=${id%%[,\\}]*}\n\
         say() { printf '{\"jsonrpc\":\"2.0\",\"id\":%s,%s\\r\\n' \"$id\" \"$1\"; }\n\
         case $line in\n",
    );
    let hello = r#""result":{"protocolVersion":"2025-06-18","capabilities":{"tools":[]},"serverInfo":{"name":"odd","version":"1"}}}"#;
    let mut answer = |method: &str, text: &str| {
        script.push_str(&format!("*'{method}'*) say '{text}';;\n"));
    };
    answer("\"initialize\"", hello);
    answer("\"tools/list\"", &format!("\"result\":{list}}}"));
    for (name, text) in ANSWERS {
        answer(&format!("\"name\":\"{name}\""), text);
    }
    answer(
        "\"server/discover\"",
        r#""error":{"code":-32601,"message":"no such method"}}"#,
    );
    script + "esac\ndone\n"
}

async fn gate(world: &World) -> Gate {
    let config = world.read("tollgate.toml");
    world.write("odd.sh", &script());
    let file = world.path("odd.sh");
    let upstream = format!(
        "\n[upstream.box]\ncommand = [\"/bin/sh\", {file:?}]\nlabels = []\ntaints = []\nlimits = {{ time = \"20s\" }}\n"
    );
    world.write("tollgate.toml", &(config + &upstream));
    let connector = Servers::new();
    let looked = compare_offers(&world.config(), connector.as_ref(), None).await;
    let seen: Vec<_> = looked
        .unwrap()
        .into_iter()
        .map(|(name, difference)| (name, difference.digest))
        .collect();
    let options = GateOptions {
        clock: world.clock(),
        sync: Sync::Full,
        by: "tests".into(),
        connector: Servers::new(),
        ..GateOptions::default()
    };
    let alice = user("alice");
    let opened = Gate::open_accepting(world.config(), options, &alice, &seen);
    opened.await.unwrap()
}

#[tokio::test]
async fn an_odd_part_costs_itself_and_an_unreadable_answer_its_call() {
    let world = World::new("");
    let gate = gate(&world).await;
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
