//! What is recorded of an approval.

use super::KeyedDigest;
use super::WaitingCall;
use crate::canonical::Sha256Digest;
use crate::decision::Requirement;
use crate::entity::Uid;
use crate::ids::ApprovalId;
use crate::ids::SpanId;
use crate::life::ApprovalState;
use crate::time::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeSet;

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
