use tollgate_guest::testing::{self, Mode, TestGrant};
use tollgate_guest::{Content, ToolError};

use super::ADAPTER;

fn book() -> TestGrant {
    let book = testing::grant("book", Mode::ReadWrite);
    book.put(
        "tickets/T-1.jsonl",
        r#"{"event":"opened","from":"Erika","subject":"Wrong size","text":"I got S."}"#,
    );
    book.put(
        "tickets/T-2.jsonl",
        "{\"event\":\"opened\",\"from\":\"Max\",\"subject\":\"Late\",\"text\":\"Where is it?\",\"at\":\"Monday\"}\n\
             {\"event\":\"closed\",\"resolution\":\"It came.\"}\n",
    );
    book
}

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
fn lists_by_status() {
    let book = book();
    assert_eq!(said("list", "{}"), "T-1 (open) Erika: Wrong size");
    assert_eq!(
        said("list", r#"{"status":"closed"}"#),
        "T-2 (closed) Max: Late"
    );
    assert_eq!(
        said("list", r#"{"status":"all","limit":1}"#),
        "T-1 (open) Erika: Wrong size\nThere are more."
    );
    assert_eq!(
        said("list", r#"{"status":"all","after":"T-1"}"#),
        "T-2 (closed) Max: Late"
    );
    book.put("tickets/T-3.jsonl", "hello");
    book.put("tickets/note.txt", "not a ticket");
    assert!(
        said("list", "{}")
            .contains("Unreadable: T-3: failed: line 1 of `tickets/T-3.jsonl` is not an event")
    );
}

#[test]
fn an_empty_book_is_no_error() {
    let _book = testing::grant("book", Mode::ReadWrite);
    assert_eq!(said("list", "{}"), "There are no such tickets.");
}

#[test]
fn reply_and_close_are_added_to_what_a_person_wrote() {
    let book = book();
    assert_eq!(
        said("reply", r#"{"id":"T-1","text":"Sorry!\nA new one comes."}"#),
        "Replied to ticket T-1."
    );
    assert_eq!(
        said("close", r#"{"id":"T-1","resolution":"Replaced."}"#),
        "Closed ticket T-1."
    );
    assert_eq!(
        said("close", r#"{"id":"T-1","resolution":"Again."}"#),
        "Ticket T-1 was closed already."
    );
    assert!(said("reply", r#"{"id":"T-1","text":"more"}"#).contains("is closed; nothing was sent"));
    assert_eq!(
        said("read", r#"{"id":"T-1"}"#),
        "Ticket T-1 (closed): Wrong size\nFrom: Erika\n\nErika:\nI got S.\n\nsupport:\nSorry!\nA new one comes.\n\nResolution: Replaced."
    );
    let file = book.text("tickets/T-1.jsonl").unwrap();
    assert_eq!(
        file.lines().filter(|line| !line.is_empty()).count(),
        3,
        "{file}"
    );
    book.put(
        "tickets/T-1.jsonl",
        file + "{\"event\":\"message\",\"from\":\"Erika\",\"text\":\"Thank you.\"}\n",
    );
    assert!(said("read", r#"{"id":"T-1"}"#).starts_with("Ticket T-1 (open)"));
}

#[test]
fn ids_are_no_paths() {
    let _book = book();
    for id in ["", "..", "../T-1", "a/b", "T 1", "-1", "T-1.jsonl"] {
        let arguments = format!(r#"{{"id":"{id}"}}"#);
        assert!(
            matches!(
                ADAPTER.call("read", &arguments),
                Err(ToolError::InvalidArguments(_))
            ),
            "{id}"
        );
    }
    assert_eq!(
        said("read", r#"{"id":"T-9"}"#),
        "failed: there is no ticket T-9"
    );
}
