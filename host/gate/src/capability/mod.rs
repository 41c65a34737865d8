//! Effects of components, decided and recorded: the gate's side of the sandbox's
//! [port](tollgate_sandbox::port). One file per capability.
//!
//! Reads are decided at once and recorded with the next durable commit of their call, which comes before
//! any later effect and before the call's result leaves. Writes, and all denials, are durable before the
//! guest gets the answer.

mod authorize;
mod calls;
mod config;
mod elicit;
mod files;
mod http;
mod log;
mod pending_effects;
mod prior_approval;
mod progress;
mod secrets;
mod state;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tollgate_ledger::{Condition, StateUpdate, StateUpdateResult};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::{Entity, Kind, Uid},
    ids::SpanId,
    request::{GuestCaller, Request},
    time::Timestamp,
    tool::Content,
};
use tollgate_sandbox::{
    capability::{
        progress::ProgressSink,
        state::{StateError, StateReply, StateRequest, StateStore},
    },
    port::{
        CallPort, ConsumedBudget, Denial, NestedCallError, PortFuture, RemainingBudget, SecretStore,
    },
};

pub(crate) use self::{
    calls::{CallParams, CallPipeline},
    pending_effects::UnrecordedEffects,
};
use self::{pending_effects::PendingEffects, secrets::CallSecrets};
pub use crate::enforce::Listener;
use crate::{
    enforce::{CallContext, Pep, Refusal},
    tool::{Feature, Tool},
};
pub use tollgate_sandbox::capability::progress::ProgressReport;

/// The effects that a component may request during one call.
#[derive(Debug)]
pub struct Capabilities {
    pep: Pep,
    cx: CallContext,
    tool: Arc<Tool>,
    caller: EffectCaller,
    secrets: CallSecrets,
    /// The `invoke_component` span.
    span: SpanId,
    /// Receives the component's progress reports.
    listener: Option<Listener>,
    /// Runs its nested calls.
    pipeline: Arc<dyn CallPipeline>,
    /// Held while a nested call runs.
    calling: Arc<tokio::sync::Mutex<()>>,
    /// Held, for reading, while something of the call is committed.
    committing: tokio::sync::RwLock<()>,
    pending: Mutex<PendingEffects>,
}

/// The requester of an effect: a component, within the call of a tool.
#[derive(Debug, Clone)]
pub(crate) struct EffectCaller {
    /// The component's name in the configuration.
    pub(crate) component: String,
    /// The tool's name, as agents see it.
    pub(crate) tool: String,
    /// The agent in whose call the component runs.
    pub(crate) agent: Uid,
    /// The user for whom the agent acts.
    pub(crate) on_behalf_of: Uid,
}

impl EffectCaller {
    /// The call in which the component asks, as policies see it.
    fn guest(&self) -> GuestCaller {
        GuestCaller {
            agent: self.agent.clone(),
            on_behalf_of: self.on_behalf_of.clone(),
            tool: Uid::new(Kind::Tool, &self.tool),
        }
    }
}

/// An effect that a component requests while its tool runs.
pub(crate) trait EffectAction: Send + Sync + Sized + 'static {
    /// The request to the decision point.
    fn request(&self, caller: &EffectCaller) -> Request;

    /// Entities of the request that the configuration does not name.
    fn entities(&self, caller: &EffectCaller) -> Vec<Entity>;

    /// Whether it changes the world, so that its decision must be durable before it happens.
    fn changes_the_world(&self) -> bool;

    /// Its name in traces.
    fn target(&self) -> String;

    /// A one-line summary for approvers.
    fn summary(&self) -> String {
        self.target()
    }

    /// Everything else that an approver must see and an approval is bound to. For data that is sent or
    /// written, every byte.
    fn approval_detail(&self) -> Value;

    /// Labels that the returned data adds to the run.
    fn result_labels(&self) -> BTreeSet<String>;

    /// The file that keeps the labels of data written to it, if the resource is one.
    fn label_holder(&self, _caller: &EffectCaller) -> Option<LabelHolder> {
        None
    }

    /// Sets the labels that the [holder](Self::label_holder) has taken on so far.
    fn set_existing_labels(&mut self, _labels: BTreeSet<String>) {}

    /// Whether these are a subset of the labels that were set.
    fn labels_known(&self, _labels: &BTreeSet<String>) -> bool {
        true
    }

    /// Whether written data takes on the run's labels.
    fn propagates_labels(&self) -> bool {
        false
    }

    /// The store update that is part of the decision's transaction. Written data takes on `labels`.
    fn state_update(&mut self, _labels: &BTreeSet<String>) -> Option<StateUpdate> {
        None
    }

    /// Takes the result of the [update](Self::state_update).
    fn set_update_result(&mut self, _result: StateUpdateResult) {}
}

/// A resource that keeps the labels of data written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelHolder {
    /// The resource's id.
    pub(crate) id: String,
    /// Shared by all ids of the same file; absent if it has only one.
    pub(crate) canonical_id: Option<String>,
}

/// Bytes as an approver sees them: text as it is, anything else as its digest.
fn approver_view(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "bytes": bytes.len(), "sha256": Sha256Digest::of(bytes) }),
    }
}

/// The component's denial for a refusal.
fn denial(refusal: Refusal) -> Denial {
    let approval = match &refusal {
        Refusal::Pending { approval, .. } => Some(*approval),
        _ => None,
    };
    match refusal {
        Refusal::Pending {
            decision, basis, ..
        }
        | Refusal::Denied { decision, basis }
        | Refusal::Undecidable { decision, basis } => Denial {
            decision: Some(decision),
            reason: basis.reason(),
            approval,
        },
        Refusal::Rejected { until, .. } => Denial::undecided(format!(
            "A person rejected it, and it stays denied until {until}."
        )),
        Refusal::Halted { .. } => Denial::undecided("An operator has halted it."),
        Refusal::RunEnded => Denial::undecided("The run has ended."),
        Refusal::Invalid { problem, .. } => Denial::undecided(problem),
        Refusal::TooManyPending { .. }
        | Refusal::UnknownTool { .. }
        | Refusal::Unrecorded { .. } => {
            Denial::undecided("It could not be recorded, so it is not done.")
        }
    }
}

impl Capabilities {
    pub(crate) fn new(
        pep: Pep,
        cx: CallContext,
        tool: Arc<Tool>,
        span: SpanId,
        listener: Option<Listener>,
        pipeline: Arc<dyn CallPipeline>,
    ) -> Self {
        let caller = EffectCaller {
            component: tool.source.name.clone(),
            tool: tool.tool_name().to_owned(),
            agent: cx.agent.clone(),
            on_behalf_of: cx.on_behalf_of.clone(),
        };
        let secrets = CallSecrets::new(&cx, pep.ledger.clone());
        Self {
            pep,
            cx,
            tool,
            caller,
            secrets,
            span,
            listener,
            pipeline,
            calling: Arc::default(),
            committing: tokio::sync::RwLock::default(),
            pending: Mutex::default(),
        }
    }

    /// The W3C trace context for a span of this run.
    pub(crate) fn traceparent(&self, span: SpanId) -> String {
        format!("00-{}-{span}-01", self.cx.run)
    }

    /// The user for whom the call is made.
    pub(crate) fn on_behalf_of(&self) -> &Uid {
        &self.cx.on_behalf_of
    }

    fn pending(&self) -> MutexGuard<'_, PendingEffects> {
        // Recover from poisoning: it contains plain data, and each change is a single step.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what a preview may not do, and notes it in the run.
    fn refuse_in_preview(&self, what: &str) -> Result<(), Refusal> {
        if self.tool.feature != Feature::Preview {
            return Ok(());
        }
        self.record_log(
            "info",
            &format!("not done, because this is a preview: {what}"),
        );
        Err(Refusal::Invalid {
            problem: format!("A preview only reads: {what} is not done."),
            nearest: None,
        })
    }

    fn not_halted(&self) -> impl Iterator<Item = Condition> {
        self.cx
            .not_halted(self.tool.tool_name(), &self.tool.source.name)
    }
}

impl CallPort for Capabilities {
    fn now(&self) -> Timestamp {
        self.pep.now()
    }

    fn is_nested(&self) -> bool {
        !self.cx.enclosing.is_empty()
    }

    fn new_span(&self) -> SpanId {
        self.pep.span_id()
    }

    fn traceparent(&self, span: SpanId) -> String {
        Self::traceparent(self, span)
    }

    fn log(&self, level: &'static str, message: &str) {
        self.record_log(level, message);
    }

    fn call<'a>(
        &'a self,
        tool: &'a str,
        arguments: &'a str,
        budget: RemainingBudget,
    ) -> PortFuture<'a, (Result<Vec<Content>, NestedCallError>, ConsumedBudget)> {
        Box::pin(self.nested_call(tool, arguments, budget))
    }

    fn secrets(&self) -> &dyn SecretStore {
        &self.secrets
    }
}

impl ProgressSink for Capabilities {
    fn report(self: Arc<Self>, report: ProgressReport) -> Option<PortFuture<'static, ()>> {
        let report = self.take_report(report)?;
        Some(Box::pin(async move { self.release_report(report).await }))
    }
}

impl StateStore for Capabilities {
    fn state(&self, request: StateRequest) -> PortFuture<'_, Result<StateReply, StateError>> {
        Box::pin(self.perform_state(request))
    }
}
