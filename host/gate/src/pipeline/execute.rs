//! Execute: the provider takes the permit and nothing else.

use std::sync::Arc;

use tollgate_model::tool::Execution;

use super::Pipeline;
use crate::{
    capability::{CallParams, Capabilities},
    enforce::{CallContext, Permitted, ToolCall},
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
                    let permit = permitted.for_component(component);
                    self.sandbox.run(permit, heard, &limits, halted).await
                }
                None => Execution::not_executed(),
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
                None => Execution::not_executed(),
            },
            // Validation has refused it: the caller executes these.
            SourceKind::External => Execution::not_executed(),
        };
        params.consume(&execution);
        effects.drain().await;
        execution
    }
}
