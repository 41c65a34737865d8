//! Runs: their beginning, their end, and their origin.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    entity::Uid,
    ids::{RunId, SpanId},
};

/// The run's place in the caller's own trace and conversation, as the caller claims it; unverified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The conversation that the run is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// The caller's parent span (W3C Trace Context, section 3.2.2.4).
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
    /// Whether the caller claims nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How a call reached the gate, as the caller claims it; unverified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Arrival {
    /// The caller's id of the call (`gen_ai.tool.call.id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The second trace context, if the caller sent two: MCP's `_meta` takes precedence over HTTP headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<TraceLink>,
    /// Over MCP: the protocol's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<String>,
}

impl Arrival {
    /// Whether the caller claims nothing.
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
    /// The caller's name for the run; absent if it gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The user it acts for.
    pub on_behalf_of: Uid,
    /// Its place in the caller's own trace.
    #[serde(default, skip_serializing_if = "Origin::is_empty")]
    pub origin: Origin,
    /// The agent or user.
    pub principal: Uid,
    /// The root span.
    pub span: SpanId,
}

/// A run took on labels of another run of the same principal, whose suspended call was resumed from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelsJoined {
    /// The other run.
    pub from: RunId,
    /// The labels that are new to this run.
    pub labels: BTreeSet<String>,
}

/// A run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEnded {
    /// Who ended it.
    pub by: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// Why, in a few words.
    pub stop_reason: String,
}

/// How a run ended.
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
pub enum RunOutcome {
    /// It reached its goal.
    Success,
    /// It did not reach its goal.
    Failed,
    /// A denial ended it.
    Denied,
    /// It was idle for longer than its timeout.
    Abandoned,
    /// A budget was used up.
    BudgetExhausted,
    /// An operator ended it.
    Cancelled,
}

named!(RunOutcome);
