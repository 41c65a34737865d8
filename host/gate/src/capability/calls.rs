//! A component calls another's tool: the whole line again, within the same run.
//!
//! What the calling component has done so far is durable before the nested call begins, and what it has
//! read counts for it. Nothing here decides: the line does, twice.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value};
use tokio::sync::watch;

use super::{
    Answer, CallContext, CallOptions, CallRequest, Capabilities, EnclosingCall, Listener, Refusal,
    Verdict,
};
use crate::sandbox::{Content, Execution, Limits};
use tollgate_ledger::Batch;

/// How deep calls nest.
pub(crate) const MAX_DEPTH: usize = 4;
/// Nested calls of one call.
const MAX_CALLS: u32 = 100;

/// The steps that every call takes.
pub(crate) trait CallPipeline: Send + Sync + fmt::Debug {
    /// Take a call whose caller is known through every step but the first.
    fn run_nested(
        &self,
        cx: CallContext,
        request: CallRequest,
        params: CallParams,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>>;
}

/// What a nested call may use: what is left to the call that it is made within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemainingBudget {
    /// From beginning to end.
    pub wall: Duration,
    /// Time in which guests run.
    pub cpu: Duration,
    /// Fuel units.
    pub fuel: u64,
}

/// What a nested call has used of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConsumedBudget {
    /// Time in which guests ran.
    pub cpu: Duration,
    /// Fuel units.
    pub fuel: u64,
}

/// How a call is carried out.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallParams {
    /// Who hears its reports.
    pub(crate) listener: Option<Listener>,
    /// What it may use at most, if it is nested.
    pub(crate) allowance: Option<RemainingBudget>,
    /// Becomes true when the caller no longer wants an answer.
    pub(crate) cancelled: Option<watch::Receiver<bool>>,
    /// What the caller sends along to an upstream server.
    pub(crate) meta: Map<String, Value>,
    spent: Arc<Mutex<ConsumedBudget>>,
}

impl CallParams {
    /// Of an agent's own call.
    pub(crate) fn of(options: CallOptions) -> Self {
        Self {
            listener: options.listener,
            cancelled: options.cancelled,
            meta: options.meta,
            ..Self::default()
        }
    }

    /// The limits of a tool, no wider than what is left.
    pub(crate) fn limits(&self, limits: &Limits) -> Limits {
        let mut limits = limits.clone();
        if let Some(left) = self.allowance {
            limits.wall = limits.wall.min(left.wall);
            limits.cpu = limits.cpu.min(left.cpu);
            limits.fuel = limits.fuel.min(left.fuel);
        }
        limits
    }

    /// Note what an execution has used.
    pub(crate) fn consume(&self, execution: &Execution) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.cpu += execution.cpu;
        spent.fuel = spent.fuel.saturating_add(execution.fuel);
    }
}

/// Why a nested call has no content.
#[derive(Debug, Clone, PartialEq)]
pub enum NestedFault {
    /// It was not made: tool, arguments, depth.
    Invalid(String),
    /// It is refused, or its result withheld, in words for the agent; with the decision.
    Refused(Box<Refusal>),
    /// The tool says that it failed.
    Failed(String),
    /// It was ended.
    Ended(String),
}

impl Capabilities {
    /// Call another component's tool. Says, too, what that used.
    pub async fn call(
        &self,
        tool: &str,
        arguments: &str,
        allowance: RemainingBudget,
    ) -> (Result<Vec<Content>, NestedFault>, ConsumedBudget) {
        let params = CallParams {
            allowance: Some(allowance),
            ..CallParams::default()
        };
        let spent = Arc::clone(&params.spent);
        let result = self.nest(tool, arguments, params).await;
        let spent = *spent.lock().unwrap_or_else(PoisonError::into_inner);
        (result, spent)
    }

    async fn nest(
        &self,
        tool: &str,
        given: &str,
        params: CallParams,
    ) -> Result<Vec<Content>, NestedFault> {
        // The end of the enclosing call waits for this.
        let _in_flight = self.calling.lock().await;
        let refused = |refusal| NestedFault::Refused(Box::new(refusal));
        let mut cx = self.cx.clone();
        let waits = {
            let mut so_far = self.progress();
            if so_far.closed || so_far.settling {
                return Err(refused(Refusal::Halted {
                    reason: "the call is over".into(),
                }));
            }
            if let Some(pending) = &so_far.pending {
                return Err(refused(pending.clone()));
            }
            if so_far.calls >= MAX_CALLS {
                let problem = format!("one call makes at most {MAX_CALLS} nested calls");
                return Err(NestedFault::Invalid(problem));
            }
            so_far.calls += 1;
            cx.inherited_labels.extend(so_far.labels.iter().cloned());
            !so_far.records.is_empty()
        };
        // What was read before is durable before what may send it away.
        if waits {
            let committed = self.commit(Batch::default(), None).await;
            committed.map_err(|error| refused(error.into()))?;
        }
        let Some(arguments) = cx.arguments.take() else {
            return Err(NestedFault::Invalid(
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
        let answer = self.pipeline.run_nested(cx, request, params).await;
        match &answer.verdict {
            Verdict::Refused(pending @ Refusal::Pending { happened, .. }) => {
                self.progress().effects += u64::from(!happened.is_empty());
                happened.iter().for_each(|what| self.happened(what));
                self.suspend(pending);
            }
            Verdict::Refused(_) => {}
            _ => {
                self.progress().effects += 1;
                self.happened(&format!("call {tool}"));
            }
        }
        result(answer)
    }

    /// Wait until no call that the component made is under way, and let none begin; and until what it asked
    /// for last is recorded.
    pub(crate) async fn drain(&self) {
        self.progress().settling = true;
        drop(self.calling.lock().await);
        drop(self.committing.write().await);
    }
}

fn result(answer: Answer) -> Result<Vec<Content>, NestedFault> {
    let message = answer.message().unwrap_or_default();
    match answer.verdict {
        Verdict::Released { content, .. } => Ok(content),
        Verdict::ToolError(failure) => Err(NestedFault::Failed(failure.message)),
        Verdict::Ended { .. } => Err(NestedFault::Ended(message)),
        Verdict::Refused(Refusal::Invalid { .. }) => Err(NestedFault::Invalid(message)),
        Verdict::Refused(refusal) => Err(NestedFault::Refused(Box::new(refusal))),
        Verdict::Withheld { decision, basis } => {
            let refusal = Refusal::Denied { decision, basis };
            Err(NestedFault::Refused(Box::new(refusal)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_call_gets_no_more_than_is_left() {
        let left = RemainingBudget {
            wall: Duration::from_secs(1),
            cpu: Duration::from_secs(100),
            fuel: 7,
        };
        let params = CallParams {
            allowance: Some(left),
            ..CallParams::default()
        };
        let limits = params.limits(&Limits::default());
        assert_eq!(limits.wall, left.wall);
        assert_eq!(limits.cpu, Limits::default().cpu);
        assert_eq!(limits.fuel, 7);
    }
}
