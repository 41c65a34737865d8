use std::collections::BTreeMap;

use super::*;

#[crate::arguments]
#[derive(Default)]
#[serde(rename_all = "lowercase")]
enum Shade {
    /// Hard to see.
    #[default]
    Dark,
    Light,
}

/// Not shown.
#[crate::arguments]
struct Many {
    /// A number
    /// on two lines.
    small: i16,
    size: usize,
    big: u64,
    wide: i64,
    #[schemars(range(min = 1, max = 200))]
    limit: u32,
    ratio: f64,
    maybe: Option<String>,
    #[serde(default)]
    shade: Shade,
    /// Another.
    other: Option<Shade>,
    parts: Vec<Part>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[crate::arguments]
struct Part {
    #[schemars(regex(pattern = "^[a-z]+$"))]
    name: String,
    inner: Option<Box<Inner>>,
}

#[crate::output]
struct Inner {
    gone: Option<bool>,
}

#[test]
fn arguments() {
    let expected = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["small", "size", "big", "wide", "limit", "ratio", "parts"],
        "properties": {
            "small": {"type": "integer", "minimum": -32768, "maximum": 32767, "description": "A number on two lines."},
            "size": {"type": "integer", "minimum": 0, "maximum": 4294967295_u32},
            "big": {"type": "integer", "minimum": 0, "maximum": 9007199254740991_i64},
            "wide": {"type": "integer", "minimum": -9007199254740991_i64, "maximum": 9007199254740991_i64},
            "limit": {"type": "integer", "minimum": 1, "maximum": 200},
            "ratio": {"type": "number"},
            "maybe": {"type": "string"},
            "shade": {"type": "string", "enum": ["light", "dark"], "default": "dark", "description": "- `dark`: Hard to see."},
            "other": {"type": "string", "enum": ["light", "dark"], "description": "Another.\n- `dark`: Hard to see."},
            "parts": {"type": "array", "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "pattern": "^[a-z]+$"},
                    "inner": {"type": "object", "properties": {"gone": {"type": "boolean"}}},
                },
            }},
            "tags": {"type": "object", "additionalProperties": {"type": "string"}, "default": {}},
        },
    });
    let found = input::<Many>();
    assert_eq!(found, expected, "{found:#}");
    assert_eq!(found.to_string(), input::<Many>().to_string());
}

#[test]
fn results_keep_their_nulls() {
    let expected = json!({
        "type": "object",
        "properties": {"gone": {"type": ["boolean", "null"]}},
        "required": ["gone"],
    });
    assert_eq!(output::<Inner>(), expected);
}

#[test]
fn paragraphs_become_lines() {
    assert_eq!(
        unwrapped("One\ntwo.\n\nThree\n- a\n  b\n- c\n1. d\n```\ne\nf\n```\ng\nh"),
        "One two.\n\nThree\n- a b\n- c\n1. d\n```\ne\nf\n```\ng h"
    );
}
