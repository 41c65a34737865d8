//! Proof that an act may happen.

use std::sync::Arc;

use tollgate_ledger::Receipt;
use tollgate_model::ids::SpanId;
use tollgate_sandbox::{Invocation, LoadedComponent, port::Permit};

use super::{Refusal, ToolCall};

/// Proof of a recorded allow. It cannot be copied, and its act cannot be changed.
#[derive(Debug)]
pub struct Permitted<A> {
    act: A,
    /// The parent span of the effect.
    span: SpanId,
}

impl<A> Permitted<A> {
    /// The permit for an act whose allow is in the ledger. `authorize` is the decision's span, `span` the parent
    /// of the effect.
    ///
    /// # Errors
    /// [`Refusal::Unrecorded`]: what `receipt` stands for holds no such allow.
    pub(crate) fn new(
        act: A,
        authorize: SpanId,
        span: SpanId,
        receipt: &Receipt,
    ) -> Result<Self, Refusal> {
        if !receipt.allows(&authorize) {
            return Err(Refusal::Unrecorded {
                reason: "the ledger holds no decision that allows it".into(),
            });
        }
        Ok(Self { act, span })
    }

    /// The permitted act.
    #[must_use]
    pub fn act(&self) -> &A {
        &self.act
    }

    /// The parent span of the effect: `invoke_component` for a call.
    #[must_use]
    pub fn span(&self) -> SpanId {
        self.span
    }

    /// The same for the sandbox, for an effect that a component asked for.
    pub(crate) fn for_guest(self, label_epoch: u64) -> Permit<A> {
        Permit::issue(self.act, self.span, label_epoch)
    }
}

impl Permitted<ToolCall> {
    /// The same for the sandbox, to be executed by `component`.
    pub(crate) fn for_component(self, component: &Arc<LoadedComponent>) -> Permit<Invocation> {
        let invocation = Invocation {
            component: Arc::clone(component),
            digest: self.act.tool().source.digest,
            tool: self.act.tool().own_name.clone(),
            arguments: self.act.canonical().to_owned(),
        };
        Permit::issue(invocation, self.span, 0)
    }
}
