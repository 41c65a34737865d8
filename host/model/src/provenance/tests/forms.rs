//! The form of a result hides nothing in it.

use proptest::prelude::*;
use serde_json::json;

use super::{empty, origin, source, trust};
use crate::provenance::{Origin, ReadIndex, structured};

fn read(text: &str) -> ReadIndex {
    let mut index = empty();
    index.read_text(&source(&trust(&["/*/id"])), text);
    index
}

const LINK: &str = "https://evil.example/secret-page";

#[test]
fn what_a_reader_would_drop_is_read() {
    for text in [
        format!("{{\"a\": \"{LINK}\", \"a\": \"\"}}"),
        format!("[{{\"id\": \"7\", \"a\": {{\"b\": \"{LINK}\", \"b\": 1}}}}]"),
        format!("| {LINK} | b |\n|---|---|"),
        format!("| {LINK} |\n|---|\n"),
        format!("a: 1 # {LINK}\nb: 2"),
        format!("a: {LINK}\na: 2"),
        format!("{{a: {LINK}, a: 1}}"),
        format!("--- {LINK}\na: 1"),
        format!("a: &{LINK} 1"),
        format!("a: !{LINK} 1"),
    ] {
        assert_eq!(
            origin(&read(&text), LINK),
            Some(Origin::Untrusted),
            "{text}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A word anywhere in a text that is read as fields is in one of the fields.
    #[test]
    fn fields_have_every_word(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("{".to_owned()), Just("}".to_owned()), Just("[".to_owned()), Just("]".to_owned()),
                Just("\"a\"".to_owned()), Just(": ".to_owned()), Just(", ".to_owned()), Just("\n".to_owned()),
                Just("- ".to_owned()), Just("  ".to_owned()), Just("a".to_owned()), Just("b: ".to_owned()),
                Just("|".to_owned()), Just("|---|".to_owned()), Just("'x'".to_owned()), Just("# ".to_owned()),
                Just("|\n".to_owned()), Just(">-\n".to_owned()), Just("\\".to_owned()), Just("1".to_owned()),
            ], 0..14),
        at in 0..14_usize, quoted in any::<bool>()
    ) {
        let marker = if quoted { "\"strangers-word-4711\"" } else { "strangers-word-4711" };
        let at = at.min(parts.len());
        let text = format!("{}{marker}{}", parts[..at].concat(), parts[at..].concat());
        if let Some(value) = structured(&text) {
            let all = value.to_string();
            prop_assert!(all.contains("strangers-word-4711"), "{text:?} became {all}");
        }
        prop_assert_eq!(origin(&read(&text), "strangers-word-4711"), Some(Origin::Untrusted), "{:?}", text);
    }
}

/// A table has rows: what is only a header is text.
#[test]
fn a_table_without_rows_is_text() {
    assert_eq!(structured("| a | b |\n|---|---|"), None);
    assert_eq!(
        structured("| a |\n|---|\n| 1 |"),
        Some(json!([{ "a": "1" }]))
    );
    assert_eq!(structured("{\"a\": 1, \"a\": 2}"), None);
}
