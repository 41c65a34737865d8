//! What the ledger holds: one record per thing that happened.
//!
//! A record's leaf is its RFC 8785 canonical JSON. It never holds an argument, a result or a secret:
//! those are keyed digests, or ciphertexts referred to by digest.

use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    canonical::{self, Sha256Digest},
    decision::{DecisionError, Determining, Outcome, Requirement, ShadowFlip},
    entity::Uid,
    ids::{ApprovalId, RunId, SpanId, hex},
    leaf,
    life::ApprovalState,
    request::Action,
    time::Timestamp,
};

/// The version of the record format.
pub const VERSION: u8 = 1;

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// The run it belongs to; absent for what concerns the gate as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The tenant.
    pub tenant: String,
    /// When.
    pub time: Timestamp,
    /// The format's version.
    pub v: u8,
}

impl Record {
    /// A record of the current version.
    #[must_use]
    pub fn new(
        tenant: impl Into<String>,
        run: Option<RunId>,
        time: Timestamp,
        event: Event,
    ) -> Self {
        Self {
            event,
            run,
            tenant: tenant.into(),
            time,
            v: VERSION,
        }
    }

    /// The bytes that the ledger keeps and hashes.
    ///
    /// # Errors
    /// If a field cannot be written as JSON; none can, in practice.
    pub fn leaf(&self) -> Result<Vec<u8>, serde_json::Error> {
        match leaf::sorted(&serde_json::to_vec(self)?) {
            Some(leaf) => Ok(leaf),
            None => canonical::to_canonical(self),
        }
    }
}

/// The hash of a leaf (RFC 6962, section 2.1): SHA-256 of a zero byte and the leaf.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(leaf);
    hash.finalize().into()
}

/// A keyed digest of arguments or results: HMAC-SHA-256 under a tenant's key, which has a version. A
/// plain hash of `{"amount":50}` would be guessed in a second. `hmac:v1:` and 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyedDigest(String);

impl KeyedDigest {
    /// The digest of `parts` under `key`. Parts are separated by their lengths, so that no two lists
    /// of parts have the same digest.
    #[must_use]
    pub fn of(key: &[u8; 32], version: u32, parts: &[&[u8]]) -> Self {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
            // HMAC takes keys of any length (RFC 2104, section 2).
            return Self(String::new());
        };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Self(format!(
            "hmac:v{version}:{}",
            hex(&mac.finalize().into_bytes())
        ))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for KeyedDigest {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Display for KeyedDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for KeyedDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is kept of arguments or of content, beside digest and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What kind of payload it is.
    pub class: Class,
    /// Digest of the sealed payload, as far as it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Sha256Digest>,
}

/// How delicate a payload is, as far as anybody can tell; the later ones more so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Nothing speaks for more.
    Ordinary,
    /// It comes from where private data was read.
    Private,
    /// There is something in it that looks like a secret, or is one.
    Secret,
}

impl Class {
    /// As attributes and columns spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Private => "private",
            Self::Secret => "secret",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A bundle was put into force.
    BundleActivated(BundleActivated),
    /// A run began.
    RunStarted(RunStarted),
    /// A run ended.
    RunEnded(RunEnded),
    /// A call was refused before any policy: unknown tool, or arguments that do not match.
    CallInvalid(CallInvalid),
    /// A request was decided.
    Decision(Box<DecisionRecord>),
    /// A call's component is about to run.
    Start(Start),
    /// A call's component ran.
    Outcome(OutcomeRecord),
    /// An effect that a component asked for was carried out, or failed.
    Effect(Effect),
    /// A component's own log line, scrubbed and capped.
    AdapterLog(AdapterLog),
    /// A run took on labels of another, whose content reaches it.
    LabelsJoined(LabelsJoined),
    /// A human's answer is asked for.
    ApprovalRequested(Box<ApprovalRequested>),
    /// Somebody answered.
    ApprovalAnswered(ApprovalAnswered),
    /// An approval's state changed for good.
    ApprovalResolved(ApprovalResolved),
    /// Nobody answered in time, so others are asked as well.
    ApprovalEscalated(ApprovalEscalated),
    /// Something was halted.
    Halted(Halt),
    /// A halt was lifted.
    Resumed(Halt),
    /// Another act of an operator.
    Administered(Administered),
}

/// A bundle was put into force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BundleActivated {
    /// Its digest.
    pub bundle: Sha256Digest,
    /// Who did it.
    pub by: String,
    /// Components by name, with the digests of their files.
    pub components: BTreeMap<String, Sha256Digest>,
    /// How many policies it holds.
    pub policies: u64,
    /// How many tools it types.
    pub tools: u64,
}

/// Where a run hangs in its caller's own trace and conversation, as the caller says: it proves nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The conversation that the run is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// The span of the caller's that a call stands under (W3C Trace Context, section 3.2.2.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SpanId>,
    /// The session of the protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The caller's `tracestate` (section 3.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The caller's trace (section 3.2.2.3). The run's id is the same, unless another run has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<RunId>,
}

impl Origin {
    /// Whether the caller says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How a call reached the gate, as its caller says: it proves nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Arrival {
    /// By what the caller names the call in its own trace (`gen_ai.tool.call.id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The second trace context, where the caller gave two: MCP's `_meta` comes before HTTP's header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<TraceLink>,
    /// Over MCP: the protocol's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<String>,
}

impl Arrival {
    /// Whether the caller says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A span of another trace (W3C Trace Context).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TraceLink {
    /// The span.
    pub span: SpanId,
    /// Its trace.
    pub trace: RunId,
}

/// A run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// Labels that it inherits from the principal's earlier runs.
    pub inherited: BTreeSet<String>,
    /// By what the caller names it; absent where the gate did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// On whose behalf.
    pub on_behalf_of: Uid,
    /// Where it hangs in its caller's own trace.
    #[serde(default, skip_serializing_if = "Origin::is_empty")]
    pub origin: Origin,
    /// Who.
    pub principal: Uid,
    /// The root span.
    pub span: SpanId,
}

/// A run took on labels of another of the same principal: a call that waited there was resumed from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelsJoined {
    /// The other run.
    pub from: RunId,
    /// What this one did not hold before.
    pub labels: BTreeSet<String>,
}

/// A run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEnded {
    /// Who ended it.
    pub by: String,
    /// How.
    pub outcome: RunOutcome,
    /// Why, in a few words.
    pub stop_reason: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// It did what it was for.
    Success,
    /// It did not.
    Failed,
    /// A denial ended it.
    Denied,
    /// Nothing happened for too long.
    Abandoned,
    /// A budget was spent.
    BudgetExhausted,
    /// An operator ended it.
    Cancelled,
}

impl RunOutcome {
    /// As attributes and columns spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Abandoned => "abandoned",
            Self::BudgetExhausted => "budget_exhausted",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A call was refused before any policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallInvalid {
    /// How it reached the gate.
    #[serde(default, skip_serializing_if = "Arrival::is_empty")]
    pub arrival: Arrival,
    /// The call's span.
    pub call: SpanId,
    /// The span of the caller's own that it stands under; unproven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<SpanId>,
    /// The span above; the root span where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SpanId>,
    /// Where the arguments are wrong: JSON pointers, no values.
    pub pointers: Vec<String>,
    /// Who called.
    pub principal: Uid,
    /// What is wrong: `unknown_tool`, `invalid_arguments`, `halted`, `definition_changed`.
    pub problem: String,
    /// The tool's name; shortened and printable if it is none that is loaded.
    pub tool: String,
}

/// A request was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// What was to be done.
    pub action: Action,
    /// The approval that was asked for, or that allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// What is kept of the arguments; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Kept>,
    /// Digest of the arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<KeyedDigest>,
    /// Bytes of the arguments' canonical form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments_size: Option<u64>,
    /// For an agent's call: how it reached the gate.
    #[serde(default, skip_serializing_if = "Arrival::is_empty")]
    pub arrival: Arrival,
    /// Whether another decision, recorded with it, says what becomes of the call: one that a component
    /// makes is decided for the agent and for the component.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
    /// The bundle that decided.
    pub bundle: Sha256Digest,
    /// The tool span that it belongs to; absent outside a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<SpanId>,
    /// For an agent's call: the span of the caller's own that it stands under; unproven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<SpanId>,
    /// The component's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Sha256Digest>,
    /// Policies that determined it.
    pub determining: Vec<Determining>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<DecisionError>,
    /// Digest of the sealed request and facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Sha256Digest>,
    /// Microseconds that deciding took.
    pub micros: u64,
    /// On whose behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<Uid>,
    /// Labels that what is written takes on: those of the run, and of what the call has read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub marks: BTreeSet<String>,
    /// What takes them on, if that is known under other names as well: files, wherever they are granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marked: Option<String>,
    /// The answer.
    pub outcome: Outcome,
    /// The span above; the root span where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SpanId>,
    /// Who.
    pub principal: Uid,
    /// What would lift it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Requirement>,
    /// On what.
    pub resource: Uid,
    /// Whether it continues a call that waited for an approval, and so is no new call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumption: bool,
    /// What shadow policies would have changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowFlip>,
    /// Its `authorize` span.
    pub span: SpanId,
}

impl DecisionRecord {
    /// Why, in a few words: what could not be decided, or what the determining policies say.
    #[must_use]
    pub fn reason(&self) -> String {
        if let Some(error) = self.errors.first() {
            return error.to_string();
        }
        let mut reasons: Vec<&str> = Vec::new();
        for policy in &self.determining {
            if !policy.reason.is_empty() && !reasons.contains(&policy.reason.as_str()) {
                reasons.push(&policy.reason);
            }
        }
        if reasons.is_empty() && self.outcome != Outcome::Allow && self.determining.is_empty() {
            return "No policy permits it.".into();
        }
        reasons.join(" ")
    }

    /// The budget that is used up, if this denies for one: `calls`, `denials`, `errors`, `elapsed`,
    /// `tokens` or `cost`.
    #[must_use]
    pub fn exhausted(&self) -> Option<&str> {
        let denied = self.outcome == Outcome::Deny;
        let mut budgets = self.determining.iter().filter_map(|p| p.budget.as_deref());
        budgets.next().filter(|_| denied)
    }
}

/// A call's component is about to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The approval that this start consumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// From 1.
    pub attempt: u32,
    /// The tool span. It is also the idempotency key that the tool may use.
    pub call: SpanId,
    /// The component's name, or that of the upstream server.
    pub component: String,
    /// The component's file, or the upstream server's accepted definitions.
    pub digest: Sha256Digest,
    /// Whether the caller executes the call, and so may know its content from now on: the labels join the run
    /// with this record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executed_by_caller: bool,
    /// Labels that the tool's content adds to the run.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// Whether the call has run before, up to where something in it waited for a human.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumption: bool,
    /// Its `invoke_component` span.
    pub span: SpanId,
    /// Whether it runs outside the sandbox, where only the call itself is decided.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsandboxed: bool,
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// With a result.
    Ok,
    /// With the tool's own error.
    ToolError,
    /// The guest trapped.
    Trap,
    /// It ran out of time.
    Timeout,
    /// It ran out of fuel.
    Fuel,
    /// It asked for more memory than it may have.
    Memory,
    /// A halt ended it.
    Halted,
    /// Something that it asked for waits for a human.
    Pending,
    /// Its outcome will never be known.
    Indeterminate,
}

impl Status {
    /// As attributes and columns spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::Trap => "trap",
            Self::Timeout => "timeout",
            Self::Fuel => "fuel_exhausted",
            Self::Memory => "memory_exhausted",
            Self::Halted => "halted",
            Self::Pending => "pending",
            Self::Indeterminate => "indeterminate",
        }
    }
}

/// What became of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// The caller got it.
    Released,
    /// The caller got it without some fields.
    Redacted,
    /// The caller did not get it.
    Withheld,
}

/// A call's component ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// The tool span.
    pub call: SpanId,
    /// What is kept of the content; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Kept>,
    /// World-changing effects that were begun.
    pub effects: u64,
    /// Fuel units that the guest used.
    pub fuel: u64,
    /// Labels that its content adds to the run.
    pub labels: BTreeSet<String>,
    /// Bytes of linear memory at most.
    pub peak_memory: u64,
    /// How many values of the content policy redacted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redacted: u64,
    /// What became of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// Digest of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<KeyedDigest>,
    /// Bytes of the content.
    pub size: u64,
    /// Its `invoke_component` span.
    pub span: SpanId,
    /// How it ended.
    pub status: Status,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde passes it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// An effect that a component asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The tool span.
    pub call: SpanId,
    /// What only this kind of effect has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<EffectDetails>,
    /// Why it failed, as the guest was told; absent if it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The `invoke_component` span; absent in what earlier versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<SpanId>,
    /// Microseconds that it took.
    pub micros: u64,
    /// Such as `read_file`.
    pub operation: String,
    /// The `authorize` span of the decision that allowed it.
    pub parent: SpanId,
    /// Bytes read or written.
    pub size: u64,
    /// Its own span.
    pub span: SpanId,
    /// On what: a path within a grant, a URL without its query, a secret's name.
    pub target: String,
}

/// What only one kind of effect has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectDetails {
    /// A request over HTTP.
    Http(HttpEffect),
    /// A secret that was attached to a request.
    Secret(SecretEffect),
}

/// A request over HTTP that was sent, or that could not be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpEffect {
    /// The address that it was sent to; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The host's name or address.
    pub host: String,
    /// Such as `GET`.
    pub method: String,
    /// The port.
    pub port: u16,
    /// How many redirects led here.
    pub redirects: u64,
    /// The response's status; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// A secret that was attached to a request. Never its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecretEffect {
    /// The host that it went to.
    pub host: String,
    /// Its name in the configuration.
    pub name: String,
    /// The beginning of a keyed digest of the value: the same as long as the value is.
    pub version: String,
}

/// A component's own log line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterLog {
    /// The tool span.
    pub call: SpanId,
    /// Labels that it adds to the run, because it went to the caller while the tool ran.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// `debug`, `info`, `warn` or `error`; `progress` for a report of how far the call has come.
    pub level: String,
    /// Its words: untrusted, printable, at most 4 KiB.
    pub message: String,
    /// The `invoke_component` span.
    pub parent: SpanId,
}

/// A call that has run up to where something waits for a human.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingCall {
    /// Digest of its arguments.
    pub arguments: KeyedDigest,
    /// Which attempt it was.
    pub attempt: u32,
    /// Its tool span.
    pub call: SpanId,
    /// Its component's file.
    pub component: Sha256Digest,
    /// Its tool.
    pub tool: String,
    /// Components through which it is made, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
}

/// A human's answer is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequested {
    /// Digest of the arguments, or of what the component asks for.
    pub arguments: KeyedDigest,
    /// The tool span.
    pub call: SpanId,
    /// What the component asks for in mid-call, in short; absent where the call itself is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// The component's file.
    pub component: Sha256Digest,
    /// When it expires.
    pub expires: Timestamp,
    /// Its id.
    pub id: ApprovalId,
    /// On whose behalf.
    pub on_behalf_of: Uid,
    /// Digest of the sealed canonical arguments, kept until it is resolved.
    pub payload: Sha256Digest,
    /// Who asks.
    pub principal: Uid,
    /// What would lift it.
    pub requirement: Requirement,
    /// How many approvals this very call has asked for, this one included; from 1.
    pub round: u32,
    /// Its `approval` span.
    pub span: SpanId,
    /// The tool.
    pub tool: String,
    /// Components through which the call is made, outermost first; empty for a call of the agent's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
    /// Calls that end as pending because of it, outermost first: they run again once it is approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingCall>,
}

/// Somebody answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalAnswered {
    /// Whether they approved.
    pub approve: bool,
    /// Who.
    pub by: Uid,
    /// How: `cli`.
    pub channel: String,
    /// Which approval.
    pub id: ApprovalId,
    /// Roles that they hold.
    pub roles: BTreeSet<String>,
    /// Whether it changed anything: the loser of a race does not.
    pub took_effect: bool,
    /// What they wrote with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An approval's state changed for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalResolved {
    /// Tool spans of the calls around the one that asked, which wait with it and end with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub around: Vec<SpanId>,
    /// Who withdrew what they had asked for; nobody where it ended otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Uid>,
    /// The tool span that asked.
    pub call: SpanId,
    /// Which approval.
    pub id: ApprovalId,
    /// Its `approval` span.
    pub span: SpanId,
    /// Its state now.
    pub state: ApprovalState,
    /// Whether its call goes on without it: nothing has to be approved any more, or something else has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub superseded: bool,
}

/// Nobody answered in time, so others are asked as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalEscalated {
    /// Which approval.
    pub id: ApprovalId,
    /// Roles of those who are asked as well.
    pub to: BTreeSet<String>,
}

/// What is halted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Halt {
    /// Who did it.
    pub by: String,
    /// Its name; empty for everything.
    pub name: String,
    /// Why.
    pub reason: String,
    /// What kind of thing.
    pub scope: HaltScope,
}

/// What kind of thing is halted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HaltScope {
    /// An agent or user.
    Agent,
    /// A tool.
    Tool,
    /// A component.
    Component,
    /// A tenant.
    Tenant,
    /// Everything.
    All,
}

impl HaltScope {
    /// As columns spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Tool => "tool",
            Self::Component => "component",
            Self::Tenant => "tenant",
            Self::All => "all",
        }
    }

    /// The scope that a column spells.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Agent,
            Self::Tool,
            Self::Component,
            Self::Tenant,
            Self::All,
        ]
        .into_iter()
        .find(|s| s.as_str() == name)
    }
}

/// Another act of an operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Administered {
    /// What, such as `user_token_created`.
    pub act: String,
    /// Who.
    pub by: String,
    /// On what; no secrets.
    pub target: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_written() {
        let record = Record::new(
            "acme",
            Some(RunId::from_bytes([1; 16])),
            Timestamp(1_795_249_800_250_000),
            Event::Start(Start {
                approval: None,
                attempt: 1,
                call: SpanId::from_bytes([2; 8]),
                component: "tickets".into(),
                digest: Sha256Digest::of(b"wasm"),
                executed_by_caller: false,
                labels: BTreeSet::new(),
                resumption: false,
                span: SpanId::from_bytes([3; 8]),
                unsandboxed: false,
            }),
        );
        let leaf = record.leaf().unwrap();
        assert_eq!(serde_json::from_slice::<Record>(&leaf).unwrap(), record);
        insta::assert_snapshot!(String::from_utf8(leaf).unwrap());
    }

    #[test]
    fn parts_of_a_digest_do_not_run_together() {
        let digest = |parts: &[&[u8]]| KeyedDigest::of(&[7; 32], 1, parts);
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b"a"]), KeyedDigest::of(&[8; 32], 1, &[b"a"]));
    }

    /// RFC 6962's leaf hash of the empty string, as certificate transparency logs know it.
    #[test]
    fn leaf_hashes_are_rfc_6962() {
        assert_eq!(
            hex(&leaf_hash(b"")),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }
}
