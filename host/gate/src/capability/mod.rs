//! What components ask of their host, decided and recorded: the gate's side of the sandbox's
//! [port](tollgate_sandbox::port). One file per capability.
//!
//! Reads are decided at once and recorded with the next durable commit of their call: before any later
//! effect, and before the call's result leaves. Writes, and every denial, are durable before the guest
//! learns of them.

mod authorize;
mod calls;
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
    capability::state::{StateError, StateReply, StateRequest},
    port::{
        ConsumedBudget, Denial, HostPolicy, NestedCallError, PortFuture, RemainingBudget,
        SecretStore,
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
    tool::Tool,
};
pub use tollgate_sandbox::capability::progress::ProgressReport;

/// What a component may ask of its host during one call.
#[derive(Debug)]
pub struct Capabilities {
    pep: Pep,
    cx: CallContext,
    tool: Arc<Tool>,
    caller: EffectCaller,
    secrets: CallSecrets,
    /// The `invoke_component` span.
    span: SpanId,
    /// Who is sent the component's reports of progress.
    listener: Option<Listener>,
    /// By which it calls other components' tools.
    pipeline: Arc<dyn CallPipeline>,
    /// Held while such a call runs.
    calling: Arc<tokio::sync::Mutex<()>>,
    /// Held, for reading, while something of the call is committed.
    committing: tokio::sync::RwLock<()>,
    pending: Mutex<PendingEffects>,
}

/// Who asks for an effect: a component, within the call of a tool.
#[derive(Debug, Clone)]
pub(crate) struct EffectCaller {
    /// The component's name in the configuration.
    pub(crate) component: String,
    /// The tool's name, as agents see it.
    pub(crate) tool: String,
    /// The agent in whose call the component runs.
    pub(crate) agent: Uid,
    /// On whose behalf it acts.
    pub(crate) on_behalf_of: Uid,
}

impl EffectCaller {
    /// For whom the component asks, as policies see it.
    fn guest(&self) -> GuestCaller {
        GuestCaller {
            agent: self.agent.clone(),
            on_behalf_of: self.on_behalf_of.clone(),
            tool: Uid::new(Kind::Tool, &self.tool),
        }
    }
}

/// An act that a component asks of its host while its tool runs.
pub(crate) trait EffectAction: Send + Sync + Sized + 'static {
    /// Who asks for what, for the decision point.
    fn request(&self, caller: &EffectCaller) -> Request;

    /// Entities of the request that the configuration does not name.
    fn entities(&self, caller: &EffectCaller) -> Vec<Entity>;

    /// Whether it changes the world, so that its decision must be durable before it happens.
    fn changes_the_world(&self) -> bool;

    /// What it is called in traces.
    fn target(&self) -> String;

    /// What an approver reads first.
    fn summary(&self) -> String {
        self.target()
    }

    /// All of it that the resource does not tell: what an approver must see, and what an approval is bound to.
    /// Of what is sent or written that is every byte.
    fn approval_detail(&self) -> Value;

    /// Labels that what comes back adds to the run.
    fn result_labels(&self) -> BTreeSet<String>;

    /// The file that keeps the labels of what is written to it, if the resource is one.
    fn label_holder(&self, _caller: &EffectCaller) -> Option<LabelHolder> {
        None
    }

    /// Take in the labels that the [holder](Self::label_holder) has taken on so far.
    fn set_existing_labels(&mut self, _labels: BTreeSet<String>) {}

    /// Whether these are no more than the labels that were taken in.
    fn labels_known(&self, _labels: &BTreeSet<String>) -> bool {
        true
    }

    /// Whether what is written takes on the run's labels.
    fn propagates_labels(&self) -> bool {
        false
    }

    /// What it changes in the store, in the transaction of its decision. What is written takes on `labels`.
    fn state_update(&mut self, _labels: &BTreeSet<String>) -> Option<StateUpdate> {
        None
    }

    /// Take in what came of the [update](Self::state_update).
    fn set_update_result(&mut self, _result: StateUpdateResult) {}
}

/// A resource that keeps the labels of what is written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelHolder {
    /// The resource's id.
    pub(crate) id: String,
    /// Shared by all ids of the same file; absent if it has only one.
    pub(crate) canonical_id: Option<String>,
}

/// Bytes as an approver sees them: text as it is, anything else by its digest.
fn approver_view(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "bytes": bytes.len(), "sha256": Sha256Digest::of(bytes) }),
    }
}

/// What a component is told about a refusal.
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
        Refusal::TooManyPending { .. }
        | Refusal::UnknownTool { .. }
        | Refusal::Invalid { .. }
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
            tool: tool.name.clone(),
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

    /// The trace context (W3C) that stands for a span of this run.
    pub(crate) fn traceparent(&self, span: SpanId) -> String {
        format!("00-{}-{span}-01", self.cx.run)
    }

    fn pending(&self) -> MutexGuard<'_, PendingEffects> {
        // Recover from poisoning: it holds plain data, each change of which is a single step.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_halted(&self) -> impl Iterator<Item = Condition> {
        self.cx.not_halted(&self.tool.name, &self.tool.source.name)
    }
}

impl HostPolicy for Capabilities {
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

    fn report(self: Arc<Self>, report: ProgressReport) -> Option<PortFuture<'static, ()>> {
        let report = self.take_report(report)?;
        Some(Box::pin(async move { self.release_report(report).await }))
    }

    fn call<'a>(
        &'a self,
        tool: &'a str,
        arguments: &'a str,
        budget: RemainingBudget,
    ) -> PortFuture<'a, (Result<Vec<Content>, NestedCallError>, ConsumedBudget)> {
        Box::pin(self.nested_call(tool, arguments, budget))
    }

    fn state(&self, request: StateRequest) -> PortFuture<'_, Result<StateReply, StateError>> {
        Box::pin(self.perform_state(request))
    }

    fn secrets(&self) -> &dyn SecretStore {
        &self.secrets
    }
}
