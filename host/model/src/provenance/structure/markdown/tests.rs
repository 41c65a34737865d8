use serde_json::json;

use super::*;

#[test]
fn a_table_has_its_rows() {
    let text = "| id | who \\| what |\n|---|:-:|\n| 7 | a@x.com |\n| 8 | `b` |";
    assert_eq!(
        table(text),
        Some(json!([{"id": "7", "who | what": "a@x.com"}, {"id": "8", "who | what": "`b`"}]))
    );
}

#[test]
fn what_is_not_all_a_table_is_none() {
    for text in [
        "| a |\n| b |",
        "| a |\n|---|\n| b | c |",
        "| a |\n|---|\n| b |\nand text",
        "| a | a |\n|---|---|\n| b | c |",
        "|",
    ] {
        assert_eq!(table(text), None, "{text}");
    }
}
