//! The pipeline of a call: arrive, validate, admit, execute, release.
//!
//! Each step is one file and produces one value for the next step:
//!
//! | step | file | makes |
//! |---|---|---|
//! | arrive | `arrive.rs` | [`CallContext`]: who calls, in which run |
//! | validate | `validate.rs` | [`ToolCall`]: a loaded tool with arguments that match its schema |
//! | admit | `admit.rs` | [`Admission`]: decided and recorded, with the permit |
//! | execute | `execute.rs` | [`Execution`](crate::tool::Execution): what the provider did with the permit |
//! | release | `release.rs` | [`Verdict`]: the outcome is recorded, and policy decides what the caller gets |
//!
//! Until the start is recorded, every error path denies. After it, the answer is the outcome, or that the
//! outcome is not known. Requests of a running component pass through the same steps.

mod admit;
mod arrive;
mod execute;
mod halts;
mod release;
#[cfg(test)]
mod tests;
mod validate;

use std::{fmt, pin::Pin, sync::Arc};

use tollgate_model::ids::SpanId;

pub(crate) use admit::Admission;
pub(crate) use arrive::arrive;
pub(crate) use halts::{HaltRegistration, HaltRegistry};
pub(crate) use release::{Invocation, release};
use validate::validate;
pub(crate) use validate::{ExecutedBy, parse_call};

use crate::{
    capability::{CallParams, CallPipeline, Capabilities},
    enforce::{Answer, CallContext, CallOptions, CallRequest, Pep},
    executors::Snapshot,
    identity::{Caller, RunKey},
    sandbox::Sandbox,
    tool::SourceKind,
};

/// The parts that one call needs, from the snapshot in force when it arrived.
#[derive(Clone)]
pub(crate) struct Pipeline {
    pub(crate) pep: Pep,
    pub(crate) sandbox: Sandbox,
    pub(crate) halts: HaltRegistry,
    pub(crate) snapshot: Arc<Snapshot>,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").finish_non_exhaustive()
    }
}

/// A call from a surface.
#[derive(Debug)]
pub(crate) struct IncomingCall {
    pub(crate) caller: Caller,
    pub(crate) run: RunKey,
    pub(crate) request: CallRequest,
    pub(crate) options: CallOptions,
    /// The call's own span.
    pub(crate) span: SpanId,
}

impl Pipeline {
    /// Runs a call of an agent or a user from its arrival to its answer.
    pub(crate) async fn run(&self, incoming: IncomingCall) -> Answer {
        let IncomingCall {
            caller,
            run,
            request,
            mut options,
            span,
        } = incoming;
        let ruleset = &self.snapshot.ruleset;
        match arrive(&self.pep, ruleset, &caller, &run, &mut options, span).await {
            Ok(cx) => self.run_arrived(cx, request, CallParams::of(options)).await,
            Err(refusal) => Answer::refused(None, span, refusal),
        }
    }

    /// The rest of the pipeline, for a call with a known caller and run.
    async fn run_arrived(
        &self,
        mut cx: CallContext,
        request: CallRequest,
        params: CallParams,
    ) -> Answer {
        let admission = match self.admit(&mut cx, &request, ExecutedBy::Gate).await {
            Ok(admission) => admission,
            Err(answer) => return answer,
        };
        let effects = self.capabilities(&cx, &admission, &params);
        let invocation = admission.invocation();
        let (permitted, in_flight) = (admission.permitted, admission.in_flight);

        let had_approval = in_flight.is_some();
        let execution = self
            .execute(&cx, permitted, &effects, &params, had_approval)
            .await;
        let (answer, labels) = release(&self.pep, &cx, &invocation, execution, &effects).await;
        params.label(labels);
        if let Some(in_flight) = in_flight {
            in_flight.finish(&answer);
        }
        answer
    }

    /// Validates and admits a call. Returns only a recorded allow.
    ///
    /// # Errors
    /// The answer, if the call may not run.
    pub(crate) async fn admit(
        &self,
        cx: &mut CallContext,
        request: &CallRequest,
        executed_by: ExecutedBy,
    ) -> Result<Admission, Answer> {
        let call = match validate(self, cx, request, executed_by).await {
            Ok(call) => call,
            Err(invalid) => return Err(invalid.refuse(&self.pep, cx, &request.tool).await),
        };
        let upstreams = &self.snapshot.executors.upstreams;
        let upstream = match call.tool().source.kind {
            SourceKind::Upstream => upstreams.get(&call.tool().source.name),
            SourceKind::Component | SourceKind::External => None,
        };
        admit::admit(&self.pep, cx, call, upstream.map(Arc::as_ref)).await
    }

    /// The capabilities of the call's component.
    pub(crate) fn capabilities(
        &self,
        cx: &CallContext,
        admission: &Admission,
        params: &CallParams,
    ) -> Arc<Capabilities> {
        Arc::new(Capabilities::new(
            self.pep.clone(),
            cx.clone(),
            Arc::clone(admission.permitted.act().tool()),
            admission.permitted.span(),
            params.listener.clone(),
            Arc::new(self.clone()),
        ))
    }
}

impl CallPipeline for Pipeline {
    fn run_nested(
        &self,
        cx: CallContext,
        request: CallRequest,
        params: CallParams,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
        Box::pin(self.run_arrived(cx, request, params))
    }
}
