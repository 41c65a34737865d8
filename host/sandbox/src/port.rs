//! The port: what the sandbox needs from the gate.
//!
//! The sandbox knows neither policies nor the ledger. For each act of a guest it asks [`Authorize`] and
//! gets a [`Permit`] or a [`Denial`]. It reports the result of a permitted act by [`Authorize::complete`].
//! An implementation belongs to one call of one tool.
//!
//! Acts are defined by their capabilities. [`HostPolicy`](crate::capability::HostPolicy) is the sum of what
//! all of them need.

use std::{
    collections::BTreeSet,
    fmt,
    pin::Pin,
    time::{Duration, Instant},
};

use tollgate_model::{
    ids::{ApprovalId, DecisionId, SpanId},
    record::EffectDetails,
    time::Timestamp,
    tool::Content,
};
use zeroize::Zeroizing;

/// A future of the port: it may be polled on any thread.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The gate's side of one call, apart from what is decided.
pub trait CallPort: fmt::Debug + Send + Sync + 'static {
    /// The gate's time.
    fn now(&self) -> Timestamp;

    /// Whether this is a nested call.
    fn is_nested(&self) -> bool;

    /// An id for the span of an effect that needs it in advance.
    fn new_span(&self) -> SpanId;

    /// The W3C trace context for a span of this run.
    fn traceparent(&self, span: SpanId) -> String;

    /// Records a line of the component's own log. `level` is one of `debug`, `info`, `warn`, `error`.
    fn log(&self, level: &'static str, message: &str);

    /// Calls a tool of another component, with JSON arguments. Also returns the resources used.
    fn call<'a>(
        &'a self,
        tool: &'a str,
        arguments: &'a str,
        budget: RemainingBudget,
    ) -> PortFuture<'a, (Result<Vec<Content>, NestedCallError>, ConsumedBudget)>;

    /// The configured secrets.
    fn secrets(&self) -> &dyn SecretStore;
}

/// Decides and records one kind of act.
pub trait Authorize<A>: CallPort {
    /// Whether the act would be allowed now. Records nothing and permits nothing: it only answers whether
    /// the data for a decision may be looked up.
    ///
    /// # Errors
    /// [`Denial`] if it cannot be decided.
    fn would_allow(&self, act: &A) -> Result<bool, Denial>;

    /// Decides and records. The permit is for exactly this act.
    fn authorize(&self, act: A) -> PortFuture<'_, Result<Permit<A>, Denial>>;

    /// Whether the resource still has only the labels that the permit was decided with. Asked after a read:
    /// writers add their labels before they write.
    ///
    /// # Errors
    /// [`Denial`] if that cannot be determined.
    fn labels_unchanged(&self, permit: &Permit<A>) -> Result<bool, Denial>;

    /// Reports the result of a permitted act. Its labels join those of the call.
    fn complete(&self, permit: Permit<A>, effect: EffectReport);
}

/// A recorded permission for one act. It cannot be copied, and its act cannot be changed.
///
/// Only an implementation of [`Authorize`] creates one; this crate never does.
#[derive(Debug)]
pub struct Permit<A> {
    act: A,
    span: SpanId,
    label_epoch: u64,
}

impl<A> Permit<A> {
    /// Permits `act`, whose effect is a child of `span`. `label_epoch` is how often any file had taken on
    /// labels before this file's were looked up.
    pub fn issue(act: A, span: SpanId, label_epoch: u64) -> Self {
        Self {
            act,
            span,
            label_epoch,
        }
    }

    /// The permitted act.
    pub fn act(&self) -> &A {
        &self.act
    }

    /// The parent span of the effect.
    pub fn span(&self) -> SpanId {
        self.span
    }

    /// See [`issue`](Self::issue).
    pub fn label_epoch(&self) -> u64 {
        self.label_epoch
    }

    /// The act, without its permission.
    pub fn into_act(self) -> A {
        self.act
    }
}

/// The result of a permitted act.
#[derive(Debug)]
pub struct EffectReport {
    /// When the sandbox began the act.
    pub begun: Instant,
    /// Bytes read or written, or why it failed.
    pub result: Result<u64, String>,
    /// The effect's own span, if it had to be known in advance.
    pub span: Option<SpanId>,
    /// Details of this kind of effect.
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

/// Why an act is not permitted, in a text for the component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The decision, if there is one.
    pub decision: Option<DecisionId>,
    /// The reason, and what would help.
    pub reason: String,
    /// The pending approval.
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

/// The limits of a nested call: what the calling call has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemainingBudget {
    /// Wall-clock time.
    pub wall: Duration,
    /// Computing time of guests.
    pub cpu: Duration,
    /// Fuel units.
    pub fuel: u64,
}

/// The resources that a nested call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConsumedBudget {
    /// Computing time of guests.
    pub cpu: Duration,
    /// Fuel units.
    pub fuel: u64,
}

/// Why a nested call has no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NestedCallError {
    /// It was not made: the tool or the arguments are invalid, or it nests too deep.
    Invalid(String),
    /// It is denied, or its result withheld.
    Denied(Denial),
    /// The tool reported a failure.
    Failed(String),
    /// It was stopped.
    Ended(String),
}

/// The configured secrets: values for requests, and their removal from responses.
pub trait SecretStore: Send + Sync {
    /// Reads these secrets, so that [`scrub`](Self::scrub) knows their values. A secret that cannot be read
    /// is skipped.
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
    /// A prefix of a keyed digest, which only distinguishes values of the secret.
    pub version: String,
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretValue")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
