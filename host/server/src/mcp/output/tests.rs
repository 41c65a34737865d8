use super::*;

#[test]
fn the_listed_schema_takes_both_forms() {
    let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"], "additionalProperties": false});
    let listed = Value::Object(listed(&schema).unwrap());
    let check = jsonschema::validator_for(&listed).unwrap();
    assert!(check.is_valid(&json!({"ok": true})));
    assert!(check.is_valid(&incomplete("cut")));
    assert!(!check.is_valid(&json!({})) && !check.is_valid(&json!({"ok": "x"})));
}

#[test]
fn a_schema_without_room_for_it_is_not_listed() {
    for schema in [
        json!({"type": "array"}),
        json!({"type": "object", "oneOf": [{}]}),
        json!({"type": "object", "minProperties": 2}),
        json!({"type": "object", "maxProperties": 0}),
        json!({"type": "object", "dependencies": {}}),
        json!(true),
    ] {
        assert_eq!(listed(&schema), None, "{schema}");
    }
    assert!(listed(&json!({"type": "object"})).is_some());
}
