use tollgate_guest::testing::{self, Mode};
use tollgate_guest::{Content, ToolError};

use super::ADAPTER;

fn said(name: &str, arguments: &str) -> String {
    match ADAPTER.call(name, arguments) {
        Ok(content) => match content.into_iter().next() {
            Some(Content::Text(text)) => text,
            other => panic!("{other:?}"),
        },
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_file_lives_and_dies() {
    let desk = testing::grant("desk", Mode::ReadWrite);
    assert_eq!(
        said("write", r#"{"path":"a/b.txt","text":"one\n"}"#),
        "Wrote 4 bytes to `a/b.txt` in `desk`."
    );
    assert!(said("write", r#"{"path":"a/b.txt","text":"two"}"#).contains("overwrite = true"));
    said(
        "append",
        r#"{"grant":"desk","path":"a/b.txt","text":"two\n"}"#,
    );
    assert_eq!(said("read", r#"{"path":"a/b.txt"}"#), "one\ntwo\n");
    assert_eq!(said("list", r#"{"path":"a"}"#), "b.txt  (8 bytes)");
    assert_eq!(said("list", "{}"), "a/");
    assert_eq!(
        said("stat", r#"{"path":"a/b.txt"}"#),
        r#"{"name":"b.txt","kind":"file","size":8}"#
    );
    said(
        "write",
        r#"{"path":"a/b.txt","text":"three","overwrite":true}"#,
    );
    assert_eq!(desk.text("a/b.txt").unwrap(), "three");
    assert!(said("delete", r#"{"path":"a"}"#).contains("not empty"));
    assert_eq!(
        said("delete", r#"{"path":"a/b.txt"}"#),
        "Deleted `a/b.txt` in `desk`."
    );
    assert!(said("read", r#"{"path":"a/b.txt"}"#).contains("nothing is there"));
}

#[test]
fn the_grant_is_named_where_it_is_unclear() {
    assert!(said("list", "{}").contains("granted this tool no directory"));
    let _one = testing::grant("one", Mode::ReadWrite);
    assert_eq!(said("list", "{}"), "Nothing is there.");
    let _two = testing::grant("two", Mode::ReadOnly);
    assert!(
        matches!(ADAPTER.call("list", "{}"), Err(ToolError::InvalidArguments(text)) if text.contains("`one`, `two`"))
    );
    assert_eq!(said("list", r#"{"grant":"two"}"#), "Nothing is there.");
}
