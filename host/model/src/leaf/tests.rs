use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::canonical::to_canonical;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".*",
        "[a-z]{0,6}",
        Just(
            "\u{0}\u{8}\t\n\u{b}\u{c}\r\u{1f}\"\\/\u{7f}\u{80}\u{2028}\u{feff}\u{ffff}𝄞".to_owned()
        ),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-crate::canonical::MAX_INTEGER..=crate::canonical::MAX_INTEGER).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..8)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Like serde_json's output for a struct: members in any order.
fn shuffled(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            out.push('{');
            for (place, (name, member)) in members.iter().rev().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::to_string(name).unwrap());
                out.push(':');
                shuffled(member, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                shuffled(item, out);
            }
            out.push(']');
        }
        other => out.push_str(&serde_json::to_string(other).unwrap()),
    }
}

proptest! {
    #[test]
    fn what_is_sorted_is_canonical(value in value()) {
        let mut json = String::new();
        shuffled(&value, &mut json);
        if let Some(sorted) = sorted(json.as_bytes()) {
            prop_assert_eq!(sorted, to_canonical(&value).unwrap());
        }
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "[\\[\\]{}:,\"\\\\a0-]*") {
        let _ = sorted(&bytes);
        let _ = sorted(text.as_bytes());
    }
}

#[test]
fn what_is_not_certain_is_left_to_others() {
    for uncertain in [
        "1.5",
        "1e3",
        r#"{"é":1}"#,
        r#"{"\n":1}"#,
        r#"{"a":1,"a":2}"#,
        "[1",
        "[1]x",
        "",
        "\"a",
    ] {
        assert_eq!(sorted(uncertain.as_bytes()), None, "{uncertain}");
    }
    assert!(
        sorted(
            json!({"a": ["é", "\n", -5, null, true, {}], "b": []})
                .to_string()
                .as_bytes()
        )
        .is_some()
    );
}
