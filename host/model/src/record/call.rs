//! Calls: refused, started, ended.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Arrival, CountedCalls, FactEntry, KeyedDigest, PayloadRef};
use crate::{
    canonical::Sha256Digest,
    entity::Uid,
    ids::{ApprovalId, SpanId},
};

/// A call was refused before any policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallInvalid {
    /// How it reached the gate.
    #[serde(default, skip_serializing_if = "Arrival::is_empty")]
    pub arrival: Arrival,
    /// The call's span.
    pub call: SpanId,
    /// The caller's own parent span; unverified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_span: Option<SpanId>,
    /// The parent span; absent: the root span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SpanId>,
    /// Where the arguments are wrong: JSON pointers, no values.
    pub pointers: Vec<String>,
    /// The caller.
    pub principal: Uid,
    /// What is wrong: `unknown_tool`, `invalid_arguments`, `halted`, `definition_changed`, `no_login`.
    pub problem: String,
    /// The tool's name; shortened and escaped if no such tool is loaded.
    pub tool: String,
}

/// A call's component, upstream server or caller is about to execute it.
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
    /// SHA-256 of the component's file, or of the upstream server's accepted definitions.
    pub digest: Sha256Digest,
    /// Whether the caller executes the call, and so may know its content from now on: the labels join the run
    /// with this record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executed_by_caller: bool,
    /// Labels that the tool's content adds to the run. Recovery joins them if the outcome is never recorded.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// Whether the call has run before, up to an effect that needed an approval.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumption: bool,
    /// Its `invoke_component` span.
    pub span: SpanId,
    /// Whether it runs outside the sandbox, where its effects are not decided.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsandboxed: bool,
}

/// How an execution ended.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    /// With a result.
    Ok,
    /// With the tool's own error.
    ToolError,
    /// The guest trapped.
    Trap,
    /// It ran out of time.
    Timeout,
    /// It used up its fuel.
    FuelExhausted,
    /// It exceeded its memory limit.
    MemoryExhausted,
    /// A halt ended it.
    Halted,
    /// It was suspended: one of its effects needs an approval.
    Pending,
    /// The outcome is unknown and will stay unknown.
    Indeterminate,
}

named!(Status);

/// The release of a result.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Release {
    /// The caller got it.
    Released,
    /// The caller got it without some fields.
    Redacted,
    /// The caller did not get it.
    Withheld,
}

named!(Release);

/// A call's component ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// The tool span.
    pub call: SpanId,
    /// What is kept of the content; absent without content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<PayloadRef>,
    /// Whether the call may have done something although it ended with an error: the gate could not use its result, or
    /// saw it begin effects.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub effective: bool,
    /// Effects outside the sandbox that were begun; reads do not count.
    pub effects: u64,
    /// Fuel units that the guest used.
    pub fuel: u64,
    /// What the call adds to history facts because of this outcome.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<FactEntry>,
    /// Labels that its content adds to the run.
    pub labels: BTreeSet<String>,
    /// The highest size of linear memory, in bytes.
    pub peak_memory: u64,
    /// How many values of the content policy redacted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redacted: u64,
    /// The release of the result.
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

impl OutcomeRecord {
    /// Whether a call that has counted from its decision on no longer counts after this outcome.
    #[must_use]
    pub fn releases(&self, counts: CountedCalls) -> bool {
        match counts {
            CountedCalls::Running => self.status != Status::Pending,
            CountedCalls::NotFailed => self.had_no_effect(),
            CountedCalls::Decided
            | CountedCalls::Denied
            | CountedCalls::Approved
            | CountedCalls::Started
            | CountedCalls::Succeeded
            | CountedCalls::Released
            | CountedCalls::Failed => false,
        }
    }

    /// Whether it says that the call had no effect: by the tool's own word, which nothing contradicts, or because the call
    /// ended before any effect was begun.
    fn had_no_effect(&self) -> bool {
        match self.status {
            Status::ToolError => !self.effective,
            Status::Trap
            | Status::Timeout
            | Status::FuelExhausted
            | Status::MemoryExhausted
            | Status::Halted => self.effects == 0,
            Status::Ok | Status::Pending | Status::Indeterminate => false,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde passes it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
