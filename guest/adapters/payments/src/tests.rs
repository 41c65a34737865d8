use tollgate_guest::testing::{self, Mode, TestGrant};
use tollgate_guest::{Content, ToolError};

use super::ADAPTER;

fn book() -> TestGrant {
    let book = testing::grant("book", Mode::ReadWrite);
    book.put(
        "orders/A-1.json",
        r#"{"amount":4999,"currency":"EUR","customer":"Erika"}"#,
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

fn refund(amount: u64, rest: &str) -> String {
    said(
        "refund",
        &format!(
            r#"{{"order":"A-1","amount":{amount},"currency":"EUR","reason":"Broken."{rest}}}"#
        ),
    )
}

#[test]
fn quotes() {
    assert_eq!(
        said("quote", r#"{"amount":10000,"currency":"EUR"}"#),
        "A payment of 100.00 EUR costs 1.75 EUR; 98.25 EUR remain."
    );
    assert_eq!(
        said("quote", r#"{"amount":10,"currency":"JPY"}"#),
        "A payment of 10 JPY costs 25 JPY; 0 JPY remain."
    );
    for wrong in [
        r#"{"amount":0,"currency":"EUR"}"#,
        r#"{"amount":1,"currency":"eur"}"#,
        r#"{"amount":1,"currency":"XXY"}"#,
        r#"{"amount":9007199254740992,"currency":"EUR"}"#,
    ] {
        assert!(
            matches!(
                ADAPTER.call("quote", wrong),
                Err(ToolError::InvalidArguments(_))
            ),
            "{wrong}"
        );
    }
}

#[test]
fn the_same_refund_happens_once() {
    let book = book();
    assert_eq!(
        refund(1000, ""),
        "Refunded 10.00 EUR of order A-1, as A-1/1."
    );
    assert!(refund(1000, "").contains("had been refunded already, as A-1/1"));
    assert_eq!(
        refund(1000, r#","key":"second item""#),
        "Refunded 10.00 EUR of order A-1, as A-1/2."
    );
    assert!(refund(1000, r#","key":"second item""#).contains("already, as A-1/2"));
    assert!(refund(1500, r#","key":"second item""#).contains("another refund"));
    assert_eq!(book.text("refunds.jsonl").unwrap().lines().count(), 2);
    assert_eq!(
        book.paths()
            .iter()
            .filter(|path| path.starts_with("refunds/A-1/"))
            .count(),
        2
    );
}

#[test]
fn never_beyond_what_was_paid() {
    let book = book();
    assert!(refund(5000, "").contains("49.99 EUR of order A-1 can still be refunded"));
    refund(4000, "");
    assert!(refund(1000, "").contains("9.99 EUR of order A-1"));
    assert_eq!(refund(999, ""), "Refunded 9.99 EUR of order A-1, as A-1/2.");
    assert_eq!(book.text("refunds.jsonl").unwrap().lines().count(), 2);
}

#[test]
fn only_orders_that_the_book_knows() {
    let book = book();
    let ask = |order: &str, currency: &str| {
        said(
            "refund",
            &format!(r#"{{"order":"{order}","amount":1,"currency":"{currency}","reason":"x"}}"#),
        )
    };
    assert_eq!(ask("A-2", "EUR"), "failed: the book has no order A-2");
    assert_eq!(
        ask("A-1", "USD"),
        "failed: order A-1 was paid in EUR, not in USD"
    );
    assert!(ask("../A-1", "EUR").contains("is not an order id"));
    book.put("orders/A-3.json", "{}");
    assert!(ask("A-3", "EUR").contains("orders/A-3.json"));
    assert_eq!(book.text("refunds.jsonl"), None);
}

#[test]
fn a_line_that_a_crash_left_out_is_made_up_for() {
    let book = book();
    refund(1000, "");
    book.put("refunds.jsonl", "");
    assert!(refund(1000, "").contains("already"));
    assert_eq!(book.text("refunds.jsonl").unwrap().lines().count(), 1);
}
