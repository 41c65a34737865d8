//! Execute: the provider takes the permit and nothing else.

use std::sync::Arc;

use tollgate_model::record::Status;

use super::Pipeline;
use crate::{
    capability::{CallParams, Capabilities},
    enforce::{CallContext, Permitted, ToolCall},
    tool::{Content, Execution, FailureKind, SchemaCheck, SourceKind, ToolFailure},
};

/// Keys of `_meta` with the caller's trace context only.
const TRACE_CONTEXT: &[&str] = &["tracestate", "baggage"];

impl Pipeline {
    /// Executes the permitted call. Returns when nothing of it is running any more.
    ///
    /// `had_approval` means that a person allowed it. They saw the tool and its arguments, so nothing else
    /// is sent along.
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
                    let execution = self.sandbox.run(permit, heard, &limits, halted).await;
                    effects.record_stop(&execution);
                    execution
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
            // Validation has already refused it: the caller executes these tools.
            SourceKind::External => Execution::not_executed(),
        };
        params.consume(&execution);
        effects.drain().await;
        check_output(tool.output_check.as_ref(), execution).await
    }
}

/// A result that violates the tool's own output schema is a failure of the tool: clients that check it
/// would fail on it.
async fn check_output(check: Option<&SchemaCheck>, execution: Execution) -> Execution {
    let Some(check) = check else {
        return execution;
    };
    let structured = execution
        .content
        .iter()
        .flatten()
        .find_map(|part| match part {
            Content::Structured(value) => Some(value),
            _ => None,
        });
    let Some(value) = structured else {
        return execution;
    };
    let size = usize::try_from(execution.size).unwrap_or(usize::MAX);
    let Err(error) = check.check(value, size).await else {
        return execution;
    };
    Execution {
        status: Status::ToolError,
        content: Err(ToolFailure {
            kind: FailureKind::Failed,
            message: format!(
                "The tool ran, but its result does not match its output schema: {error}."
            ),
        }),
        unusable: true,
        ..execution
    }
}

#[cfg(test)]
mod tests;
