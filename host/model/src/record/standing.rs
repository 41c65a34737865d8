//! Standing approvals: granted, ended. A use is a decision that names it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    canonical::Sha256Digest,
    decision::Requirement,
    entity::Uid,
    ids::{ApprovalId, StandingId},
    life::StandingState,
    standing::StandingScope,
    time::Timestamp,
};

/// An approver approved the calls like one that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StandingGranted {
    /// The approval with whose answer it was given.
    pub approval: ApprovalId,
    /// The approver.
    pub by: Uid,
    /// The channel, such as `cli`.
    pub channel: String,
    /// The component's file; calls of another one are not covered.
    pub component: Sha256Digest,
    /// When it ends.
    pub expires: Timestamp,
    /// Its id.
    pub id: StandingId,
    /// The makers of the token by which the calls are made; calls by a token of others are not covered.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub makers: BTreeSet<String>,
    /// How many calls it may allow.
    pub max_uses: u64,
    /// The approver's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// On whose behalf the calls are.
    pub on_behalf_of: Uid,
    /// Digest of the sealed pattern of arguments.
    pub pattern: Sha256Digest,
    /// Who makes the calls.
    pub principal: Uid,
    /// The approvals that were needed, with the policies that it lifts.
    pub requirement: Requirement,
    /// Roles that the approver held.
    pub roles: BTreeSet<String>,
    /// The calls in which it counts.
    pub scope: StandingScope,
    /// Who makes the calls in the agent's name; absent if the agent itself does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<Uid>,
    /// Users other than the approver who made the token of the answer.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub token_makers: BTreeSet<String>,
    /// The tool.
    pub tool: String,
    /// Components through which the calls are made, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
}

/// A standing approval no longer counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StandingEnded {
    /// The user who ended it; absent if its time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Uid>,
    /// Which one.
    pub id: StandingId,
    /// The user's note, or the halt that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its state now.
    pub state: StandingState,
}
