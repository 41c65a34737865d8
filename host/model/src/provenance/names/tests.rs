use serde_json::json;

use super::{DeclaredNames, PointerPattern};

#[test]
fn names_that_no_one_declares_are_content() {
    let schema = json!({
        "type": "object",
        "properties": {
            "to": { "type": "array", "items": { "type": "object", "properties": { "mail": {} } } },
            "a/b": { "$ref": "#/$defs/deep" },
            "shared": { "additionalProperties": { "enum": [{ "properties": { "secret": 1 } }] } },
        },
        "$defs": { "deep": { "oneOf": [{ "properties": { "leaf": {} } }] } },
    });
    let pattern = PointerPattern::parse("/rows/*/id").unwrap();
    let mut names = DeclaredNames::of_patterns([&pattern]);
    names.add_schema(&schema);
    for (pointer, redacted) in [
        ("", ""),
        ("/to/0/mail", "/to/0/mail"),
        ("/to/*/mail", "/to/*/mail"),
        ("/a~1b/leaf", "/a~1b/leaf"),
        ("/shared/eve@evil.example", "/shared/*"),
        ("/shared/secret", "/shared/*"),
        ("/rows/17/id", "/rows/17/id"),
        ("/rows/4111111111111111", "/rows/*"),
        ("/rows/…", "/rows/…"),
    ] {
        assert_eq!(names.redact(pointer), redacted, "{pointer}");
    }
}

#[test]
fn without_a_definition_every_name_is_content() {
    let names = DeclaredNames::default();
    assert_eq!(names.redact("/*/body/Erika"), "/*/*/*");
}
