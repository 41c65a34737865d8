use serde_json::json;

use super::{PointerPattern, Trust, marked_trust, proposed_trust};

#[test]
fn a_schema_marks_fields() {
    let schema = json!({ "properties": {
        "items": { "type": "array", "items": { "properties": {
            "id": { "type": "string", "dev.tollgate/trust": "trusted" },
            "body": { "type": "string", "dev.tollgate/trust": "untrusted" },
            "odd": { "dev.tollgate/trust": "perhaps" },
        } } },
    } });
    let pattern = |text: &str| PointerPattern::parse(text).unwrap();
    let mut marks = marked_trust(&schema);
    marks.sort_by_key(|(pattern, _)| pattern.to_string());
    assert_eq!(
        marks,
        [
            (pattern("/items/*/body"), Trust::Untrusted),
            (pattern("/items/*/id"), Trust::Trusted),
        ]
    );
}

#[test]
fn a_mark_of_the_whole_result_is_none() {
    assert!(marked_trust(&json!({ "dev.tollgate/trust": "trusted" })).is_empty());
}

#[test]
fn shapes_propose_trust_and_free_text_does_not() {
    let schema = json!({ "properties": {
        "ticket_id": { "type": "string" },
        "from": { "type": "string", "format": "email" },
        "sent": { "type": "string", "format": "date-time" },
        "amount": { "type": "number" },
        "urgent": { "type": "boolean" },
        "state": { "enum": ["open", "closed"] },
        "account": { "type": "string" },
        "subject": { "type": "string" },
        "body": { "type": "string" },
        "link": { "type": "string", "format": "uri" },
        "rows": { "type": "array", "items": { "type": "integer" } },
        "marked": { "type": "number", "dev.tollgate/trust": "untrusted" },
        "either": { "oneOf": [{ "properties": { "id": { "type": "integer" } } },
                              { "properties": { "id": { "type": "integer" } } }] },
    } });
    let mut proposals: Vec<(String, String)> = proposed_trust(&schema)
        .into_iter()
        .map(|proposal| (proposal.pattern.to_string(), proposal.shape))
        .collect();
    proposals.sort();
    let expected = [
        ("/account", "by its name an account"),
        ("/amount", "a number"),
        ("/either/id", "a number"),
        ("/from", "format email"),
        ("/rows/*", "a number"),
        ("/sent", "format date-time"),
        ("/state", "one of a fixed choice"),
        ("/ticket_id", "by its name an identifier"),
        ("/urgent", "a switch"),
    ];
    let expected = expected.map(|(pattern, shape)| (pattern.to_owned(), shape.to_owned()));
    assert_eq!(proposals, expected);
}

/// Definitions come from outside.
#[test]
fn a_hostile_schema_is_read_within_bounds() {
    let mut deep = json!({ "type": "integer" });
    for _ in 0..60 {
        deep = json!({ "properties": { "a": deep, "b": { "items": { "type": "integer" } } } });
    }
    assert!(proposed_trust(&deep).len() < 100);
    let names: serde_json::Map<String, serde_json::Value> = (0..5_000)
        .map(|n| (format!("id{n}"), json!({ "type": "integer" })))
        .collect();
    assert_eq!(proposed_trust(&json!({ "properties": names })).len(), 512);
}
