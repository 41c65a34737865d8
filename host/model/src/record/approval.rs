//! Approvals: asked for, answered, resolved.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{KeyedDigest, PayloadRef};
use crate::{
    canonical::Sha256Digest,
    decision::Requirement,
    entity::Uid,
    ids::{ApprovalId, LinkId, SpanId},
    life::ApprovalState,
    time::Timestamp,
};

/// A call that was suspended because an effect in it needs an approval.
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

/// An approval was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequested {
    /// Digest of the arguments, or of the effect.
    pub arguments: KeyedDigest,
    /// Digest of the arguments that the tool declares, if the call has others as well: by it a rejection is
    /// found again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<KeyedDigest>,
    /// The tool span.
    pub call: SpanId,
    /// The effect that needs the approval, in short; absent if the call itself needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// The component's file.
    pub component: Sha256Digest,
    /// What an upstream server asks for; absent if the call or an effect in it needs an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elicitation: Option<ElicitationSummary>,
    /// When it expires.
    pub expires: Timestamp,
    /// Its id.
    pub id: ApprovalId,
    /// Users other than its own who made the token by which the call was made: they can have made the call.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub makers: BTreeSet<String>,
    /// On whose behalf.
    pub on_behalf_of: Uid,
    /// Digest of the sealed canonical arguments, kept until it is resolved.
    pub payload: Sha256Digest,
    /// Who asks.
    pub principal: Uid,
    /// The first approval of the question that this one joins: another call of the run waits for the same
    /// reason. Absent if it is a question of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<ApprovalId>,
    /// The approvals that are needed.
    pub requirement: Requirement,
    /// The number of approvals that this call has asked for, this one included; from 1.
    pub round: u32,
    /// Its `approval` span.
    pub span: SpanId,
    /// The user who made the call in the agent's name; absent if the agent made it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<Speaker>,
    /// The tool.
    pub tool: String,
    /// Components through which the call is made, outermost first; empty for a call of the agent's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
    /// Calls that end as pending because of it, outermost first: they run again once it is approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingCall>,
}

/// What an upstream server asks a person for, without its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElicitationSummary {
    /// The server's name in the configuration.
    pub upstream: String,
    /// How the person answers.
    pub mode: ElicitationMode,
    /// The host of the page, in lower case and in ASCII; absent for a form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// How a person answers a question of an upstream server, as MCP divides it.
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
pub enum ElicitationMode {
    /// By the fields of a form, which the server gets.
    Form,
    /// On a page of the server's, which the gate does not see.
    Url,
}

named!(ElicitationMode);

/// What a person does about a question of an upstream server, as MCP divides it.
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
pub enum ElicitationAction {
    /// The person gives what is asked for, or opens the page.
    Accept,
    /// The person refuses.
    Decline,
    /// The person does not choose.
    Cancel,
}

named!(ElicitationAction);

/// An answer to a question of an upstream server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElicitationAnswered {
    /// What the person did.
    pub action: ElicitationAction,
    /// What is kept of the content; absent without content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<PayloadRef>,
    /// Digest of the canonical content; absent without content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<KeyedDigest>,
    /// Bytes of the canonical content; 0 without content.
    pub size: u64,
}

/// A user who makes a call in an agent's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Speaker {
    /// The user.
    pub by: Uid,
    /// The channel, such as `cli`.
    pub channel: String,
}

/// The arguments that an approver set instead of the agent's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditedArguments {
    /// Digest of tool and arguments.
    pub digest: KeyedDigest,
    /// Digest of the sealed canonical arguments.
    pub payload: Sha256Digest,
}

/// An approver answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalAnswered {
    /// Whether they approved.
    pub approve: bool,
    /// Who.
    pub by: Uid,
    /// How: `cli`.
    pub channel: String,
    /// The arguments with which they approved the call. Approvals from before are of other arguments, and do
    /// not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<EditedArguments>,
    /// The answer to a question of an upstream server; absent for an approval of a call or an effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elicitation: Option<ElicitationAnswered>,
    /// Which approval.
    pub id: ApprovalId,
    /// The link by which it came; absent for other channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkId>,
    /// The question, if several calls of it were answered at once: its first approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<ApprovalId>,
    /// Roles that they hold.
    pub roles: BTreeSet<String>,
    /// Whether it changed the approval; an answer that came too late, or with a token that the asking side
    /// made, does not.
    pub took_effect: bool,
    /// Users other than the approver who made the token of the answer.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub token_makers: BTreeSet<String>,
    /// The approver's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An approval left the pending state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalResolved {
    /// Tool spans of the calls that enclose the one that asked, outermost first. They wait and end with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enclosing_calls: Vec<SpanId>,
    /// The principal that withdrew it; absent if it ended otherwise.
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
    /// Whether its call continues without it: it is no longer needed, another approval replaces it, or it is a question
    /// of an upstream server, which gets the answer in the middle of the call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub superseded: bool,
}

/// The approval was not answered in time, so more roles may answer it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalEscalated {
    /// Which approval.
    pub id: ApprovalId,
    /// The roles that may answer from now on.
    pub roles: BTreeSet<String>,
}
