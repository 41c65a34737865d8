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
mod tests;
