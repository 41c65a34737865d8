//! Arguments typed for Cedar.

mod closed;
mod hostile;
mod properties;

use cedar_policy_core::ast::EntityType;
use serde_json::json;

use super::{number::scaled, *};

fn read(schema: Value) -> Result<ToolInput, InputError> {
    ToolInput::from_json_schema("t", &schema, &BTreeMap::new())
}

fn input(schema: Value) -> ToolInput {
    read(schema).unwrap()
}

fn object(properties: Value) -> Value {
    json!({ "type": "object", "properties": properties })
}

/// What policies see, as Cedar prints it; attributes without their type are in brackets.
fn seen(input: &ToolInput, arguments: Value) -> String {
    let typed = input.typed(&arguments).unwrap();
    let untyped: Vec<String> = typed.untyped.iter().map(|path| path.join(".")).collect();
    match untyped.is_empty() {
        true => typed.value.to_string(),
        false => format!("{} [{}]", typed.value, untyped.join(", ")),
    }
}

fn problems(input: &ToolInput, arguments: Value) -> Vec<String> {
    match input.check(&arguments) {
        Ok(()) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn attribute(input: &ToolInput, name: &str) -> Value {
    input.cedar_type()["attributes"][name].clone()
}

#[test]
fn policies_see_defaults_at_every_level_and_tools_what_was_sent() {
    let input = input(object(json!({
        "limit": { "type": "integer", "default": 10 },
        "filter": object(json!({ "open": { "type": "boolean", "default": true } })),
    })));
    let sent = json!({ "filter": {} });
    assert_eq!(
        seen(&input, sent.clone()),
        r#"{filter: {open: true}, limit: 10}"#
    );
    let mut filled = sent;
    input.apply_defaults(&mut filled);
    assert_eq!(filled, json!({ "filter": { "open": true }, "limit": 10 }));
    assert_eq!(attribute(&input, "limit")["required"], json!(true));
    assert_eq!(attribute(&input, "filter")["required"], json!(false));
}

#[test]
fn defaults_are_applied_within_arrays_and_choices() {
    let item = json!({
        "type": "object",
        "required": ["kind"],
        "properties": { "kind": { "const": "a" }, "n": { "type": "integer", "default": 1 } },
    });
    let input = input(object(json!({
        "list": { "type": "array", "items": item },
        "choice": { "anyOf": [{ "type": "string" }, item] },
    })));
    let mut arguments = json!({ "list": [{ "kind": "a" }], "choice": { "kind": "a" } });
    input.apply_defaults(&mut arguments);
    let filled = json!({ "kind": "a", "n": 1 });
    assert_eq!(arguments, json!({ "list": [filled], "choice": filled }));
}

#[test]
fn a_default_that_breaks_its_own_schema_is_ignored_and_noted() {
    let input = input(object(json!({
        "limit": { "type": "integer", "default": "20" },
        "state": { "enum": ["open", "done"], "default": "all" },
        "ratio": { "type": "number", "maximum": 1, "default": 0.33333 },
    })));
    assert_eq!(
        seen(&input, json!({})),
        r#"{ratio: "0.33333"} [input.ratio]"#
    );
    assert_eq!(input.notes().len(), 2, "{:?}", input.notes());
    assert_eq!(problems(&input, json!({})), Vec::<String>::new());
}

#[test]
fn null_for_an_optional_value_is_its_absence() {
    let input = input(object(json!({
        "note": { "anyOf": [{ "type": "string" }, { "type": "null" }], "default": null },
        "lat": { "type": ["number", "null"] },
        "state": { "enum": ["open", null] },
        "old": { "type": "string", "nullable": true },
    })));
    assert_eq!(
        attribute(&input, "note"),
        json!({ "type": "String", "required": false })
    );
    assert_eq!(attribute(&input, "lat")["name"], json!("decimal"));
    assert_eq!(
        seen(&input, json!({ "note": null, "lat": null, "state": null })),
        "{}"
    );
    assert_eq!(seen(&input, json!({ "note": "x" })), r#"{note: "x"}"#);
    assert_eq!(
        problems(&input, json!({ "note": null, "lat": 48.858_844 })),
        Vec::<String>::new()
    );
}

#[test]
fn what_cedar_has_no_value_for_is_text() {
    let input = input(object(json!({
        "at": { "type": "string", "format": "date-time" },
        "ip": { "type": "string", "format": "ipv4" },
        "lat": { "type": "number" },
    })));
    for (arguments, expected) in [
        (json!({ "lat": 1.5 }), r#"{lat: decimal("1.5")}"#),
        (
            json!({ "lat": 48.858_844 }),
            r#"{lat: "48.858844"} [input.lat]"#,
        ),
        (
            json!({ "at": "2026-01-01T00:00:00" }),
            r#"{at: "2026-01-01T00:00:00"} [input.at]"#,
        ),
        (
            json!({ "ip": "010.0.0.1" }),
            r#"{ip: "010.0.0.1"} [input.ip]"#,
        ),
    ] {
        assert_eq!(problems(&input, arguments.clone()), Vec::<String>::new());
        let seen = seen(&input, arguments);
        let (expected_end, seen_end) = (expected.rsplit(": ").next(), seen.rsplit(": ").next());
        assert_eq!(seen_end.is_some(), expected_end.is_some());
        assert_eq!(seen.contains('['), expected.contains('['), "{seen}");
    }
}

#[test]
fn numbers_can_be_mapped() {
    let schema = object(json!({ "x": { "type": "number" } }));
    let mapping = |m| BTreeMap::from([("/x".to_owned(), m)]);
    let cents =
        ToolInput::from_json_schema("t", &schema, &mapping(NumberMapping::Scaled(2))).unwrap();
    assert_eq!(seen(&cents, json!({ "x": 19.99 })), "{x: 1999}");
    assert_eq!(
        seen(&cents, json!({ "x": 0.001 })),
        r#"{x: "0.001"} [input.x]"#
    );
    let typo = BTreeMap::from([("/y".to_owned(), NumberMapping::Text)]);
    assert_eq!(
        ToolInput::from_json_schema("t", &schema, &typo).unwrap_err(),
        InputError::UnknownMapping {
            pointer: "/y".into()
        }
    );
}

#[test]
fn scaling_is_exact() {
    let number = |text: &str| serde_json::from_str::<serde_json::Number>(text).unwrap();
    assert_eq!(scaled(&number("19.99"), 2), Some(1999));
    assert_eq!(scaled(&number("-0.5"), 2), Some(-50));
    assert_eq!(scaled(&number("7"), 2), Some(700));
    assert_eq!(scaled(&number("1.001"), 2), None);
}

#[test]
fn identifiers_are_legal_and_never_collide() {
    let names = [
        "a-b", "a_b", "a_x2d_b", "a.b", "1a", "in", "", "größe", "_x", "__cedar",
    ];
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        let id = identifier(name);
        assert!(id.parse::<EntityType>().is_ok(), "{name} → {id}");
        assert!(seen.insert(id.clone()), "{name} → {id} collides");
    }
    assert_eq!(identifier("tickets__read"), "tickets__read");
}

#[test]
fn entity_escapes_stay_data() {
    let input = input(object(json!({ "v": { "type": "object" } })));
    let seen = seen(
        &input,
        json!({ "v": { "__entity": { "type": "Tollgate::Role", "id": "admin" } } }),
    );
    assert!(seen.starts_with("{v: \"{"), "{seen}");
    assert_eq!(attribute(&input, "v")["type"], json!("String"));
}

#[test]
fn a_value_of_a_union_is_told_what_its_own_alternative_says() {
    let case = |tag: &str, value: Value| {
        json!({
            "type": "object",
            "properties": { "tag": { "type": "string", "const": tag }, "value": value },
            "required": ["tag", "value"],
            "additionalProperties": false,
        })
    };
    let schema = json!({
        "type": "object",
        "properties": {
            "shape": { "oneOf": [
                case("circle", json!({ "type": "number" })),
                { "$ref": "#/$defs/square" },
            ] },
            "note": { "anyOf": [{ "type": "string", "maxLength": 3 }, { "type": "null" }] },
            "id": { "anyOf": [{ "type": "integer" }, { "type": "string" }] },
        },
        "$defs": { "square": case("square", json!({ "type": "array", "maxItems": 2 })) },
    });
    let input = input(schema);
    let tags = r#"one of "circle", "square""#;
    for (arguments, expected) in [
        (
            json!({ "shape": { "tag": "round", "value": 1 } }),
            format!("`/shape/tag`: it has to be {tags}"),
        ),
        (
            json!({ "shape": { "value": 1 } }),
            format!("`/shape`: it needs `tag`, {tags}"),
        ),
        (
            json!({ "shape": 1 }),
            format!("`/shape`: it has to be an object whose `tag` is {tags}"),
        ),
        (
            json!({ "shape": { "tag": "circle", "value": "x" } }),
            "`/shape/value`: value is not of type \"number\"".into(),
        ),
        (
            json!({ "note": "long" }),
            "`/note`: value is longer than 3 characters".into(),
        ),
        (
            json!({ "id": true }),
            "`/id`: it has to have one of the types integer, string".into(),
        ),
    ] {
        let said = problems(&input, arguments.clone());
        assert_eq!(said[0], expected, "{arguments}");
        assert!(!said[0].contains("round"));
    }
    assert_eq!(
        problems(
            &input,
            json!({ "shape": { "tag": "square", "value": [1] }, "note": null })
        ),
        Vec::<String>::new()
    );
}
