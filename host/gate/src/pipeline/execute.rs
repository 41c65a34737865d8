//! Execute: the provider takes the permit and nothing else.

use std::sync::Arc;

use super::Pipeline;
use crate::{
    enforce::{CallContext, CallParams, Capabilities, Permitted, ToolCall},
    sandbox::Execution,
    tool::SourceKind,
};

/// Keys of `_meta` that carry the caller's trace, and nothing of the call.
const TRACE_CONTEXT: &[&str] = &["tracestate", "baggage"];

impl Pipeline {
    /// Carry out the permitted call. Returns once nothing of it runs any more.
    ///
    /// `had_approval` says that a person let it run. They were shown the tool and its arguments, so nothing
    /// else is sent along.
    pub(super) async fn execute(
        &self,
        cx: &CallContext,
        permitted: Permitted<ToolCall>,
        effects: &Arc<Capabilities>,
        params: &CallParams,
        had_approval: bool,
    ) -> Execution {
        let tool = Arc::clone(permitted.act().tool());
        let registration = self.halts.register(&self.pep, cx, &tool);
        let halted = registration.halted();
        let limits = params.limits(&tool.limits);
        let executors = &self.snapshot.executors;
        let name = &tool.source.name;
        let heard = Arc::clone(effects);
        let execution = match tool.source.kind {
            SourceKind::Component => match executors.components.get(name) {
                Some(component) => {
                    self.sandbox
                        .run(component, permitted, heard, &limits, halted)
                        .await
                }
                None => Execution::nothing(),
            },
            SourceKind::Upstream => match executors.upstreams.get(name) {
                Some(upstream) => {
                    let mut meta = params.meta.clone();
                    if had_approval {
                        meta.retain(|key, _| TRACE_CONTEXT.contains(&key.as_str()));
                    }
                    let cancelled = params.cancelled.clone();
                    upstream
                        .call(permitted, heard, &limits, halted, cancelled, meta)
                        .await
                }
                None => Execution::nothing(),
            },
            // Validation has refused it: the caller executes these.
            SourceKind::External => Execution::nothing(),
        };
        params.consume(&execution);
        effects.drain().await;
        execution
    }
}
