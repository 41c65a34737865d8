//! Policies see exactly what is executed, for generated schemas and values.

use std::str::FromStr as _;

use cedar_policy_core::ast::{Literal, ValueKind};
use proptest::prelude::*;

use super::*;
use crate::tool_input::types::{Field, InputType};

/// A schema with a value that it may accept.
fn typed_value(depth: u32) -> BoxedStrategy<(Value, Value)> {
    let leaf = prop_oneof![
        ".{0,6}".prop_map(|s| (json!({ "type": "string" }), json!(s))),
        "[a-c]".prop_map(|s| (json!({ "enum": ["a", "b", "c"] }), json!(s))),
        any::<bool>().prop_map(|b| (json!({ "type": "boolean" }), json!(b))),
        (-9999_i64..9999).prop_map(|n| (json!({ "type": "integer" }), json!(n))),
        (-9999_i64..9999).prop_map(|n| (json!({ "type": "number" }), json!(n))),
        (1_i64..99_999_999).prop_map(|n| {
            let n = serde_json::Number::from_str(&format!("0.{n:08}1")).unwrap();
            (json!({ "type": "number" }), Value::Number(n))
        }),
        Just((json!({ "type": ["string", "null"] }), json!(null))),
        (any::<i64>().prop_map(|n| (json!({ "type": "object" }), json!({ "n": n % 1000 })))),
        (any::<bool>().prop_map(|b| (json!({}), json!([b, null])))),
        Just((
            json!({ "type": "string", "format": "date-time" }),
            json!("2026-01-01T00:00:00")
        )),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    prop_oneof![
        2 => leaf,
        2 => object_value(depth - 1),
        1 => prop::collection::vec(typed_value(depth - 1), 1..3).prop_map(|items| {
            let (schema, first) = items[0].clone();
            (json!({ "type": "array", "items": schema }), json!([first]))
        }),
        1 => (typed_value(depth - 1), typed_value(depth - 1), any::<bool>()).prop_map(|(a, b, first)| {
            (json!({ "anyOf": [a.0, b.0] }), if first { a.1 } else { b.1 })
        }),
        1 => (object_value(depth - 1), object_value(depth - 1)).prop_map(|(a, b)| {
            let mut both = a.1.as_object().unwrap().clone();
            both.extend(b.1.as_object().unwrap().clone());
            (json!({ "type": "object", "allOf": [a.0, b.0] }), Value::Object(both))
        }),
    ]
    .boxed()
}

/// An object, with members that its schema may or may not name.
fn object_value(depth: u32) -> BoxedStrategy<(Value, Value)> {
    let members = prop::collection::btree_map("[a-e]", (typed_value(depth), any::<bool>()), 0..4);
    (members, prop::option::of("[a-z]"), 0..4_u8)
        .prop_map(|(members, extra, open)| {
            let mut properties = Map::new();
            let mut value = Map::new();
            for (name, ((schema, member), given)) in members {
                properties.insert(name.clone(), schema);
                if given {
                    value.insert(name, member);
                }
            }
            if let Some(extra) = extra {
                value.entry(extra).or_insert(json!("extra"));
            }
            let mut schema = json!({ "type": "object", "properties": properties });
            match open {
                0 => schema["additionalProperties"] = json!(true),
                1 => schema["patternProperties"] = json!({ "^[a-z]$": {} }),
                _ => {}
            }
            (schema, Value::Object(value))
        })
        .boxed()
}

fn text_of(value: &CedarValue) -> Option<String> {
    match value.value_kind() {
        ValueKind::Lit(Literal::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

/// The value that a policy sees, as JSON.
fn shown(ty: &InputType, value: &CedarValue) -> Value {
    match (ty, value.value_kind()) {
        (InputType::Json, _) => serde_json::from_str(&text_of(value).unwrap()).unwrap(),
        (InputType::Record(record), ValueKind::Record(_)) => shown_record(record, value),
        (InputType::Set(element), ValueKind::Set(items)) => {
            Value::Array(items.iter().map(|item| shown(element, item)).collect())
        }
        (InputType::Union(choices), ValueKind::Record(chosen)) => {
            let mut seen = chosen.iter().map(|(name, value)| {
                let i: usize = name.strip_prefix("typeChoice").unwrap().parse().unwrap();
                shown(&choices[i].ty, value)
            });
            let first = seen.next().unwrap();
            for other in seen {
                assert_eq!(
                    normal(&other),
                    normal(&first),
                    "alternatives show the same value"
                );
            }
            first
        }
        (InputType::Decimal, ValueKind::ExtensionValue(_)) => {
            let text = value.to_string();
            let digits: String = text
                .chars()
                .filter(|c| c.is_ascii_digit() || matches!(c, '.' | '-'))
                .collect();
            let number: f64 = digits.parse().unwrap();
            tollgate_model::canonical::parse(&number.to_string()).unwrap()
        }
        (InputType::Long, ValueKind::Lit(Literal::Long(n))) => json!(n),
        (InputType::Bool, ValueKind::Lit(Literal::Bool(b))) => json!(b),
        (InputType::Null, _) => Value::Null,
        (InputType::Enumeration(_), ValueKind::Lit(Literal::EntityUID(uid))) => {
            json!(AsRef::<str>::as_ref(uid.eid()))
        }
        (InputType::String, _) => json!(text_of(value).unwrap()),
        (InputType::Datetime, _) => json!(text_of(value).unwrap()),
        // In place of a value of another type.
        _ => {
            let text = text_of(value).unwrap();
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
    }
}

fn shown_record(record: &Record, value: &CedarValue) -> Value {
    let ValueKind::Record(attributes) = value.value_kind() else {
        panic!("{value}");
    };
    let mut members = Map::new();
    for (name, value) in attributes.iter() {
        if record.rest.as_deref() == Some(name.as_str()) {
            let rest: Value = serde_json::from_str(&text_of(value).unwrap()).unwrap();
            members.extend(rest.as_object().unwrap().clone());
            continue;
        }
        let Field { ty, .. } = &record.fields[name.as_str()];
        members.insert(name.to_string(), shown(ty, value));
    }
    Value::Object(members)
}

/// Without differences that policies cannot see: an absent member and null, the order and the duplicates of
/// a list.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), normal(value)))
                .collect(),
        ),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(normal).collect();
            items.sort_by_key(ToString::to_string);
            items.dedup();
            Value::Array(items)
        }
        value => value.clone(),
    }
}

proptest! {
    #[test]
    fn policies_see_what_is_executed((schema, value) in object_value(3)) {
        let input = input(schema);
        let executed = tollgate_model::canonical::parse(&value.to_string()).unwrap();
        if input.check(&executed).is_ok() {
            let typed = input.typed(&executed).unwrap();
            let shown = shown_record(&input.root, &typed.value);
            prop_assert_eq!(normal(&shown), normal(&executed));
        }
    }
}
