//! What is recorded of a run's begin and end.

use crate::entity::Uid;
use crate::ids::RunId;
use crate::ids::SpanId;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeSet;

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
