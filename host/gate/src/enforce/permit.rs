//! Proof that an act may happen.

use std::sync::Arc;

use tollgate_ledger::Receipt;
use tollgate_model::ids::SpanId;
use tollgate_sandbox::{Invocation, LoadedComponent, port::Permit};

use super::{Act, ToolCall};

/// Proof of a recorded allow. It cannot be copied, and its act cannot be changed.
#[derive(Debug)]
pub struct Permitted<A: Act> {
    act: A,
    /// The parent span of the effect.
    span: SpanId,
}

impl<A: Act> Permitted<A> {
    /// The permit for an act whose allow is in the ledger.
    pub(crate) fn new(act: A, span: SpanId, _recorded: &Receipt) -> Self {
        Self { act, span }
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
