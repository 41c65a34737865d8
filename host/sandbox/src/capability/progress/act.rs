use std::sync::Arc;

use crate::port::{CallPort, PortFuture};

/// How far a call has come, in the component's own words: untrusted.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgressReport {
    /// How much is done: finite, and not negative.
    pub progress: f64,
    /// How much there is, in the same unit, if it is known.
    pub total: Option<f64>,
    /// A few words.
    pub message: String,
}

/// Takes a component's progress reports.
pub trait ProgressSink: CallPort {
    /// Takes a report. The returned future, if any, releases it to the caller; await it in a task of its own.
    fn report(self: Arc<Self>, report: ProgressReport) -> Option<PortFuture<'static, ()>>;
}
