//! Odd, broken and malicious schemas.

use super::*;

#[test]
fn slips_of_servers_are_mended() {
    let empty = input(json!({ "type": "object", "properties": [], "required": [] }));
    assert_eq!(problems(&empty, json!({})), Vec::<String>::new());
    let nulls = input(json!({
        "type": "object", "description": null, "$defs": null,
        "properties": { "a": { "type": "string", "default": null, "pattern": null } },
    }));
    assert_eq!(problems(&nulls, json!({ "a": "x" })), Vec::<String>::new());
    let list = read(json!({ "type": ["object", "null"], "properties": {} }));
    assert!(list.is_ok());
    assert_eq!(
        read(json!({ "type": "string" })).unwrap_err(),
        InputError::NotAnObject
    );
}

#[test]
fn a_pattern_that_does_not_compile_is_ignored_and_noted() {
    let input = input(object(json!({
        "bad": { "type": "string", "pattern": "^[[a-z0-9_./-" },
        "ahead": { "type": "string", "pattern": "^(?=.*[0-9])(?!.* ).{8,}$" },
        "url": { "type": "string", "pattern": "^https\\:\\/\\/" },
    })));
    assert_eq!(input.notes().len(), 1, "{:?}", input.notes());
    assert_eq!(
        problems(&input, json!({ "bad": "x", "ahead": "passw0rd" })),
        Vec::<String>::new()
    );
    assert_eq!(problems(&input, json!({ "ahead": "short" })).len(), 1);
}

#[test]
fn references_lead_to_their_schemas() {
    let item = object(json!({ "a": { "type": "string" } }));
    for schema in [
        json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/List%5Bstr%5D" } },
            "$defs": { "List[str]": item } }),
        json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/a~1b" } }, "$defs": { "a/b": item } }),
        json!({ "type": "object", "properties": { "x": { "$ref": "#item" } },
            "$defs": { "I": { "$anchor": "item", "type": "object", "properties": { "a": { "type": "string" } } } } }),
        json!({ "type": "object", "properties": { "x": { "$ref": "https://example.invalid/item" } },
            "$defs": { "I": { "$id": "https://example.invalid/item", "type": "object",
                "properties": { "a": { "type": "string" } } } } }),
    ] {
        let input = input(schema.clone());
        let x = attribute(&input, "x");
        assert_eq!(x["attributes"]["a"]["type"], json!("String"), "{schema}");
        assert_eq!(
            problems(&input, json!({ "x": { "b": 1 } })).len(),
            1,
            "{schema}"
        );
    }
}

#[test]
fn references_that_lead_nowhere_or_in_circles_are_refused() {
    let refers = |to: &str| json!({ "type": "object", "properties": { "x": { "$ref": to } } });
    for to in [
        "#/$defs/Screen",
        "https://schemas.example.invalid/i.json",
        "#nowhere",
        "#/%zz",
    ] {
        let error = read(refers(to)).unwrap_err();
        assert!(
            matches!(error, InputError::Reference { .. }),
            "{to}: {error}"
        );
    }
    let circle = json!({
        "type": "object", "properties": { "a": { "$ref": "#/$defs/A" } },
        "$defs": { "A": { "$ref": "#/$defs/B" }, "B": { "$ref": "#/$defs/A" } },
    });
    assert!(matches!(read(circle), Err(InputError::Circular { .. })));
    let redirected = json!({
        "type": "object", "properties": { "a": { "$ref": "urn:x" } },
        "$defs": { "A": { "type": "string" },
            "X": { "$id": "urn:x", "$ref": "#/$defs/A", "$defs": { "A": { "type": "integer" } } } },
    });
    assert!(matches!(read(redirected), Err(InputError::Schema { .. })));
}

#[test]
fn a_schema_that_would_be_evaluated_for_ever_is_refused() {
    for levels in [20, 40] {
        let mut definitions = Map::from_iter([("d0".to_owned(), json!({ "type": "integer" }))]);
        for level in 1..=levels {
            let below = json!({ "$ref": format!("#/$defs/d{}", level - 1) });
            definitions.insert(format!("d{level}"), json!({ "allOf": [below, below] }));
        }
        let bomb = json!({
            "type": "object", "properties": { "n": { "$ref": format!("#/$defs/d{levels}") } },
            "$defs": definitions,
        });
        assert!(
            matches!(read(bomb), Err(InputError::TooCostly { .. })),
            "{levels}"
        );
    }
}

/// Each level of the value doubles the work.
#[test]
fn arguments_that_take_too_long_to_evaluate_are_refused() {
    let node = |name: &str| object(json!({ name: { "$ref": "#/$defs/Node" } }));
    let input = input(json!({
        "type": "object", "properties": { "n": { "$ref": "#/$defs/Node" } },
        "$defs": { "Node": { "allOf": [node("n"), node("n")] } },
    }));
    let deep = |levels: usize| (0..levels).fold(json!({}), |below, _| json!({ "n": below }));
    assert_eq!(problems(&input, deep(5)), Vec::<String>::new());
    let refused = problems(&input, deep(40));
    assert!(refused[0].contains("deeply nested"), "{refused:?}");
}

/// References that fan out: 60 properties, each the whole schema again.
#[test]
fn a_schema_that_fans_out_is_typed_in_bounds() {
    let names: Map<String, Value> = (0..60)
        .map(|i| (format!("p{i}"), json!({ "$ref": "#" })))
        .collect();
    let input = input(json!({ "type": "object", "properties": names }));
    assert!(input.cedar_type().to_string().len() < 1_000_000);
    drop(input.typed(&json!({ "p0": { "p1": { "p59": {} } } })));
}

#[test]
fn a_chain_of_references_does_not_exhaust_the_stack() {
    let mut definitions = Map::from_iter([("d0".to_owned(), json!({ "type": "integer" }))]);
    for level in 1..=3000 {
        let below = json!({ "$ref": format!("#/$defs/d{}", level - 1) });
        definitions.insert(format!("d{level}"), below);
    }
    let chain = json!({
        "type": "object", "properties": { "n": { "$ref": "#/$defs/d3000" } }, "$defs": definitions,
    });
    let _ = read(chain);
}
