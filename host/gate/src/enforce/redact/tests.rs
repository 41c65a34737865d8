use serde_json::json;

use super::*;

fn run(value: &Value, pointers: &[&str], schema: Option<&Value>) -> Result<(Value, u64), NotFound> {
    let pointers = pointers.iter().map(|p| (*p).to_owned()).collect();
    let redacted = redact(vec![Content::Structured(value.clone())], &pointers, schema)?;
    let Some(Content::Structured(value)) = redacted.content.last() else {
        panic!("{redacted:?}")
    };
    Ok((value.clone(), redacted.count))
}

#[test]
fn a_pointer_that_finds_nothing_fails() {
    for value in [
        json!({"customer": [{"iban": "DE1"}]}),
        json!({"client": {"iban": "DE1"}}),
        json!({"customer": "iban DE1"}),
        json!({"customer": null}),
        json!({}),
    ] {
        assert!(run(&value, &["/customer/iban"], None).is_err(), "{value}");
    }
    let text = vec![Content::Text {
        text: "the IBAN is DE1".into(),
    }];
    let pointers = BTreeSet::from(["/iban".to_owned()]);
    assert!(redact(text, &pointers, None).is_err());
}

#[test]
fn a_member_that_the_schema_calls_optional_may_be_missing() {
    let schema = json!({
        "type": "object", "required": ["id"],
        "properties": {"id": {"type": "string"}, "iban": {"type": "string"}},
    });
    let value = json!({"id": "c1"});
    assert_eq!(run(&value, &["/iban"], Some(&schema)).unwrap().1, 0);
    assert!(run(&value, &["/idd"], Some(&schema)).is_err());
    assert!(run(&json!({"iban": "DE1"}), &["/id"], Some(&schema)).is_err());
}

#[test]
fn a_list_that_is_empty_hides_nothing_beside_it() {
    let schema = json!({ "properties": {
        "customers": { "items": { "properties": { "iban": { "type": "string" } } } },
        "total": { "type": "integer" },
    }});
    for (value, expected) in [
        (json!({ "customers": [] }), true),
        (json!({ "customers": [], "next": null, "more": [{}] }), true),
        (
            json!({ "customers": [], "rows": [{ "iban": "DE1" }] }),
            false,
        ),
        (json!({ "customers": {}, "iban": "DE1" }), false),
        (json!({ "customers": [], "total": 7 }), false),
    ] {
        assert_eq!(
            run(&value, &["/customers/*/iban"], None).is_ok(),
            expected,
            "{value}"
        );
    }
    for (value, expected) in [
        (json!({ "customers": [], "total": 7 }), true),
        (json!({ "customers": [{}], "total": 7 }), true),
        (
            json!({ "customers": [], "rows": [{ "iban": "DE1" }] }),
            false,
        ),
        (json!({ "customers": [{ "IBAN": "DE1" }] }), false),
    ] {
        assert_eq!(
            run(&value, &["/customers/*/iban"], Some(&schema)).is_ok(),
            expected,
            "{value}"
        );
    }
}

#[test]
fn json_in_a_text_is_redacted_like_structured_content() {
    let text = vec![Content::Text {
        text: r#"{"iban":"DE1","id":7}"#.into(),
    }];
    let pointers = BTreeSet::from(["/iban".to_owned()]);
    let redacted = redact(text, &pointers, None).unwrap();
    assert_eq!(
        redacted.content[0],
        Content::Text {
            text: r#"{"iban":"[redacted]","id":7}"#.into()
        }
    );
}
