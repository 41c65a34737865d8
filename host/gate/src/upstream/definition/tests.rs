use super::*;

#[test]
fn a_definition_reads_back_from_the_lock_as_it_was() {
    let tool = json!({"name": "repo.search/v2", "description": "finds", "inputSchema": {"type": "object",
        "properties": {"q": {"type": "string", "default": null},
            "n": {"type": "integer", "minimum": -9_223_372_036_854_775_808_i64, "maximum": u64::MAX}}},
        "outputSchema": {"type": "object", "maxProperties": 9_007_199_254_740_993_u64},
        "annotations": {"readOnlyHint": true},
        "_meta": {"x": 1}});
    let definition = Definition::read(&tool).unwrap();
    assert!(definition.annotations.read_only && !definition.annotations.destructive);
    let text = toml::to_string(&definition).unwrap();
    assert_eq!(toml::from_str::<Definition>(&text).unwrap(), definition);
}

#[test]
fn what_is_out_of_bounds_is_refused_alone_and_named_printably() {
    let of =
        |name: &str, schema: Value| Definition::read(&json!({"name": name, "inputSchema": schema}));
    for (name, schema) in [
        ("", json!({})),
        ("a b ", json!({})),
        ("a\u{202e}", json!({})),
        ("\"] x", json!({})),
        (&*"n".repeat(129), json!({})),
        ("ok", json!([1])),
        ("ok", json!("object")),
        ("ok", json!({"type": "string"})),
        ("ok", json!({"properties": {"a": {"$ref": "#/$defs/Gone"}}})),
    ] {
        let (shown, problem) = of(name, schema).unwrap_err();
        assert!(!shown.contains('\u{202e}') && !problem.is_empty());
    }
    let long = json!({"name": "ok", "description": "x".repeat(17 << 10), "inputSchema": {}});
    assert!(Definition::read(&long).is_err());
    for fine in [json!({}), json!([]), Value::Null] {
        assert!(of("a b", fine).is_ok());
    }
}

#[test]
fn every_word_of_a_definition_counts() {
    let base = json!({"name": "a", "description": "d", "inputSchema": {"type": "object"}});
    for (key, value) in [
        ("description", json!("e")),
        ("title", json!("t")),
        ("inputSchema", json!({"type": "object", "x": 1})),
        ("outputSchema", json!({"type": "object"})),
        ("annotations", json!({"readOnlyHint": true})),
    ] {
        let mut changed = base.clone();
        changed[key] = value;
        let offer =
            |tool: &Value| crate::upstream::Offer::new(std::slice::from_ref(tool)).definitions();
        assert_ne!(offer(&base).digest(), offer(&changed).digest(), "{key}");
    }
}
