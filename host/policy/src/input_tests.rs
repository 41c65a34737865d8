//! Arguments typed for Cedar.

use super::*;

fn input(schema: Value) -> ToolInput {
    ToolInput::from_json_schema("t", &schema, &BTreeMap::new()).unwrap()
}

#[test]
fn defaults_are_applied_at_every_level() {
    let input = input(json!({
        "type": "object",
        "properties": {
            "limit": { "type": "integer", "default": 10 },
            "filter": {
                "type": "object",
                "properties": { "open": { "type": "boolean", "default": true } },
            },
        },
    }));
    let mut arguments = json!({ "filter": {} });
    input.apply_defaults(&mut arguments);
    assert_eq!(
        arguments,
        json!({ "filter": { "open": true }, "limit": 10 })
    );
    let ty = input.cedar_type();
    assert_eq!(ty["attributes"]["limit"]["required"], json!(true));
    assert_eq!(ty["attributes"]["filter"]["required"], json!(false));
}

#[test]
fn defaults_are_applied_within_arrays_and_choices() {
    let item = json!({
        "type": "object",
        "required": ["kind"],
        "properties": { "kind": { "const": "a" }, "n": { "type": "integer", "default": 1 } },
    });
    let input = input(json!({
        "type": "object",
        "properties": {
            "list": { "type": "array", "items": item },
            "choice": { "anyOf": [{ "type": "string" }, item] },
        },
    }));
    let mut arguments = json!({ "list": [{ "kind": "a" }], "choice": { "kind": "a" } });
    input.apply_defaults(&mut arguments);
    let filled = json!({ "kind": "a", "n": 1 });
    assert_eq!(arguments, json!({ "list": [filled], "choice": filled }));
}

/// References that fan out: 60 properties, each the whole again.
#[test]
fn a_schema_that_fans_out_is_typed_in_bounds() {
    let names: Map<String, Value> = (0..60)
        .map(|i| (format!("p{i}"), json!({ "$ref": "#" })))
        .collect();
    let input = input(json!({ "type": "object", "properties": names }));
    assert!(input.cedar_type().to_string().len() < 1_000_000);
    input
        .value(&json!({ "p0": { "p1": { "p59": {} } } }))
        .unwrap();
}

#[test]
fn numbers_that_a_decimal_cannot_hold_are_refused_by_pointer() {
    let schema = json!({ "type": "object", "properties": { "x": { "type": "number" } } });
    let plain = input(schema.clone());
    for good in [
        json!(1.5),
        json!(-0.0001),
        json!(5),
        json!(922_337_203_685_476_i64),
    ] {
        plain.value(&json!({ "x": good })).unwrap();
    }
    for bad in [json!(0.00001), json!(1e-9), json!(922_337_203_685_478_i64)] {
        let error = plain.value(&json!({ "x": bad })).unwrap_err();
        assert_eq!(
            error,
            InputError::Decimal {
                pointer: "/x".into()
            }
        );
    }
    let mapping = |m| BTreeMap::from([("/x".to_owned(), m)]);
    let cents =
        ToolInput::from_json_schema("t", &schema, &mapping(NumberMapping::Scaled(2))).unwrap();
    cents.value(&json!({ "x": 19.99 })).unwrap();
    cents.value(&json!({ "x": 0.001 })).unwrap_err();
    let typo = BTreeMap::from([("/y".to_owned(), NumberMapping::Text)]);
    assert_eq!(
        ToolInput::from_json_schema("t", &schema, &typo),
        Err(InputError::UnknownMapping {
            pointer: "/y".into()
        })
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
fn a_value_of_a_union_is_its_first_matching_choice() {
    let input = input(json!({
        "type": "object",
        "properties": { "v": { "type": ["string", "null"] } },
    }));
    input.value(&json!({ "v": null })).unwrap();
    input.value(&json!({ "v": "x" })).unwrap();
    assert!(input.value(&json!({ "v": 1 })).is_err());
}

/// Whoever makes the call chooses its members: what the tool acts on must be what policies see.
#[test]
fn a_choice_hides_no_member_from_policies() {
    let record =
        |name: &str| json!({ "type": "object", "properties": { name: { "type": "boolean" } } });
    let schema = |choices: &[Value]| {
        input(json!({ "type": "object", "properties": { "x": { "anyOf": choices } } }))
    };
    let two = schema(&[record("a"), record("danger")]);
    let seen = |input: &ToolInput, x: Value| {
        let value = input.value(&json!({ "x": x }));
        value.map(|value| format!("{value:?}"))
    };
    let danger = seen(&two, json!({ "danger": true })).unwrap();
    assert!(
        danger.contains("typeChoice1") && danger.contains("danger"),
        "{danger}"
    );
    assert!(
        seen(&two, json!({ "a": true }))
            .unwrap()
            .contains("typeChoice0")
    );
    for hidden in [
        json!({ "danger": true, "z": 1 }),
        json!({ "a": true, "danger": true }),
    ] {
        assert!(seen(&two, hidden.clone()).is_err(), "{hidden}");
    }
    // Where there is no choice, what is not declared hides nothing that is.
    let one = schema(&[record("a"), json!({ "type": "null" })]);
    let more = seen(&one, json!({ "a": true, "z": 1 })).unwrap();
    assert!(more.contains("typeChoice0"), "{more}");
}

#[test]
fn entity_escapes_stay_data() {
    let input = input(json!({
        "type": "object",
        "properties": { "v": { "type": "object" } },
    }));
    let expression = input
        .value(&json!({ "v": { "__entity": { "type": "Tollgate::Role", "id": "admin" } } }))
        .unwrap();
    drop(expression);
    assert_eq!(
        input.cedar_type()["attributes"]["v"]["type"],
        json!("String")
    );
}
