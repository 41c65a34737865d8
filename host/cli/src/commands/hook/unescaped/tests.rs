use proptest::prelude::*;

use super::*;

#[test]
fn what_no_reader_takes_is_text() {
    for (json, text) in [
        (r#""a\ud83d b""#, "\"a\u{fffd} b\""),
        (r#""\ud83d\ude00""#, "\"😀\""),
        (r#""\ude00x""#, "\"\u{fffd}x\""),
        (
            r#"{"a":"x\nmallory\u0040evil.example"}"#,
            "{\"a\":\"x mallory@evil.example\"}",
        ),
        (r#""\"\\\/""#, "\"\"\\/\""),
        (r"\u12", "\u{fffd}12"),
        ("\\", ""),
    ] {
        assert_eq!(unescaped(json), text, "{json}");
    }
}

proptest! {
    /// A text that is read is in what is left of its JSON, control characters aside.
    #[test]
    fn every_text_is_there(text in "[ -~äé😀]{0,40}") {
        let json = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(unescaped(&json), format!("\"{text}\""));
    }

    #[test]
    fn nothing_panics(text in any::<String>()) {
        let _ = unescaped(&text);
    }
}
