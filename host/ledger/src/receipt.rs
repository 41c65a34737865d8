//! Proof that something is recorded.

use tollgate_model::ids::SpanId;

/// Proof that a batch is durable in the ledger. Only a commit creates one, and it cannot be copied.
///
/// An effect that must not happen without its record requires a `&Receipt`. So it cannot start before the
/// record is on the disk, and [`Receipt::allows`] ties it to the decision that allowed it.
///
/// Effects that may be recorded afterwards, such as reads, have no receipt and use a type of their own.
#[derive(Debug, PartialEq, Eq)]
pub struct Receipt {
    first: u64,
    allowed: Vec<SpanId>,
}

impl Receipt {
    /// The batch begins with the record at `first`; its decisions with the spans `allowed` allow.
    pub(crate) fn new(first: u64, allowed: Vec<SpanId>) -> Self {
        Self { first, allowed }
    }

    /// Index of the batch's first record; the others follow without gaps.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Whether the batch contains a decision with this `authorize` span whose outcome is allow.
    #[must_use]
    pub fn allows(&self, authorize: &SpanId) -> bool {
        self.allowed.contains(authorize)
    }
}
