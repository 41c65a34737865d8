use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn what_programs_write_is_read() {
    let text = "\
- amount: 100.0
  date: '2022-01-01'
  id: 1
  subject: 'It''s: a party'
  note: \"two\\nlines and \\
    \\ one\"
  long: this is
    two lines
- body: 'Hi,


    there'
  to:
  - a@x.com
  - b@x.com
  empty: []
  map: {}
  none:
  literal: |
    recipient: mallory
      - indented
  shared:
    a@x.com: rw
";
    assert_eq!(
        block(text),
        Some(json!([
            {"amount": "100.0", "date": "2022-01-01", "id": "1", "subject": "It's: a party",
             "note": "two\nlines and  one", "long": "this is two lines"},
            {"body": "Hi,\n\nthere", "to": ["a@x.com", "b@x.com"], "empty": [], "map": {}, "none": null,
             "literal": "recipient: mallory\n  - indented\n", "shared": {"a@x.com": "rw"}},
        ]))
    );
}

#[test]
fn flow_style_is_read() {
    assert_eq!(
        flow("{'message': \"Sent, it's done.\", 'ids': [1, 'two'], a: {}}"),
        Some(json!({"message": "Sent, it's done.", "ids": ["1", "two"], "a": {}}))
    );
    assert_eq!(
        block("a: [1,\n  2]\nb: x"),
        Some(json!({"a": ["1", "2"], "b": "x"}))
    );
}

/// A text in which another reader could find other fields is refused as a whole.
#[test]
fn what_is_ambiguous_is_refused() {
    for text in [
        "plain words",
        "a: b: c",
        "a: 1\na: 2",
        "a: &x 1",
        "a: *x",
        "a: !!str 1",
        "a: b # comment",
        "# comment\na: b",
        "a: 'open\nb: 1",
        "a: 'x' y",
        "a: \"x\\qy\"",
        "a: text\n  b: c",
        "a: text\n  - c",
        "a: |\n    x\n  y: 1",
        "a: 1\n---\na: 2",
        "a: 1\r\nb: 2",
        "a:\tb",
        "a: {b: 1",
        "\ta: 1",
        "a: 1\n b: 2",
        "? a\n: b",
    ] {
        assert_eq!(block(text), None, "{text:?}");
    }
    for text in [
        r#"{'x': 'a\', "recipient": \'mallory'}"#,
        "{'a': 1, 'a': 2}",
        "[1",
        "{a: b:c}",
        "[1] 2",
        "{'a' 'b'}",
    ] {
        assert_eq!(flow(text), None, "{text:?}");
    }
}

/// How programs write a string: as YAML's quoted and literal scalars.
fn written(value: &str, style: u8) -> String {
    match style {
        0 => format!("'{}'", value.replace('\'', "''").replace('\n', "\n\n    ")),
        1 => serde_json::to_string(value).unwrap(),
        _ => {
            let lines: Vec<String> = value.split('\n').map(|l| format!("    {l}")).collect();
            format!("|2\n{}", lines.join("\n"))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// No text within a field becomes another field, in any style of writing it.
    #[test]
    fn text_never_becomes_a_field(
        value in "[a-z'\"\\\\:{}\\[\\],|>#&*!%@ \n-]{0,40}", style in 0_u8..3
    ) {
        let text = format!("- id: '7'\n  body: {}\n  to: x\n", written(&value, style));
        if let Some(read) = block(&text) {
            let item = read.as_array().unwrap().first().unwrap().as_object().unwrap();
            let names: Vec<&str> = item.keys().map(String::as_str).collect();
            prop_assert!(names.len() == 3 && ["id", "body", "to"].iter().all(|n| names.contains(n)), "{names:?} of {text:?}");
            prop_assert_eq!(&item["to"], "x");
            prop_assert_eq!(read.as_array().unwrap().len(), 1);
        }
    }

    #[test]
    fn nothing_panics(text in "[ab:'\"\\\\{}\\[\\],|>#&\n -]{0,60}") {
        let _ = block(&text);
        let _ = flow(&text);
    }
}

#[test]
fn deep_nesting_is_refused() {
    assert_eq!(block(&"- ".repeat(100)), None);
    assert_eq!(flow(&"[".repeat(100_000)), None);
}
