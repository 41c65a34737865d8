mod properties;

use serde_json::json;

use super::*;

fn form(properties: Value, required: &[&str]) -> Result<Elicitation, ElicitationError> {
    Elicitation::parse(&json!({
        "message": "Please.",
        "requestedSchema": {"type": "object", "properties": properties, "required": required},
    }))
}

fn checked(properties: Value, required: &[&str], given: Value) -> Result<Value, String> {
    let elicitation = form(properties, required).map_err(|e| e.to_string())?;
    let Value::Object(given) = given else {
        panic!("content is an object");
    };
    let form = elicitation.form().unwrap();
    form.check(&given)
        .map(Value::Object)
        .map_err(|e| e.to_string())
}

#[test]
fn the_forms_of_mcp_are_read() {
    let properties = json!({
        "name": {"type": "string", "title": "Name", "description": "Yours", "minLength": 1, "maxLength": 9},
        "mail": {"type": "string", "format": "email"},
        "age": {"type": "integer", "minimum": 18, "maximum": 99, "default": 30},
        "share": {"type": "number"},
        "agrees": {"type": "boolean", "default": false},
        "color": {"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"]},
        "size": {"type": "string", "oneOf": [{"const": "s", "title": "Small"}]},
        "days": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string", "enum": ["mo", "tu"]}},
        "meals": {"type": "array", "items": {"anyOf": [{"const": "b", "title": "Breakfast"}]}},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": null, "title": "Note"},
    });
    let given = json!({
        "name": "Ann", "mail": "ann@example.com", "share": 0.5, "color": "g", "size": "s",
        "days": ["mo"], "meals": ["b"], "note": null,
    });
    let content = checked(properties.clone(), &["name", "color"], given.clone()).unwrap();
    let mut expected = given;
    expected["age"] = json!(30);
    expected["agrees"] = json!(false);
    assert_eq!(content, expected, "with the form's defaults");
    let view = form(properties, &["name"]).unwrap().view();
    let name = view.fields.iter().find(|field| field.name == "name");
    let name = name.unwrap();
    assert!(name.required && name.limits == "at least 1 characters, at most 9 characters");
    let color = view.fields.iter().find(|field| field.name == "color");
    assert_eq!(color.unwrap().options[0].title.as_deref(), Some("Red"));
}

#[test]
fn values_that_do_not_fit_are_refused_with_the_field() {
    for (property, value) in [
        (json!({"type": "string", "minLength": 2}), json!("é")),
        (json!({"type": "string", "maxLength": 1}), json!("ab")),
        (json!({"type": "string", "format": "email"}), json!("nobody")),
        (json!({"type": "string", "format": "date"}), json!("2026-02-30")),
        (json!({"type": "string", "format": "uri"}), json!("not a uri")),
        (json!({"type": "string", "format": "date-time"}), json!("soon")),
        (json!({"type": "string", "pattern": "^a+$"}), json!("b")),
        (json!({"type": "string"}), json!(7)),
        (json!({"type": "string"}), Value::Null),
        (json!({"type": "integer"}), json!(1.5)),
        (json!({"type": "integer"}), json!("1")),
        (json!({"type": "integer"}), json!(9_007_199_254_740_993_u64)),
        (json!({"type": "number", "minimum": 1}), json!(0.5)),
        (json!({"type": "number", "maximum": 1}), json!(2)),
        (json!({"type": "boolean"}), json!("true")),
        (json!({"enum": ["a"]}), json!("b")),
        (json!({"type": "array", "items": {"enum": ["a"]}}), json!(["a", "b"])),
        (json!({"type": "array", "maxItems": 1, "items": {"enum": ["a", "b"]}}), json!(["a", "b"])),
        (json!({"type": "array", "uniqueItems": true, "items": {"enum": ["a"]}}), json!(["a", "a"])),
    ] {
        let refused = checked(json!({"x": property}), &[], json!({"x": value}));
        let refused = refused.expect_err(&property.to_string());
        assert!(refused.starts_with("`x` "), "{refused}");
    }
    let required = checked(json!({"x": {"type": "string"}}), &["x"], json!({}));
    assert_eq!(required, Err("`x` is required".into()));
    let unknown = checked(json!({"x": {"type": "string"}}), &[], json!({"y": 1}));
    assert_eq!(unknown, Err("`y` is not a field of the form".into()));
    let large = "x".repeat(20_000);
    assert!(checked(json!({"x": {"type": "string"}}), &[], json!({"x": large})).is_err());
}

#[test]
fn forms_beyond_those_of_mcp_are_refused() {
    for property in [
        json!({"type": "object", "properties": {}}),
        json!({"type": "array", "items": {"type": "object"}}),
        json!({"type": "array", "items": {"type": "string"}}),
        json!({"type": "null"}),
        json!({"type": "string", "contentEncoding": "base64"}),
        json!({"type": "string", "format": "regex"}),
        json!({"type": "string", "pattern": "("}),
        json!({"type": "string", "enum": []}),
        json!({"type": "string", "enum": ["a"], "const": "a"}),
        json!({"$ref": "#/$defs/x"}),
        json!({"allOf": []}),
        json!({"type": "number", "multipleOf": 2}),
        json!({"type": "string", "title": "t".repeat(2000)}),
        json!("string"),
    ] {
        assert!(form(json!({"x": property}), &[]).is_err(), "{property}");
    }
    assert!(form(json!({"x": {"type": "string"}}), &["y"]).is_err());
    assert!(form(json!({"a\u{202e}b": {"type": "string"}}), &[]).is_err());
    let many: Map<String, Value> = (0..33)
        .map(|n| (format!("x{n}"), json!({"type": "boolean"})))
        .collect();
    assert!(form(many.into(), &[]).is_err());
    let nested = json!({"type": "object", "properties": {}, "dependentRequired": {}});
    let params = json!({"message": "m", "requestedSchema": nested});
    assert!(Elicitation::parse(&params).is_err());
    for params in [
        json!({"requestedSchema": {"type": "object", "properties": {}}}),
        json!({"message": "m"}),
        json!({"message": "m", "mode": "voice"}),
        json!({"message": "x".repeat(5000), "requestedSchema": {"type": "object", "properties": {}}}),
        json!(null),
    ] {
        assert!(Elicitation::parse(&params).is_err(), "{params}");
    }
}

#[test]
fn a_pattern_cannot_take_practically_without_end() {
    let property = json!({"x": {"type": "string", "pattern": "^(a+)+$"}});
    let given = json!({"x": "a".repeat(5_000) + "b"});
    assert!(checked(property, &[], given).is_err());
}

#[test]
fn a_page_is_one_that_a_person_can_be_sent_to() {
    let page = |url: &str| Elicitation::parse(&json!({"message": "m", "mode": "url", "url": url}));
    let good = page("https://Bücher.example/a b?c=1").unwrap();
    let shown = good.page().unwrap();
    assert_eq!(shown.host(), "xn--bcher-kva.example");
    assert_eq!(shown.url(), "https://xn--bcher-kva.example/a%20b?c=1");
    assert_eq!(good.summary(), "a page of xn--bcher-kva.example");
    assert!(page("http://127.0.0.1:8080/cb").is_ok());
    for url in [
        "http://example.com/",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "https://bank.example@evil.example/",
        "/relative",
        "",
    ] {
        assert!(page(url).is_err(), "{url}");
    }
    assert!(page(&format!("https://example.com/{}", "a".repeat(5000))).is_err());
}

#[test]
fn what_a_person_sees_hides_nothing() {
    let elicitation = Elicitation::parse(&json!({
        "message": "Pay \u{202e}ereh\u{200b}",
        "requestedSchema": {"type": "object", "properties": {
            "x": {"type": "string", "title": "T\u{2066}", "enum": ["a\u{200b}"]},
        }},
    }));
    let text = serde_json::to_string(&elicitation.unwrap().view()).unwrap();
    assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{2066}']), "{text}");
}

#[test]
fn texts_become_values_of_the_forms_types() {
    let elicitation = form(
        json!({
            "n": {"type": "integer"}, "b": {"type": "boolean"}, "s": {"type": "string"},
            "d": {"type": "array", "items": {"enum": ["mo", "tu"]}},
        }),
        &[],
    )
    .unwrap();
    let form = elicitation.form().unwrap();
    let texts = |pairs: &[(&str, &[&str])]| {
        let owned = pairs.iter().map(|(name, texts)| {
            let texts = texts.iter().map(|text| (*text).to_owned());
            ((*name).to_owned(), texts.collect())
        });
        form.typed(&owned.collect())
    };
    let typed = texts(&[("n", &["7"]), ("b", &["yes"]), ("s", &["7"]), ("d", &["mo", "tu"])]);
    let expected = json!({"n": 7, "b": true, "s": "7", "d": ["mo", "tu"]});
    assert_eq!(Value::Object(typed.unwrap()), expected);
    assert!(texts(&[("n", &["seven"])]).is_err());
    assert!(texts(&[("n", &["1", "2"])]).is_err());
    assert!(texts(&[("z", &["1"])]).is_err());
}
