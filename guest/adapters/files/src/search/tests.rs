use tollgate_guest::testing::{self, Mode, TestGrant};
use tollgate_guest::{Content, ToolError};

use crate::ADAPTER;

fn desk() -> TestGrant {
    let desk = testing::grant("desk", Mode::ReadOnly);
    desk.put("a.md", "Tollgate\nis here\n");
    desk.put("notes/b.md", "nothing\n");
    desk.put("notes/c.txt", "the TOLLGATE\n");
    desk.put("notes/d.bin", [0xff, 0xfe]);
    desk
}

fn found(arguments: &str) -> String {
    match ADAPTER
        .call("search", arguments)
        .unwrap()
        .into_iter()
        .next()
    {
        Some(Content::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn by_name_and_content() {
    let _desk = desk();
    assert_eq!(found(r#"{"names":"*.md"}"#), "a.md\nnotes/b.md");
    assert_eq!(
        found(r#"{"names":"*.md","text":"Tollgate"}"#),
        "a.md:1: Tollgate"
    );
    assert_eq!(
        found(r#"{"names":"*.t*","text":"tollgate","ignore_case":true}"#),
        "notes/c.txt:1: the TOLLGATE"
    );
    assert_eq!(found(r#"{"names":"*.md","path":"notes"}"#), "notes/b.md");
    assert_eq!(found(r#"{"names":"*.exe"}"#), "Nothing was found.");
}

#[test]
fn says_what_it_left_out() {
    let _desk = desk();
    let all = found(r#"{"text":"nothing"}"#);
    assert!(
        all.starts_with("notes/b.md:1: nothing\nThere may be more.\nNot searched: notes/d.bin: "),
        "{all}"
    );
    assert_eq!(
        found(r#"{"names":"*.md","limit":1}"#),
        "a.md\nThere may be more."
    );
}

#[test]
fn needs_something_to_search_for() {
    let _desk = desk();
    assert!(matches!(
        ADAPTER.call("search", "{}"),
        Err(ToolError::InvalidArguments(_))
    ));
    assert!(matches!(
        ADAPTER.call("search", r#"{"text":"a","path":"gone"}"#),
        Err(ToolError::Failed(_))
    ));
}
