use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(text: &str) -> Value {
    serde_json::from_str(&mend(text)).unwrap()
}

#[test]
fn what_has_a_plain_meaning_is_read() {
    for (written, meant) in [
        (r#"["\ud83d toy"]"#, json!(["\u{fffd} toy"])),
        (r#"{"\udc00":1}"#, json!({"\u{fffd}": 1})),
        (r#"["\ud83d\ude00"]"#, json!(["😀"])),
        (r#"["\ud83d\ud83d\ude00"]"#, json!(["\u{fffd}😀"])),
        (r#"["\\ud83d"]"#, json!(["\\ud83d"])),
        ("[\"a\tb\nc\"]", json!(["a\tb\nc"])),
        (
            "[NaN,-Infinity,1e999]",
            json!(["NaN", "-Infinity", "1e999"]),
        ),
        ("[1902433718237462529]", json!([1902433718237462529_i64])),
        (
            "[123456789012345678901234567890,-9e2]",
            json!(["123456789012345678901234567890", -900.0]),
        ),
    ] {
        assert_eq!(read(written), meant, "{written}");
    }
    assert!(matches!(mend(r#"{"a":[1,"b"]}"#), Cow::Borrowed(_)));
}

#[test]
fn the_id_of_what_is_no_json_is_found() {
    let number = |n| Some(RequestId::Number(n));
    for (text, id) in [
        (r#"{"jsonrpc":"2.0","id":7,"result":{"#, number(7)),
        (r#"{"result":{"id":9},"id": 7 }"#, number(7)),
        (
            r#"{"id":"a","result":"#,
            Some(RequestId::String("a".into())),
        ),
        (r#"{"result":{"text":"\"id\":9"}}"#, None),
        (r#"{"result":{"id":9"#, None),
        ("[1,2", None),
    ] {
        assert_eq!(id_of(text, ""), id, "{text}");
    }
    assert_eq!(id_of("", r#"xxx"}]},"id":12}"#), number(12));
    assert_eq!(id_of("", r#""id":9}]}}"#), None);
    for asked in [
        r#"{"id":7,"method":"ping","params":{"#,
        r#"{"method":"ping","params":{},"id":7"#,
    ] {
        assert!(Outline::of(asked).has_method, "{asked}");
        assert_eq!(id_of(asked, r#"},"id":7}"#), None, "{asked}");
    }
    assert!(!Outline::of(r#"{"result":{"method":"x"},"a":"method""#).has_method);
}

proptest! {
    /// What is JSON already keeps its meaning.
    #[test]
    fn json_is_left_as_it_is(texts in prop::collection::vec(any::<String>(), 0..4), n in any::<i64>(), f in -1e300..1e300) {
        let value = json!({"t": texts, "n": n, "f": f});
        let read: Value = serde_json::from_str(&mend(&value.to_string())).unwrap();
        prop_assert_eq!(read, value);
    }

    /// No input makes it panic, and mending twice changes nothing more.
    #[test]
    fn anything_is_taken(text in ".{0,80}", raw in r#"(["\\u0-9a-dN{}:,\[\]-]|id){0,60}"#) {
        for text in [text, raw] {
            let once = mend(&text).into_owned();
            prop_assert_eq!(mend(&once).into_owned(), once);
            let _ = id_of(&text, &text);
        }
    }
}
