//! Whether a refund is allowed, from the payment, the earlier refunds and the request. Pure.

use tollgate_guest::output;

use crate::money::Currency;

/// An order, as the shop wrote it. Other members of its file are ignored.
#[output]
pub(crate) struct Order {
    pub(crate) amount: u64,
    pub(crate) currency: Currency,
}

/// A requested refund.
pub(crate) struct Wanted {
    pub(crate) amount: u64,
    pub(crate) currency: Currency,
    pub(crate) reason: String,
    pub(crate) key: Option<String>,
}

/// A refund that was made: a line of the book.
#[output]
pub(crate) struct Refund {
    pub(crate) refund: String,
    pub(crate) order: String,
    pub(crate) amount: u64,
    pub(crate) currency: Currency,
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
}

/// The decision about a requested refund.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Make it.
    Make,
    /// It was already made: the refund with this index.
    Made(usize),
    /// Refuse it, for this reason.
    Refuse(String),
}

impl Wanted {
    /// Decides by the order and all its refunds.
    pub(crate) fn verdict(&self, id: &str, order: &Order, made: &[Refund]) -> Verdict {
        if self.currency != order.currency {
            return Verdict::Refuse(format!(
                "order {id} was paid in {}, not in {}",
                order.currency, self.currency
            ));
        }
        if let Some((index, earlier)) = made
            .iter()
            .enumerate()
            .find(|(_, refund)| self.is_same(refund))
        {
            if earlier.amount == self.amount {
                return Verdict::Made(index);
            }
            return Verdict::Refuse(format!(
                "`key` names another refund of order {id}, of {}; give this one a name of its own",
                self.currency.shown(earlier.amount)
            ));
        }
        let remaining = remaining(order, made);
        if self.amount > remaining {
            return Verdict::Refuse(format!(
                "only {} of order {id} can still be refunded, not {}",
                self.currency.shown(remaining),
                self.currency.shown(self.amount)
            ));
        }
        Verdict::Make
    }

    fn is_same(&self, earlier: &Refund) -> bool {
        match (&self.key, &earlier.key) {
            (Some(own), Some(other)) => own == other,
            (None, None) => self.amount == earlier.amount && self.reason == earlier.reason,
            _ => false,
        }
    }
}

/// How much of an order can still be refunded.
pub(crate) fn remaining(order: &Order, made: &[Refund]) -> u64 {
    made.iter().fold(order.amount, |rest, refund| {
        rest.saturating_sub(refund.amount)
    })
}
