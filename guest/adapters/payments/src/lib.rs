//! Quotes and refunds in integer minor units (cents, for example), booked in the grant `book`.
//!
//! - `orders/<order>.json`, written by the shop: `{"amount": 4999, "currency": "EUR"}`.
//! - `refunds/<order>/<n>.json`, written here: the n-th refund of that order.
//! - `refunds.jsonl`, written here: every refund in one line, for people and for the books.
//!
//! A refund happens when its file is created. The file is created under the next free number, which only
//! one of several callers can do; the others look again. So an order is never refunded beyond its amount,
//! and the same refund happens once, even with concurrent requests.
//!
//! It moves no money: a separate process reads the book and pays.

mod book;
mod money;
mod rules;

use tollgate_guest::{Json, ToolError, adapter, arguments, output, tool};

use book::OrderId;
use money::{Amount, Currency};

/// A payment.
#[arguments]
struct QuoteOf {
    /// The amount in minor units of the currency: 4999 is 49.99 EUR, and 4999 JPY.
    amount: Amount,
    /// The currency, as ISO 4217 writes it.
    currency: Currency,
}

/// What a payment costs.
#[output]
struct Quote {
    /// The amount asked about, in minor units.
    amount: u64,
    /// The fee on it, in minor units.
    fee: u64,
    /// What remains of the amount after the fee, in minor units; 0 if the fee is higher.
    net: u64,
    /// The currency.
    currency: String,
}

/// A refund to make.
#[arguments]
struct RefundOf {
    /// The order's id, such as `A-1042`.
    order: OrderId,
    /// How much to refund, in minor units of the order's currency: 4999 is 49.99 EUR, and 4999 JPY.
    amount: Amount,
    /// The order's currency, as ISO 4217 writes it.
    currency: Currency,
    /// Why, in a sentence, for the books.
    #[schemars(length(min = 1, max = 2000))]
    reason: String,
    /// A name of your own for this refund. A call with the same name refunds nothing again. Without it,
    /// a refund of the same amount for the same reason counts as the same.
    #[schemars(length(min = 1, max = 64))]
    key: Option<String>,
}

/// A refund that was made.
#[output]
struct Refunded {
    /// Its id: the order's, and a number.
    refund: String,
    /// The order.
    order: String,
    /// How much was refunded, in minor units.
    amount: u64,
    /// The currency.
    currency: String,
    /// Whether it had happened before this call, which then did nothing.
    repeated: bool,
    /// How much of the order can still be refunded, in minor units.
    remaining: u64,
}

/// Says what a card payment costs: 1.5 % and a fixed fee. Changes nothing.
#[tool(read_only, idempotent)]
fn quote(args: QuoteOf) -> Result<(String, Json<Quote>), ToolError> {
    let currency = args.currency;
    let amount = args.amount.minor();
    let fee = money::fee(amount, currency);
    let net = amount.saturating_sub(fee);
    let text = format!(
        "A payment of {} costs {}; {} remain.",
        currency.shown(amount),
        currency.shown(fee),
        currency.shown(net)
    );
    Ok((
        text,
        Json(Quote {
            amount,
            fee,
            net,
            currency: currency.to_string(),
        }),
    ))
}

/// Refunds an order, in part or whole, never beyond what was paid for it.
#[tool(idempotent)]
fn refund(args: RefundOf) -> Result<(String, Json<Refunded>), ToolError> {
    let reason = args.reason.trim();
    if reason.is_empty() {
        return Err(ToolError::invalid("`reason` is empty"));
    }
    let wanted = rules::Wanted {
        amount: args.amount.minor(),
        currency: args.currency,
        reason: reason.to_owned(),
        key: args.key,
    };
    let made = book::refund(&args.order, &wanted)?;
    let shown = args.currency.shown(wanted.amount);
    let text = if made.repeated {
        format!(
            "{shown} of order {} had been refunded already, as {}; nothing was refunded again.",
            args.order, made.refund
        )
    } else {
        format!(
            "Refunded {shown} of order {}, as {}.",
            args.order, made.refund
        )
    };
    Ok((text, Json(made)))
}

adapter!(quote, refund);

#[cfg(test)]
mod tests {
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
                &format!(
                    r#"{{"order":"{order}","amount":1,"currency":"{currency}","reason":"x"}}"#
                ),
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
}
