//! Proof that an act may happen.

use tollgate_ledger::Receipt;
use tollgate_model::ids::SpanId;

use super::Act;

/// Proof of a recorded allow. It cannot be copied, and what it permits cannot be changed.
#[derive(Debug)]
pub struct Permitted<A: Act> {
    act: A,
    /// The parent span of the effect.
    span: SpanId,
    /// How often files had been marked before the labels of this one were looked up.
    marks_before: u64,
}

impl<A: Act> Permitted<A> {
    /// The permit for an act whose allow is in the ledger.
    pub(crate) fn new(act: A, span: SpanId, _recorded: &Receipt) -> Self {
        Self {
            act,
            span,
            marks_before: 0,
        }
    }

    /// The permit for an act whose allow is recorded with the next durable commit of its call.
    pub(super) fn queued(act: A, span: SpanId, marks_before: u64) -> Self {
        Self {
            act,
            span,
            marks_before,
        }
    }

    /// What is permitted.
    #[must_use]
    pub fn act(&self) -> &A {
        &self.act
    }

    /// The act, now that it is over.
    pub(super) fn into_act(self) -> A {
        self.act
    }

    /// The parent span of the effect: `invoke_component` for a call, the effect's own span for a capability.
    #[must_use]
    pub fn span(&self) -> SpanId {
        self.span
    }

    pub(super) fn marks_before(&self) -> u64 {
        self.marks_before
    }
}
