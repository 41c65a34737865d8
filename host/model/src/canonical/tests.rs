use proptest::prelude::*;

use super::*;

#[test]
fn ambiguous_documents_are_refused_with_their_place() {
    let pointer = |text: &str| match parse(text) {
        Err(
            JsonError::DuplicateKey { pointer, .. }
            | JsonError::NumberRange { pointer }
            | JsonError::TooDeep { pointer },
        ) => pointer,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(pointer(r#"{"a":{"b":1,"b":2}}"#), "/a/b");
    assert_eq!(
        pointer(r#"{"a":1,"\u0061":2}"#),
        "/a",
        "escapes name the same member"
    );
    assert_eq!(pointer(r#"{"x":[0,9007199254740992]}"#), "/x/1");
    assert_eq!(pointer(r#"{"x":-9007199254740992}"#), "/x");
    assert_eq!(pointer(r#"{"x":18446744073709551616}"#), "/x");
    assert_eq!(pointer(r#"{"x":1e300}"#), "/x");
    assert!(parse(r#"{"a~/":1e400}"#).is_err(), "infinity");
    let deep = "[".repeat(10_000);
    assert!(pointer(&deep).len() <= 120);
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        "{",
        "[1,]",
        "NaN",
        "{\"a\":NaN}",
        "1 2",
        "'a'",
        "\u{feff}{}",
        "01",
        "+1",
    ] {
        assert!(
            matches!(parse(text), Err(JsonError::Syntax { .. })),
            "{text}"
        );
    }
}

#[test]
fn a_whole_double_is_an_integer() {
    assert_eq!(parse("5.0"), Ok(Value::from(5)));
    assert_eq!(parse("-0.0"), Ok(Value::from(0)));
    assert_eq!(parse("9007199254740991"), Ok(Value::from(MAX_INTEGER)));
}

#[test]
fn digests_read_what_they_write() {
    let digest = Sha256Digest::of(b"x");
    assert_eq!(digest.to_string().parse(), Ok(digest));
    for digits in ["é".into(), "+0".repeat(32), format!("0x{}", "0".repeat(62))] {
        let text = format!("sha256:{digits}");
        assert!(text.parse::<Sha256Digest>().is_err(), "{text}");
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-MAX_INTEGER..=MAX_INTEGER).prop_map(Value::from),
        (-1e9..1e9f64).prop_map(|f| normal_number(f).map_or(Value::Null, Value::Number)),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(".*", inner, 0..6)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_form_is_a_fixed_point(value in json()) {
        let bytes = to_canonical(&value).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let read = parse(&text).unwrap();
        prop_assert_eq!(&read, &value);
        prop_assert_eq!(to_canonical(&read).unwrap(), bytes);
    }

    #[test]
    fn no_input_panics(text in ".*") {
        let _ = parse(&text);
    }
}
