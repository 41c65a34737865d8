use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn run(value: &Value, pointers: &[&str], optional: &[&str]) -> Result<(Value, u64), NotFound> {
    let pointers: BTreeSet<String> = pointers.iter().map(|p| (*p).to_owned()).collect();
    let mut left = value.clone();
    let count = redact(&mut left, &pointers, &|path| {
        optional.contains(&path.join("/").as_str())
    })?;
    Ok((left, count))
}

#[test]
fn a_star_stands_for_every_element_and_member() {
    let value = json!({"items": [{"iban": "DE1", "n": 1}, {"iban": "DE2", "n": 2}]});
    let (left, count) = run(&value, &["/items/*/iban"], &[]).unwrap();
    assert_eq!(
        left,
        json!({"items": [{"iban": "[redacted]", "n": 1}, {"iban": "[redacted]", "n": 2}]})
    );
    assert_eq!(count, 2);
    let (left, _) = run(&json!({"a": {"x": 1, "y": 2}}), &["/a/*"], &[]).unwrap();
    assert_eq!(left, json!({"a": {"x": "[redacted]", "y": "[redacted]"}}));
}

#[test]
fn a_pointer_that_finds_nothing_fails() {
    for value in [
        json!({"customer": [{"iban": "DE1"}]}),
        json!({"client": {"iban": "DE1"}}),
        json!({"customer": "iban DE1"}),
        json!({"customer": "7"}),
        json!({"customer": null}),
        json!({}),
        json!([]),
    ] {
        let found = run(&value, &["/customer/iban"], &[]);
        let pointer = "/customer/iban".to_owned();
        assert_eq!(found, Err(NotFound { pointer }), "{value}");
    }
    assert!(run(&json!({"a": 1}), &["a"], &[]).is_err());
}

#[test]
fn an_optional_member_may_be_absent_or_null() {
    let found = |value: Value| run(&value, &["/items/*/iban"], &["items", "items/*/iban"]);
    for value in [
        json!({}),
        json!({"items": null}),
        json!({"items": [{}, {"iban": null}]}),
    ] {
        assert_eq!(found(value.clone()), Ok((value, 0)));
    }
    assert!(found(json!({"items": [7]})).is_err());
    // Null is a value where the member is required.
    let null = run(&json!({"iban": null}), &["/iban"], &[]);
    assert_eq!(null, Ok((json!({"iban": "[redacted]"}), 1)));
}

#[test]
fn a_pointer_leads_into_json_in_a_text() {
    let value = json!({"arguments": r#"{"n": 1, "customer": {"iban": "DE1"}}"#});
    let (left, count) = run(&value, &["/arguments/customer/iban"], &[]).unwrap();
    assert_eq!(
        left,
        json!({"arguments": r#"{"customer":{"iban":"[redacted]"},"n":1}"#})
    );
    assert_eq!(count, 1);
    // No schema says that a member of it may be absent, and ambiguous JSON has no members.
    let missing = json!({"arguments": "{}"});
    let twice = json!({"arguments": r#"{"a": 1, "a": 2}"#});
    assert!(
        run(
            &missing,
            &["/arguments/a"],
            &["arguments", "arguments/a", "a"]
        )
        .is_err()
    );
    assert!(run(&twice, &["/arguments/a"], &[]).is_err());
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!("SECRET")),
        Just(json!(r#"{"a":"SECRET","b":["SECRET"]}"#)),
        (0_i64..9).prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The values at the segments, read without this module.
fn values_at(value: &Value, segments: &[&str]) -> Vec<Value> {
    let Some((segment, rest)) = segments.split_first() else {
        return vec![value.clone()];
    };
    let below: Vec<Value> = match value {
        Value::Object(members) if *segment == "*" => members.values().cloned().collect(),
        Value::Array(items) if *segment == "*" => items.clone(),
        Value::Object(members) => members.get(*segment).cloned().into_iter().collect(),
        Value::Array(items) => {
            let index = segment.parse::<usize>().ok();
            index
                .and_then(|i| items.get(i))
                .cloned()
                .into_iter()
                .collect()
        }
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => {
                return values_at(&inner, segments);
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    below
        .iter()
        .flat_map(|value| values_at(value, rest))
        .collect()
}

proptest! {
    /// Whatever the shape: if redaction succeeds, only placeholders are left where the pointer leads.
    #[test]
    fn nothing_is_left_where_the_pointer_leads(
        value in json_value(),
        pointer in "(/([ab*]|[01])){1,3}",
        is_optional in any::<bool>(),
    ) {
        let pointers = BTreeSet::from([pointer.clone()]);
        let mut left = value;
        if redact(&mut left, &pointers, &|_| is_optional).is_ok() {
            let segments: Vec<&str> = pointer.split('/').skip(1).collect();
            for found in values_at(&left, &segments) {
                prop_assert!(found == PLACEHOLDER || (is_optional && found.is_null()), "{found}");
            }
            let mut again = left.clone();
            redact(&mut again, &pointers, &|_| is_optional).unwrap();
            prop_assert_eq!(again, left);
        }
    }
}
