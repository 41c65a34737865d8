//! The port: what the sandbox needs decided, recorded or looked up by the gate.
//!
//! The sandbox knows neither policies nor the ledger. For each act of a guest it asks [`Authorize`] and gets a
//! [`Permit`] or a [`Denial`]; what it did with a permit it reports by [`Authorize::complete`]. Everything is
//! asked for one call of one tool: the implementation knows which.

use std::{
    collections::BTreeSet,
    fmt,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tollgate_model::{
    ids::{ApprovalId, DecisionId, SpanId},
    record::EffectDetails,
    time::Timestamp,
    tool::Content,
};
use zeroize::Zeroizing;

use crate::capability::{
    config::ConfigAct,
    files::FileAct,
    http::HttpAct,
    progress::ProgressReport,
    secrets::SecretAct,
    state::{StateError, StateReply, StateRequest},
};

/// A future of the port: it may be polled on any thread.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the sandbox asks of the gate during one call.
pub trait HostPolicy:
    Authorize<ConfigAct>
    + Authorize<FileAct>
    + Authorize<HttpAct>
    + Authorize<SecretAct>
    + fmt::Debug
    + 'static
{
    /// The time, by the gate's clock.
    fn now(&self) -> Timestamp;

    /// Whether the call is one that another component makes.
    fn is_nested(&self) -> bool;

    /// An id for the span of an effect that must know it beforehand.
    fn new_span(&self) -> SpanId;

    /// The trace context (W3C) that stands for a span of this run.
    fn traceparent(&self, span: SpanId) -> String;

    /// Record a line of the component's own log. `level` is one of `debug`, `info`, `warn`, `error`.
    fn log(&self, level: &'static str, message: &str);

    /// Take in a report of progress. What comes back, if anything, is the work of releasing it to the caller:
    /// to be awaited in a task of its own.
    fn report(self: Arc<Self>, report: ProgressReport) -> Option<PortFuture<'static, ()>>;

    /// Call a tool of another component, with JSON arguments. Also returns what that used.
    fn call<'a>(
        &'a self,
        tool: &'a str,
        arguments: &'a str,
        budget: RemainingBudget,
    ) -> PortFuture<'a, (Result<Vec<Content>, NestedCallError>, ConsumedBudget)>;

    /// Read or change the component's state: decided and recorded, in one step with the change.
    fn state(&self, request: StateRequest) -> PortFuture<'_, Result<StateReply, StateError>>;

    /// The configured secrets.
    fn secrets(&self) -> &dyn SecretStore;
}

/// Decides and records one kind of act.
pub trait Authorize<A>: Send + Sync {
    /// Whether the act would be allowed now. Records nothing and permits nothing: it is for finding out
    /// whether what deciding needs may be looked up.
    ///
    /// # Errors
    /// [`Denial`]: it cannot be decided.
    fn would_allow(&self, act: &A) -> Result<bool, Denial>;

    /// Decide and record. The permit is for exactly this act.
    fn authorize(&self, act: A) -> PortFuture<'_, Result<Permit<A>, Denial>>;

    /// Whether the resource still has no labels but those that the permit was decided with. Asked after a
    /// read: writers add their labels before they write.
    ///
    /// # Errors
    /// [`Denial`]: it cannot be known.
    fn labels_unchanged(&self, permit: &Permit<A>) -> Result<bool, Denial>;

    /// Report what came of a permitted act. Its labels join what the call has read.
    fn complete(&self, permit: Permit<A>, effect: EffectReport);
}

/// A recorded permission for one act. It cannot be copied, and its act cannot be changed.
///
/// Only an implementation of [`Authorize`] makes one; nothing in this crate does.
#[derive(Debug)]
pub struct Permit<A> {
    act: A,
    span: SpanId,
    label_epoch: u64,
}

impl<A> Permit<A> {
    /// Permit `act`, whose effect stands under `span`. `label_epoch` is how often any file had taken on labels
    /// before this one's were looked up.
    pub fn issue(act: A, span: SpanId, label_epoch: u64) -> Self {
        Self {
            act,
            span,
            label_epoch,
        }
    }

    /// What is permitted.
    pub fn act(&self) -> &A {
        &self.act
    }

    /// The span under which the effect stands.
    pub fn span(&self) -> SpanId {
        self.span
    }

    /// See [`issue`](Self::issue).
    pub fn label_epoch(&self) -> u64 {
        self.label_epoch
    }

    /// The act, which is no longer permitted.
    pub fn into_act(self) -> A {
        self.act
    }
}

/// What came of a permitted act.
#[derive(Debug)]
pub struct EffectReport {
    /// When the sandbox began with it.
    pub begun: Instant,
    /// Bytes read or written, or why it failed.
    pub result: Result<u64, String>,
    /// The effect's own span, if it had to be known beforehand.
    pub span: Option<SpanId>,
    /// What only this kind of effect has.
    pub details: Option<EffectDetails>,
}

impl EffectReport {
    /// An effect without details of its own.
    #[must_use]
    pub fn new(begun: Instant, result: Result<u64, String>) -> Self {
        Self {
            begun,
            result,
            span: None,
            details: None,
        }
    }
}

/// Why an act is not permitted, in words for the component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The decision, if there is one.
    pub decision: Option<DecisionId>,
    /// Why, and what would help.
    pub reason: String,
    /// The approval that is waited for.
    pub approval: Option<ApprovalId>,
}

impl Denial {
    /// A denial without a decision.
    pub fn undecided(reason: impl Into<String>) -> Self {
        Self {
            decision: None,
            reason: reason.into(),
            approval: None,
        }
    }
}

/// What a nested call may use: what is left to the call that makes it.
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

/// Why a nested call has no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NestedCallError {
    /// It was not made: the tool, the arguments or the depth are wrong.
    Invalid(String),
    /// It is denied, or its result withheld.
    Denied(Denial),
    /// The tool says that it failed.
    Failed(String),
    /// It was ended.
    Ended(String),
}

/// The configured secrets: values for requests, and their removal from what comes back.
pub trait SecretStore: Send + Sync {
    /// Read these secrets, so that [`scrub`](Self::scrub) knows their values. One that cannot be read is left
    /// out.
    fn load<'a>(&'a self, names: &'a BTreeSet<String>) -> PortFuture<'a, ()>;

    /// The value of a secret, or why it cannot be read.
    fn value<'a>(&'a self, name: &'a str) -> PortFuture<'a, Result<SecretValue, String>>;

    /// `bytes` without any secret that was read so far.
    fn scrub(&self, bytes: Vec<u8>) -> Vec<u8>;

    /// The same for text.
    fn scrub_text(&self, text: &str) -> String;
}

/// The value of a secret, to be attached to a request. Overwritten when it is dropped.
pub struct SecretValue {
    /// Its name in the configuration.
    pub name: String,
    /// The value.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Tells one value of a secret from another, and nothing more: the beginning of a keyed digest.
    pub version: String,
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretValue")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
