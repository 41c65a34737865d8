//! Answers that come by other ways than the API: links for one person, and what is refused on these ways.

use serde::{Deserialize, Serialize};

use super::KeyedDigest;
use crate::{
    entity::Uid,
    ids::{ApprovalId, LinkId},
    time::Timestamp,
};

/// A link was issued, by which one user may answer one approval, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalLinkIssued {
    /// The approval.
    pub approval: ApprovalId,
    /// Digest of the call that the link shows.
    pub arguments: KeyedDigest,
    /// When it expires.
    pub expires: Timestamp,
    /// Its id.
    pub id: LinkId,
    /// The only user who may use it.
    pub user: Uid,
}

/// A link was revoked before it was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalLinkRevoked {
    /// The approval.
    pub approval: ApprovalId,
    /// The user who revoked it.
    pub by: String,
    /// The link.
    pub id: LinkId,
}

/// The state of a link.
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
pub enum ApprovalLinkState {
    /// It may be used, until it expires.
    Open,
    /// Its user has answered with it.
    Used,
    /// It was revoked.
    Revoked,
}

named!(ApprovalLinkState);

/// Answers were refused before policy decided about them. It holds nothing of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalAnswerRefused {
    /// The approval; absent unless the gate itself named it to the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// The user in whose name it came; absent unless the channel proved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Uid>,
    /// How it came.
    pub channel: AnswerChannel,
    /// How many this record stands for: this one, and those before it that were too many to be recorded.
    pub count: u64,
    /// Why.
    pub reason: AnswerRefusal,
}

/// A way for answers besides the API and the command line.
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
pub enum AnswerChannel {
    /// A button of a message in Slack.
    Slack,
    /// A link for one user.
    Link,
}

named!(AnswerChannel);

/// Why an answer was refused before policy decided about it.
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
pub enum AnswerRefusal {
    /// The request does not have the form of the channel.
    Malformed,
    /// The body is larger than any of the channel, or took too long.
    Oversized,
    /// It has no signature.
    Unsigned,
    /// Its signature is not the sender's.
    WrongSignature,
    /// It was signed too long ago.
    Old,
    /// It claims to be signed in the future.
    Future,
    /// Its signature was used before.
    Replayed,
    /// It comes from another Slack team.
    OtherTeam,
    /// It comes from another Slack app.
    OtherApp,
    /// It comes from another Slack channel.
    OtherChannel,
    /// It comes from a person who is not mapped to a user.
    UnknownPerson,
    /// Its button or form was not made by this gate, or not for this person.
    UnknownForm,
    /// Its form is too old, so the call must be shown again.
    StaleForm,
    /// The link is not one of this gate.
    UnknownLink,
    /// The link has expired.
    ExpiredLink,
    /// The link was used before.
    UsedLink,
    /// The link was revoked, or its user may have none any more.
    RevokedLink,
    /// Another answer by link counts already, and policy asks for more than one person.
    SecondLink,
}

named!(AnswerRefusal);
