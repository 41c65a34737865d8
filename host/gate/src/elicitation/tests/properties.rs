//! For every form and every content: what is accepted is valid by the form's own schema, as another validator reads it.

use proptest::{collection::btree_map, option, prelude::*, sample::select};

use super::*;

fn text_field() -> impl Strategy<Value = Value> {
    (
        option::of(0u64..4),
        option::of(2u64..6),
        option::of(select(vec!["email", "uri", "date", "date-time"])),
        option::of(select(vec!["^a", "[0-9]+", "b$"])),
    )
        .prop_map(|(min, max, format, pattern)| {
            let mut field = json!({"type": "string"});
            if let Some(min) = min {
                field["minLength"] = min.into();
            }
            if let Some(max) = max {
                field["maxLength"] = max.into();
            }
            if let Some(format) = format {
                field["format"] = format.into();
            }
            if let Some(pattern) = pattern {
                field["pattern"] = pattern.into();
            }
            field
        })
}

fn number_field() -> impl Strategy<Value = Value> {
    let kind = select(vec!["number", "integer"]);
    (kind, option::of(-3i64..3), option::of(-3i64..3)).prop_map(|(kind, min, max)| {
        let mut field = json!({"type": kind});
        if let Some(min) = min {
            field["minimum"] = min.into();
        }
        if let Some(max) = max {
            field["maximum"] = max.into();
        }
        field
    })
}

fn choice_field() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"type": "string", "enum": ["a", "b"]}),
        json!({"type": "string", "oneOf": [{"const": "a", "title": "A"}, {"const": "c"}]}),
        json!({"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "maxItems": 1}),
        json!({"type": "array", "items": {"anyOf": [{"const": "a"}]}, "uniqueItems": true, "minItems": 1}),
        json!({"type": "boolean"}),
        json!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]}),
        json!({"type": ["string", "null"], "maxLength": 2}),
    ])
}

fn field() -> impl Strategy<Value = Value> {
    let field = prop_oneof![text_field(), number_field(), choice_field()];
    (field, option::of(value())).prop_map(|(mut field, default)| {
        if let Some(default) = default {
            field["default"] = default;
        }
        field
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5i64..5).prop_map(Value::from),
        (-5i64..5).prop_map(|n| json!(n as f64)),
        (-20i64..20).prop_map(|n| json!(n as f64 / 4.0)),
        "[ab0-9é]{0,4}".prop_map(Value::from),
        select(vec!["a@b.example", "https://x.example/", "2026-02-28", "2026-02-28T10:00:00Z"])
            .prop_map(Value::from),
        proptest::collection::vec(select(vec!["a", "b", "c"]), 0..3).prop_map(Value::from),
    ]
}

fn names() -> impl Strategy<Value = String> {
    select(vec!["x", "y", "z"]).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn what_is_accepted_is_valid_by_the_schema(
        properties in btree_map(names(), field(), 0..4),
        required in proptest::collection::btree_set(names(), 0..3),
        given in btree_map(names(), value(), 0..4),
    ) {
        let required: Vec<String> = required.into_iter().filter(|name| properties.contains_key(name)).collect();
        let schema = json!({"type": "object", "properties": properties, "required": required});
        let params = json!({"message": "m", "requestedSchema": schema});
        let elicitation = Elicitation::parse(&params).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let form = elicitation.form().unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let given: Map<String, Value> = given.into_iter().collect();
        match form.check(&given) {
            Ok(content) => {
                let content = Value::Object(content);
                prop_assert!(validator.is_valid(&content), "{content} by {schema}");
                // What was decided about is what is kept, and what the server gets.
                let again = Elicitation::parse(&elicitation.to_json()).unwrap();
                let again = again.form().unwrap().check(content.as_object().unwrap()).unwrap();
                prop_assert_eq!(Value::Object(again), content);
            }
            Err(refused) => {
                // Nothing valid is refused but what the form does not name.
                let known = given.keys().all(|name| properties.contains_key(name));
                let whole = Value::Object(given);
                prop_assert!(!known || !validator.is_valid(&whole), "{refused}: {whole} by {schema}");
            }
        }
    }
}
