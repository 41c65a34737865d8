//! Nested calls: a component calls another component's tool, which passes through the whole pipeline again,
//! within the same run.
//!
//! The effects of the calling component so far are durable before the nested call begins, and the labels of
//! what it has read apply to the nested call. The pipeline decides twice; nothing is decided here.

use std::{
    collections::BTreeSet,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Map, Value};
use tokio::sync::watch;

use tollgate_ledger::Batch;
use tollgate_model::tool::{Content, Execution, Limits};
use tollgate_sandbox::port::{ConsumedBudget, NestedCallError, RemainingBudget};

use super::{Capabilities, Listener, denial};
use crate::{
    enforce::{Answer, CallContext, CallOptions, CallRequest, EnclosingCall, Refusal, Verdict},
    text::printable,
};

/// The most nested calls of one call.
const MAX_CALLS: u32 = 100;

/// The steps of every call.
pub(crate) trait CallPipeline: Send + Sync + fmt::Debug {
    /// Runs a call with a known caller through every step except the first.
    fn run_nested(
        &self,
        cx: CallContext,
        request: CallRequest,
        params: CallParams,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>>;
}

/// Parameters of a call.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallParams {
    /// Receives its progress reports.
    pub(crate) listener: Option<Listener>,
    /// Its limits, if it is nested.
    pub(crate) budget: Option<RemainingBudget>,
    /// Becomes true when the caller no longer wants an answer.
    pub(crate) cancelled: Option<watch::Receiver<bool>>,
    /// The caller's `_meta` for an upstream server.
    pub(crate) meta: Map<String, Value>,
    consumed: Arc<Mutex<ConsumedBudget>>,
    /// Labels of its result, once there is one.
    labels: Arc<Mutex<BTreeSet<String>>>,
}

impl CallParams {
    /// Those of an agent's own call.
    pub(crate) fn of(options: CallOptions) -> Self {
        Self {
            listener: options.listener,
            cancelled: options.cancelled,
            meta: options.meta,
            ..Self::default()
        }
    }

    /// The limits of a tool, at most what is left of the budget.
    pub(crate) fn limits(&self, limits: &Limits) -> Limits {
        let mut limits = limits.clone();
        if let Some(left) = self.budget {
            limits.wall = limits.wall.min(left.wall);
            limits.cpu = limits.cpu.min(left.cpu);
            limits.fuel = limits.fuel.min(left.fuel);
        }
        limits
    }

    /// Adds the resources that an execution used.
    pub(crate) fn consume(&self, execution: &Execution) {
        let mut consumed = self.consumed.lock().unwrap_or_else(PoisonError::into_inner);
        consumed.cpu += execution.cpu;
        consumed.fuel = consumed.fuel.saturating_add(execution.fuel);
    }

    /// Adds the labels of the result, which the call around it takes on.
    pub(crate) fn label(&self, labels: BTreeSet<String>) {
        let mut all = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(labels);
    }
}

impl Capabilities {
    /// Calls another component's tool. Also returns the resources used.
    pub(super) async fn nested_call(
        &self,
        tool: &str,
        arguments: &str,
        budget: RemainingBudget,
    ) -> (Result<Vec<Content>, NestedCallError>, ConsumedBudget) {
        let params = CallParams {
            budget: Some(budget),
            ..CallParams::default()
        };
        let consumed = Arc::clone(&params.consumed);
        let result = self.nest(tool, arguments, params).await;
        let consumed = *consumed.lock().unwrap_or_else(PoisonError::into_inner);
        (result, consumed)
    }

    async fn nest(
        &self,
        tool: &str,
        given: &str,
        params: CallParams,
    ) -> Result<Vec<Content>, NestedCallError> {
        // The end of the enclosing call waits for this.
        let _in_flight = self.calling.lock().await;
        let refused = |refusal| NestedCallError::Denied(denial(refusal));
        let what = format!("call {}", printable(tool, 80));
        self.refuse_in_preview(&what).map_err(refused)?;
        let mut cx = self.cx.clone();
        let waits = {
            let mut so_far = self.pending();
            if so_far.closed || so_far.draining {
                return Err(refused(Refusal::Halted {
                    reason: "the call has ended".into(),
                }));
            }
            if let Some(awaited) = &so_far.awaited {
                return Err(refused(awaited.clone()));
            }
            if so_far.calls >= MAX_CALLS {
                let problem = format!("one call makes at most {MAX_CALLS} nested calls");
                return Err(NestedCallError::Invalid(problem));
            }
            so_far.calls += 1;
            cx.inherited_labels.extend(so_far.labels.iter().cloned());
            !so_far.records.is_empty()
        };
        // Reads must be durable before this call may send their data away.
        if waits {
            let committed = self.commit(Batch::default(), None).await;
            committed.map_err(refused)?;
        }
        let Some(arguments) = cx.arguments.take() else {
            return Err(NestedCallError::Invalid(
                "the call around it has no arguments".into(),
            ));
        };
        cx.enclosing.push(EnclosingCall {
            call: self.cx.call,
            component: self.tool.source.name.clone(),
            tool: self.tool.name.clone(),
            span: self.span,
            arguments,
            attempt: cx.attempt,
            digest: self.tool.source.digest,
        });
        cx.attempt = 1;
        cx.call = self.pep.span_id();
        cx.arrival_span = cx.call;
        let request = CallRequest {
            tool: tool.into(),
            arguments: given.into(),
        };
        let labels = Arc::clone(&params.labels);
        let answer = self.pipeline.run_nested(cx, request, params).await;
        let labels = std::mem::take(&mut *labels.lock().unwrap_or_else(PoisonError::into_inner));
        self.pending().labels.extend(labels);
        self.note_nested(tool, &answer.verdict);
        result(answer)
    }

    /// Notes what a nested call did.
    fn note_nested(&self, tool: &str, verdict: &Verdict) {
        match verdict {
            Verdict::Refused(pending @ Refusal::Pending { happened, .. }) => {
                self.pending().effects += u64::from(!happened.is_empty());
                happened.iter().for_each(|what| self.note_effect(what));
                self.mark_pending(pending);
            }
            Verdict::Refused(_) => {}
            _ => {
                self.pending().effects += 1;
                self.note_effect(&format!("call {tool}"));
            }
        }
    }
}

fn result(answer: Answer) -> Result<Vec<Content>, NestedCallError> {
    let message = answer.message().unwrap_or_default();
    match answer.verdict {
        Verdict::Released { content, .. } => Ok(content),
        Verdict::ToolError(failure) => Err(NestedCallError::Failed(failure.message)),
        Verdict::Ended { .. } => Err(NestedCallError::Ended(message)),
        Verdict::Refused(Refusal::Invalid { .. } | Refusal::UnknownTool { .. }) => {
            Err(NestedCallError::Invalid(message))
        }
        Verdict::Refused(refusal) => Err(NestedCallError::Denied(denial(refusal))),
        Verdict::Withheld { decision, basis } => {
            let refusal = Refusal::Denied { decision, basis };
            Err(NestedCallError::Denied(denial(refusal)))
        }
    }
}

#[cfg(test)]
mod tests;
