//! Policies see everything that a tool gets.

use super::*;

const NONE: Vec<String> = Vec::new();

#[test]
fn a_member_that_the_schema_does_not_name_is_refused() {
    let input = input(json!({
        "type": "object",
        "required": ["filePath"],
        "properties": {
            "filePath": { "type": "string" },
            "options": object(json!({ "force": { "type": "boolean" } })),
        },
    }));
    assert_eq!(problems(&input, json!({ "filePath": "/a" })), NONE);
    assert_eq!(
        problems(
            &input,
            json!({ "filePath": "/a", "filepath": "/etc/passwd" })
        ),
        ["`/filepath`: the tool has no such argument; did you mean `filePath`?"]
    );
    assert_eq!(
        problems(
            &input,
            json!({ "filePath": "/a", "options": { "--force": true } })
        ),
        ["`/options/--force`: the tool has no such argument; did you mean `force`?"]
    );
    for schema in [
        json!({ "type": "object" }),
        json!({}),
        json!(null),
        json!([]),
    ] {
        let none = super::input(schema);
        assert_eq!(problems(&none, json!({})), NONE);
        assert_eq!(
            problems(&none, json!({ "n": 1 })),
            ["`/n`: the tool has no such argument"]
        );
    }
}

#[test]
fn what_a_schema_opens_explicitly_is_seen_as_text() {
    for open in [
        json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "additionalProperties": true }),
        json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "additionalProperties": { "type": "string" } }),
        json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "patternProperties": { "^x-": {} } }),
    ] {
        let input = input(open);
        let arguments = json!({ "a": 1, "x-b": "c" });
        assert_eq!(problems(&input, arguments.clone()), NONE);
        let seen = seen(&input, arguments);
        assert!(seen.contains(r#"{\"x-b\":\"c\"}"#), "{seen}");
        assert_eq!(input.open_attributes(), ["additionalProperties"]);
    }
    let taken = input(json!({
        "type": "object",
        "properties": { "additionalProperties": { "type": "string" } },
        "additionalProperties": true,
    }));
    assert_eq!(taken.open_attributes(), ["_additionalProperties"]);
}

#[test]
fn members_that_are_declared_within_combinations_are_typed() {
    let part = |name: &str, ty: &str| json!({ "type": "object", "properties": { name: { "type": ty } }, "required": [name] });
    let transfer = input(json!({
        "type": "object", "allOf": [part("to", "string"), part("amount", "integer")],
    }));
    assert_eq!(
        attribute(&transfer, "amount"),
        json!({ "type": "Long", "required": true })
    );
    let pay = input(json!({ "oneOf": [part("iban", "string"), part("card", "string")] }));
    assert_eq!(
        attribute(&pay, "card"),
        json!({ "type": "String", "required": false })
    );
    assert_eq!(problems(&pay, json!({ "card": "4111" })), NONE);
    let file = input(json!({
        "type": "object", "$ref": "#/$defs/File", "$defs": { "File": part("path", "string") },
    }));
    assert_eq!(
        attribute(&file, "path"),
        json!({ "type": "String", "required": true })
    );
    let conditional = input(json!({
        "type": "object",
        "properties": { "mode": { "type": "string" } },
        "required": ["mode"],
        "if": { "properties": { "mode": { "const": "write" } } },
        "then": part("target", "string"),
    }));
    assert_eq!(
        attribute(&conditional, "mode"),
        json!({ "type": "String", "required": true })
    );
    assert_eq!(
        attribute(&conditional, "target"),
        json!({ "type": "String", "required": false })
    );
    assert_eq!(
        problems(&conditional, json!({ "mode": "write", "target": "prod" })),
        NONE
    );
    assert_eq!(problems(&conditional, json!({ "mode": "write" })).len(), 1);
}

/// The caller chooses a value's members, so every alternative that accepts a value is visible.
#[test]
fn an_alternative_is_chosen_by_its_validator() {
    let input = input(object(json!({
        "how": { "anyOf": [
            { "type": "object", "properties": { "query": { "type": "string", "pattern": "^safe" } }, "required": ["query"] },
            { "type": "object", "properties": { "query": { "type": "string" } }, "required": ["query"] },
        ] },
    })));
    let unsafe_ = seen(&input, json!({ "how": { "query": "unsafe drop" } }));
    assert!(
        unsafe_.contains("typeChoice1") && !unsafe_.contains("typeChoice0"),
        "{unsafe_}"
    );
    let both = seen(&input, json!({ "how": { "query": "safe" } }));
    assert!(
        both.contains("typeChoice0") && both.contains("typeChoice1"),
        "{both}"
    );
}

#[test]
fn an_alternative_hides_no_member_from_policies() {
    let part =
        |name: &str| json!({ "type": "object", "properties": { name: { "type": "boolean" } } });
    let input = input(object(
        json!({ "x": { "anyOf": [part("a"), part("danger")] } }),
    ));
    let danger = seen(&input, json!({ "x": { "danger": true } }));
    assert!(
        danger.contains("typeChoice1") && !danger.contains("typeChoice0"),
        "{danger}"
    );
    for hidden in [
        json!({ "danger": true, "z": 1 }),
        json!({ "a": true, "danger": true }),
    ] {
        assert_eq!(problems(&input, json!({ "x": hidden })).len(), 1);
    }
}

#[test]
fn advice_to_pass_text_is_given_where_text_is_accepted() {
    let input = input(object(json!({
        "id": { "type": ["string", "number"] },
        "n": { "type": "integer" },
        "names": { "type": "array", "items": { "type": "string" } },
    })));
    assert!(input.accepts_text("/id"));
    assert!(input.accepts_text("/names/0"));
    assert!(!input.accepts_text("/n"));
    assert!(!input.accepts_text("/unknown"));
}

#[test]
fn every_variant_of_an_enumeration_is_named() {
    let input = input(object(
        json!({ "how": { "enum": ["Panic", "Loop", "Trap", "Exit"] } }),
    ));
    let problems = problems(&input, json!({ "how": "x" }));
    assert!(problems[0].contains(r#""Trap""#), "{problems:?}");
}

#[test]
fn null_is_absence_in_alternatives_too() {
    let member = json!({ "type": ["string", "integer", "null"] });
    let alternative = json!({
        "type": "object",
        "properties": { "key": member },
        "required": ["key"],
        "additionalProperties": false,
    });
    let schema = object(
        json!({ "filter": { "anyOf": [alternative, { "type": "array", "items": { "type": "string" } }] } }),
    );
    let input = input(schema);
    for key in [json!(null), json!("a"), json!(3)] {
        let arguments = json!({ "filter": { "key": key } });
        assert!(
            problems(&input, arguments.clone()).is_empty(),
            "{arguments}"
        );
        input.typed(&arguments).unwrap();
    }
    assert_ne!(
        problems(&input, json!({ "filter": { "key": true } })),
        Vec::<String>::new()
    );
}

#[test]
fn the_declared_part_of_open_arguments_leaves_the_rest_out_at_every_level() {
    let schema = json!({
        "type": "object",
        "additionalProperties": true,
        "properties": {
            "to": {"type": "string"},
            "items": {"type": "array", "items": {
                "type": "object",
                "additionalProperties": true,
                "properties": {"n": {"type": "integer"}},
            }},
        },
    });
    let input = ToolInput::from_json_schema("t", &schema, &BTreeMap::new()).unwrap();
    let whole = json!({"to": "a", "_": 1, "items": [{"n": 1, "x": 2}, {"n": 3}]});
    let declared = json!({"to": "a", "items": [{"n": 1}, {"n": 3}]});
    assert_eq!(input.declared(&whole), Some(declared.clone()));
    assert_eq!(input.declared(&declared), None, "there is nothing else");
    let free = json!({"type": "object", "additionalProperties": true});
    let free = ToolInput::from_json_schema("t", &free, &BTreeMap::new()).unwrap();
    assert_eq!(free.declared(&whole), None, "it declares nothing");
}
