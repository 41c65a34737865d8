use serde_json::json;

use super::*;

fn tool(name: &str, description: &str) -> Value {
    json!({"name": name, "description": description, "inputSchema": {"type": "object"}})
}

#[test]
fn it_is_said_how_many_tools_are_not_taken() {
    let tools: Vec<Value> = (0..300).map(|n| tool(&format!("t{n}"), "")).collect();
    let offer = Offer::new(&tools);
    assert_eq!(offer.definitions().tools.len(), MAX_TOOLS);
    let left_out = offer.left_out();
    assert!(
        left_out
            .get("(44 more)")
            .is_some_and(|why| why.contains("tools = ["))
    );
}

#[test]
fn each_tool_stands_for_itself() {
    let before = Offer::new(&[tool("same", ""), tool("changed", "a"), tool("gone", "")]);
    let now = Offer::new(&[
        tool("same", ""),
        tool("changed", "b"),
        tool("new", ""),
        tool("twice", ""),
        tool("twice", ""),
        json!({"name": "bad", "inputSchema": {"properties": {"a": {"$ref": "#/$defs/Gone"}}}}),
        json!(7),
    ]);
    let difference = Difference::between(Some(&before.definitions()), &now);
    assert_eq!(difference.same, ["same"]);
    assert_eq!(difference.added.len(), 1);
    assert_eq!(difference.changed[0].1.description, "b");
    assert_eq!(difference.vanished[0].name, "gone");
    let left_out: Vec<&String> = difference.left_out.keys().collect();
    assert_eq!(left_out, ["", "bad", "twice"]);
    assert!(!difference.is_none());
    assert!(Difference::between(Some(&now.definitions()), &now).is_none());
    assert!(!Difference::between(None, &Offer::default()).is_none());
}

#[test]
fn an_odd_prompt_or_resource_costs_itself() {
    let long = "x".repeat(1 << 20);
    let offer = Offer::of(&Listings {
        prompts: vec![
            json!({"name": "good"}),
            json!({"name": "a\u{1b}[2J"}),
            json!({"name": long}),
            json!({"name": "twice"}),
            json!({"name": "twice"}),
        ],
        resources: vec![
            json!({"uri": "note:good", "name": "good"}),
            json!({"uri": format!("note:{long}"), "name": "long"}),
            json!({"uri": "file:///a/../b", "name": "one"}),
            json!({"uri": "file:///b", "name": "the same"}),
        ],
        instructions: Some(long),
        unanswered: BTreeMap::from([("templates".into(), "it broke".into())]),
        ..Listings::default()
    });
    let definitions = offer.definitions();
    assert_eq!(definitions.prompts.keys().collect::<Vec<_>>(), ["good"]);
    assert_eq!(
        definitions.resources.keys().collect::<Vec<_>>(),
        ["note:good"]
    );
    assert_eq!(definitions.instructions, None);
    let left_out = offer.left_out();
    assert_eq!(left_out.len(), 7, "{left_out:?}");
    for (name, why) in &left_out {
        assert!(name.len() < 400 && !name.contains('\u{1b}') && !why.is_empty());
    }
    assert!(left_out["resource file:///b"].contains("two resources"));
    assert!(left_out.contains_key("instructions") && left_out.contains_key("templates"));
}
