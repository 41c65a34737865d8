use serde_json::{Value, json};

use super::*;
use crate::upstream::{Listings, Offer};

fn digest(change: impl FnOnce(&mut Listings)) -> Sha256Digest {
    let prompt = json!({"name": "p", "description": "d", "arguments": [{"name": "a"}]});
    let mut listings = Listings {
        tools: vec![json!({"name": "a", "description": "d", "inputSchema": {"type": "object"}})],
        prompts: vec![prompt],
        resources: vec![json!({"uri": "note:a", "name": "a"})],
        templates: vec![json!({"uriTemplate": "note:{x}", "name": "a"})],
        instructions: Some("Be kind.".into()),
        ..Listings::default()
    };
    change(&mut listings);
    Offer::of(&listings).definitions().digest()
}

#[test]
fn every_word_of_a_definition_is_in_the_digest() {
    let base = digest(|_| {});
    let set = |entry: &mut Vec<Value>, key: &str, value: Value| entry[0][key] = value;
    for (what, changed) in [
        (
            "instructions",
            digest(|l| l.instructions = Some("Be kind!".into())),
        ),
        ("no instructions", digest(|l| l.instructions = None)),
        (
            "title",
            digest(|l| set(&mut l.prompts, "title", json!("t"))),
        ),
        (
            "arguments",
            digest(|l| {
                set(
                    &mut l.prompts,
                    "arguments",
                    json!([{"name": "a", "required": true}]),
                )
            }),
        ),
        (
            "argument",
            digest(|l| {
                set(
                    &mut l.prompts,
                    "arguments",
                    json!([{"name": "a", "description": "x"}]),
                )
            }),
        ),
        (
            "own uri",
            digest(|l| set(&mut l.resources, "uri", json!("NOTE:a"))),
        ),
        (
            "name",
            digest(|l| set(&mut l.resources, "name", json!("b"))),
        ),
        (
            "media type",
            digest(|l| set(&mut l.resources, "mimeType", json!("a/b"))),
        ),
        (
            "template",
            digest(|l| set(&mut l.templates, "description", json!("b"))),
        ),
        (
            "tool",
            digest(|l| set(&mut l.tools, "description", json!("b"))),
        ),
    ] {
        assert_ne!(base, changed, "{what}");
    }
}
