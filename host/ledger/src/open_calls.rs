//! Calls that were open at a crash.

use std::collections::BTreeSet;

use tollgate_model::ids::{RunId, SpanId};

/// A call that has started and has no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenCall {
    pub(crate) tenant: String,
    pub(crate) run: RunId,
    pub(crate) call: SpanId,
    /// Its `invoke_component` span.
    pub(crate) span: SpanId,
    /// Its recorded effects outside the sandbox; reads do not count.
    pub(crate) effects: u64,
    /// Labels that its content may have.
    pub(crate) labels: BTreeSet<String>,
}
