use super::*;
use crate::{ToolError, testing};

#[test]
fn errors_tell_the_agent_what_to_do() {
    let book = testing::grant("book", Mode::ReadWrite);
    let _shelf = testing::grant("shelf", Mode::ReadOnly);
    let said = |error: Error| ToolError::from(error).to_string();

    assert_eq!(
        said(read("desk", "a").unwrap_err()),
        "failed: cannot read `a` in `desk`: no such grant; there are `book` `shelf`"
    );
    assert_eq!(
        said(read("book", "a").unwrap_err()),
        "failed: cannot read `a` in `book`: nothing is there"
    );
    assert_eq!(
        said(write("shelf", "a", "").unwrap_err()),
        "failed: cannot write `a` in `shelf`: it was granted for reading only"
    );
    assert!(said(read("book", "../a").unwrap_err()).contains("not a valid path"));
    book.deny("Customers' files stay where they are.");
    let denied = ToolError::from(read("book", "a").unwrap_err());
    assert!(
        matches!(&denied, ToolError::Denied(text) if text.contains("stay where they are. (decision ")),
        "{denied}"
    );
}

#[test]
fn text_must_be_text() {
    let book = testing::grant("book", Mode::ReadWrite);
    book.put("a", [0xff]);
    assert!(
        read_to_string("book", "a")
            .unwrap_err()
            .to_string()
            .ends_with("not text in UTF-8")
    );
}
