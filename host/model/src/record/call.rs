//! What is recorded of a call and its execution.

use super::Arrival;
use super::Kept;
use super::KeyedDigest;
use crate::canonical::Sha256Digest;
use crate::entity::Uid;
use crate::ids::ApprovalId;
use crate::ids::SpanId;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeSet;

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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde passes it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
