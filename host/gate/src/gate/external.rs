//! Caller-executed tools: the gate authorizes and records the call, the caller runs it and reports the
//! outcome. Nothing is executed here.
//!
//! A call whose outcome is not reported is recorded as indeterminate, at its timeout or when the gate
//! starts again.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use tollgate_model::{
    canonical::Sha256Digest,
    entity::Uid,
    ids::{DecisionId, RunId, SpanId},
    record::Status,
    time::Timestamp,
};

use super::{Gate, OperateError};
use crate::{
    capability::{CallParams, Capabilities},
    enforce::{Answer, CallContext, CallOptions, CallRequest, InFlightGuard, Refusal},
    identity::{Caller, RunKey},
    pipeline::{ExecutedBy, HaltRegistration, Invocation, arrive, release},
    tool::{Content, Execution, FailureKind, ToolFailure},
};

/// The most open calls: authorized, without an outcome.
const MAX_OPEN: usize = 4096;
/// The most open calls of one principal.
const MAX_OPEN_OF_ONE: usize = 256;

/// A call that its caller may execute now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedCall {
    /// The run.
    pub run: RunId,
    /// The call's span, with which its outcome is reported.
    pub call: SpanId,
    /// The decision that allows it.
    pub decision: DecisionId,
    /// The canonical arguments that were decided; only these may be executed.
    pub arguments: String,
    /// JSON pointers into them at which policy had something removed.
    pub redacted_arguments: BTreeSet<String>,
}

/// An authorized call without an outcome yet.
pub(super) struct OpenCall {
    principal: Uid,
    on_behalf_of: Uid,
    reference: Option<String>,
    /// Of its canonical arguments.
    arguments: Sha256Digest,
    cx: CallContext,
    invocation: Invocation,
    effects: Arc<Capabilities>,
    _halts: HaltRegistration,
    in_flight: Option<InFlightGuard>,
    until: Timestamp,
}

/// Authorized calls without an outcome yet, by their spans.
pub(super) type OpenCalls = HashMap<SpanId, OpenCall>;

/// The outcome of a call, as its caller reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedOutcome {
    /// Whether it failed.
    pub failed: bool,
    /// The content for the model.
    pub content: String,
}

/// Identifies the call of an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallRef {
    /// The call with this span.
    Call(SpanId),
    /// The one that was authorized with this reference; of several that are alike, the latest.
    Reference(String),
}

impl Gate {
    /// Decides a call that the caller executes itself, and records its start. `reference` is a name for the
    /// call when its outcome is reported. Of `options` only the origin and the arrival are used.
    ///
    /// # Errors
    /// The answer, if it may not be executed.
    #[expect(
        clippy::result_large_err,
        reason = "an answer is moved here once a call"
    )]
    pub async fn authorize(
        &self,
        caller: &Caller,
        run: &RunKey,
        request: CallRequest,
        reference: Option<String>,
        options: CallOptions,
    ) -> Result<AuthorizedCall, Answer> {
        let (gate, caller, run) = (self.clone(), caller.clone(), run.clone());
        let span = self.pep().span_id();
        // In a task of the gate, so it continues even if its caller goes away.
        let task = tokio::spawn(async move {
            gate.authorize_here(&caller, &run, &request, reference, options, span)
                .await
        });
        task.await
            .unwrap_or_else(|_| Err(Answer::unknown(None, span)))
    }

    async fn authorize_here(
        &self,
        caller: &Caller,
        run: &RunKey,
        request: &CallRequest,
        reference: Option<String>,
        mut options: CallOptions,
        span: SpanId,
    ) -> Result<AuthorizedCall, Answer> {
        let pipeline = self.pipeline();
        let ruleset = &pipeline.snapshot.ruleset;
        let arrived = arrive(self.pep(), ruleset, caller, run, &mut options, span).await;
        let mut cx = arrived.map_err(|refusal| Answer::refused(None, span, refusal))?;
        self.check_open_calls(&cx)?;
        let admission = pipeline.admit(&mut cx, request, ExecutedBy::Caller).await?;
        let effects = pipeline.capabilities(&cx, &admission, &CallParams::default());
        let invocation = admission.invocation();
        let tool = &invocation.tool;
        let authorized = AuthorizedCall {
            run: cx.run,
            call: cx.call,
            decision: admission.decision,
            arguments: admission.permitted.act().canonical().to_owned(),
            redacted_arguments: invocation.redacted.clone(),
        };
        let open = OpenCall {
            principal: cx.principal.clone(),
            on_behalf_of: cx.on_behalf_of.clone(),
            reference,
            arguments: Sha256Digest::of(authorized.arguments.as_bytes()),
            effects,
            _halts: pipeline.halts.register(self.pep(), &cx, tool),
            in_flight: admission.in_flight,
            until: self.now().after(tool.limits.wall),
            invocation,
            cx,
        };
        self.open_calls(|all| all.insert(authorized.call, open));
        Ok(authorized)
    }

    /// Requires that not too many calls are open.
    #[expect(
        clippy::result_large_err,
        reason = "an answer is moved here once a call"
    )]
    fn check_open_calls(&self, cx: &CallContext) -> Result<(), Answer> {
        let (all, own) = self.open_calls(|open| {
            let own = open.values().filter(|call| call.principal == cx.principal);
            (open.len(), own.count())
        });
        let reason = if own >= MAX_OPEN_OF_ONE {
            format!("{own} calls of yours have no outcome yet; report theirs first")
        } else if all >= MAX_OPEN {
            format!("{all} calls have no outcome yet")
        } else {
            return Ok(());
        };
        let refusal = Refusal::Unrecorded { reason };
        Err(Answer::refused(Some(cx.run), cx.call, refusal))
    }

    /// Records the outcome of a call that this caller was authorized to execute, and decides whether its
    /// content may reach the model. Returns the tool's name with the answer.
    ///
    /// # Errors
    /// [`OperateError::Unknown`] if the caller has no such open call, or different ones with this reference.
    pub async fn report_outcome(
        &self,
        caller: &Caller,
        call: &CallRef,
        outcome: ReportedOutcome,
    ) -> Result<(String, Answer), OperateError> {
        let open = self.take_open_call(caller, call)?;
        let ReportedOutcome { failed, content } = outcome;
        let size = content.len() as u64;
        let (status, content) = if failed {
            let failure = ToolFailure {
                kind: FailureKind::Failed,
                message: content,
            };
            (Status::ToolError, Err(failure))
        } else {
            (Status::Ok, Ok(vec![Content::Text { text: content }]))
        };
        let tool = open.invocation.tool.name.clone();
        let execution = Execution {
            status,
            content,
            size,
            effects: 1,
            ..Execution::not_executed()
        };
        let gate = self.clone();
        let closing = tokio::spawn(async move { open.close(&gate, execution).await });
        let answer = closing
            .await
            .map_err(|_| OperateError::Store("the outcome could not be recorded".into()))?;
        Ok((tool, answer))
    }

    fn take_open_call(&self, caller: &Caller, call: &CallRef) -> Result<OpenCall, OperateError> {
        let (principal, on_behalf_of) = (caller.principal(), self.on_behalf_of(caller));
        let unknown = |problem: &str| OperateError::Unknown(problem.to_owned());
        self.open_calls(|all| {
            let matches = |span: &SpanId, open: &OpenCall| {
                open.principal == principal
                    && Some(&open.on_behalf_of) == on_behalf_of.as_ref()
                    && match call {
                        CallRef::Call(call) => call == span,
                        CallRef::Reference(name) => open.reference.as_ref() == Some(name),
                    }
            };
            let found = || all.iter().filter(|(span, open)| matches(span, open));
            let latest = found().max_by_key(|(_, open)| open.invocation.decision.0);
            let (span, latest) = latest.ok_or_else(|| {
                unknown("no open call with this reference: its outcome was already reported, or it timed out")
            })?;
            if !found().all(|(_, open)| open.is_alike(latest)) {
                return Err(unknown(
                    "several open calls with different arguments have this reference; name the call by `call`",
                ));
            }
            let span = *span;
            all.remove(&span).ok_or_else(|| unknown("no such open call"))
        })
    }

    /// Closes calls whose outcome was not reported in time: they may have happened.
    pub(crate) async fn expire_unreported(&self) {
        let now = self.now();
        let over: Vec<OpenCall> = self.open_calls(|all| {
            let over = all.iter().filter(|(_, open)| open.until <= now);
            let over: Vec<SpanId> = over.map(|(call, _)| *call).collect();
            over.iter().filter_map(|call| all.remove(call)).collect()
        });
        for open in over {
            let execution = Execution {
                status: Status::Indeterminate,
                effects: 1,
                ..Execution::not_executed()
            };
            open.close(self, execution).await;
        }
    }
}

impl OpenCall {
    /// Whether an outcome of the one could be one of the other.
    fn is_alike(&self, other: &Self) -> bool {
        self.invocation.tool.name == other.invocation.tool.name && self.arguments == other.arguments
    }

    async fn close(self, gate: &Gate, execution: Execution) -> Answer {
        let effects = &self.effects;
        let (answer, _) = release(gate.pep(), &self.cx, &self.invocation, execution, effects).await;
        if let Some(in_flight) = self.in_flight {
            in_flight.finish(&answer);
        }
        answer
    }
}
