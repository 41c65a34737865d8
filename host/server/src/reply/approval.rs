//! Approvals, as the API shows them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tollgate::{elicitation::ElicitationView, enforce};
use tollgate_ledger::{ApprovalAnswer, ApprovalLink, ApprovalRow, EarlierRejection};
use tollgate_model::{
    decision::Severity,
    entity::Uid,
    ids::{ApprovalId, DecisionId, LinkId, RunId, SpanId, StandingId},
    life::ApprovalState,
    provenance::ProvenanceSummary,
    record::{ApprovalLinkState, ElicitationMode, ElicitationSummary, Speaker},
    time::Timestamp,
};
use utoipa::ToSchema;

use super::PolicyView;

/// An approval; with its arguments if the reader may answer it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: ApprovalId,
    /// Its state.
    #[schema(value_type = String)]
    pub state: ApprovalState,
    /// The most severe of the policies that stopped the call.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// The tool.
    pub tool: String,
    /// What an upstream server asks a person for; absent if it is an approval of a call or an effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elicitation: Option<ElicitationReply>,
    /// A summary of the effect that needs the approval, or of what a server asks; absent if the call itself needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// Components through which the call is made, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
    /// The complete canonical arguments, escaped; absent once it is resolved, and for readers who may not
    /// answer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// The arguments of the agent's own call, if an approver has changed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_arguments: Option<String>,
    /// The approver who changed the arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_by: Option<String>,
    /// The first approval of its question: calls of the run that wait for the same reason are one question.
    #[schema(value_type = String)]
    pub question: ApprovalId,
    /// The other pending calls of the question; only for a single approval, and in notifications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<QuestionCallView>,
    /// What an answer to the question as a whole is bound to; only for a single approval, if there are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question_digest: Option<String>,
    /// Digest of tool and arguments: what an answer is bound to.
    pub digest: String,
    /// The principal that made the call.
    #[schema(value_type = Object)]
    pub principal: Uid,
    /// The user for whom it acts.
    #[schema(value_type = Object)]
    pub on_behalf_of: Uid,
    /// The user who made the call in the agent's name, and the channel; absent where the agent made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub speaker: Option<Speaker>,
    /// Users other than its own who made the token by which the call was made.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub makers: BTreeSet<String>,
    /// The run of the call.
    #[schema(value_type = String)]
    pub run: RunId,
    /// The call's span.
    #[schema(value_type = String)]
    pub call: SpanId,
    /// Labels of the run; only for a single approval.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// Policies that stopped the call and that it would lift.
    #[schema(value_type = Vec<Object>)]
    pub policies: Vec<PolicyView>,
    /// Where the values of the call come from, for users: {known, asked, sinks, values {POINTER: {origin, role,
    /// sources}}, omitted}; absent where nothing of it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub provenance: Option<Box<ProvenanceSummary>>,
    /// The roles and number of approvals that it needs, as text.
    pub needs: String,
    /// Who approved so far, with the roles that they hold.
    pub approvers: Vec<ApproverView>,
    /// All answers, including rejections and late ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<AnswerRow>,
    /// Rejections of the same call of the same principal, in any run, that still held when this was asked
    /// for; latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected_before: Vec<EarlierRejectionView>,
    /// Roles that were added because no one answered in time.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub escalated_to: BTreeSet<String>,
    /// When it was requested.
    #[schema(value_type = i64)]
    pub requested: Timestamp,
    /// When it expires.
    #[schema(value_type = i64)]
    pub expires: Timestamp,
    /// The number of approvals that this call has requested so far.
    pub round: u32,
}

/// What an upstream server asks a person for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ElicitationReply {
    /// The server's name in the configuration.
    pub upstream: String,
    /// `form`: the fields are given with the answer. `url`: a page is opened.
    #[schema(value_type = String)]
    pub mode: ElicitationMode,
    /// The page's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The server's words and fields, or its page, escaped: `message`, `fields` (`name`, `kind`, `title`,
    /// `description`, `required`, `default`, `options`, `limits`), `url`. Absent once it is resolved, in lists, and for
    /// readers who may not answer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub question: Option<ElicitationView>,
}

impl From<ElicitationSummary> for ElicitationReply {
    fn from(summary: ElicitationSummary) -> Self {
        let ElicitationSummary {
            upstream,
            mode,
            host,
        } = summary;
        Self {
            upstream,
            mode,
            host,
            question: None,
        }
    }
}

/// Another call of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuestionCallView {
    /// Its approval.
    #[schema(value_type = String)]
    pub id: ApprovalId,
    /// The tool.
    pub tool: String,
    /// Its arguments, as those of the approval that is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// Digest of tool and arguments.
    pub digest: String,
    /// Where its values come from, as of the approval that is shown; only in notifications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub provenance: Option<Box<ProvenanceSummary>>,
}

impl From<ApprovalRow> for QuestionCallView {
    fn from(row: ApprovalRow) -> Self {
        Self {
            id: row.id,
            digest: row.shown_digest().as_str().to_owned(),
            tool: row.tool,
            arguments: None,
            provenance: None,
        }
    }
}

impl From<enforce::QuestionCall> for QuestionCallView {
    fn from(call: enforce::QuestionCall) -> Self {
        Self {
            arguments: call.arguments,
            ..call.row.into()
        }
    }
}

/// A user who approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApproverView {
    /// The user.
    pub user: String,
    /// Roles that the user held.
    pub roles: BTreeSet<String>,
}

/// An answer to an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnswerRow {
    /// `approve` or `reject`; `accept`, `decline` or `cancel` of what an upstream server asks.
    pub answer: String,
    /// When it was given.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// The user who answered.
    pub by: String,
    /// How it came, such as `cli`.
    pub channel: String,
    /// The link by which it came; absent for other channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub link: Option<LinkId>,
    /// What the user wrote with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Roles of the user at that time.
    pub roles: BTreeSet<String>,
    /// Whether it counted; an answer that came too late, or with a token that the asking side made, does
    /// not.
    pub took_effect: bool,
    /// Users other than the one who answered who made the token of the answer.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub token_makers: BTreeSet<String>,
}

/// An earlier rejection of the same call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EarlierRejectionView {
    /// The approval that was rejected.
    #[schema(value_type = String)]
    pub id: ApprovalId,
    /// When.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// The user who rejected it.
    pub by: String,
    /// What the user wrote with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl From<EarlierRejection> for EarlierRejectionView {
    fn from(earlier: EarlierRejection) -> Self {
        let EarlierRejection { id, at, by, note } = earlier;
        Self { id, at, by, note }
    }
}

impl From<&ApprovalAnswer> for AnswerRow {
    fn from(answer: &ApprovalAnswer) -> Self {
        Self {
            answer: match (&answer.elicitation, answer.approve) {
                (Some(elicitation), _) => elicitation.action.as_str(),
                (None, true) => "approve",
                (None, false) => "reject",
            }
            .to_owned(),
            at: answer.at,
            by: answer.by.id.clone(),
            channel: answer.channel.clone(),
            link: answer.link,
            note: answer.note.clone(),
            roles: answer.roles.clone(),
            took_effect: answer.took_effect,
            token_makers: answer.token_makers.clone(),
        }
    }
}

impl From<ApprovalRow> for ApprovalView {
    fn from(row: ApprovalRow) -> Self {
        let digest = row.shown_digest().as_str().to_owned();
        let lifts = row.requirement.lifts.iter();
        let named = |id: &str| PolicyView {
            id: id.to_owned(),
            owner: String::new(),
            reason: String::new(),
        };
        Self {
            id: row.id,
            state: row.state,
            severity: row.severity,
            needs: match &row.elicitation {
                Some(_) => answer_needed(&row.requirement.roles()),
                None => row.requirement.to_string(),
            },
            elicitation: row.elicitation.map(Into::into),
            capability: row.capability,
            via: row.via,
            tool: row.tool,
            arguments: None,
            original_arguments: None,
            digest,
            edited_by: row.edited.map(|edited| edited.by.id),
            question: row.question,
            others: Vec::new(),
            question_digest: None,
            principal: row.principal,
            on_behalf_of: row.on_behalf_of,
            speaker: row.speaker,
            run: row.run,
            call: row.call,
            labels: BTreeSet::new(),
            policies: lifts.map(|p| named(&p.id)).collect(),
            provenance: None,
            makers: row.makers,
            approvers: row
                .approvers
                .into_iter()
                .map(|(user, roles)| ApproverView {
                    user: user.id,
                    roles,
                })
                .collect(),
            answers: row.answers.iter().map(AnswerRow::from).collect(),
            rejected_before: row.rejected_before.into_iter().map(Into::into).collect(),
            escalated_to: row.escalated_to,
            requested: row.requested,
            expires: row.expires,
            round: row.round,
        }
    }
}

/// What a question of an upstream server needs, as text.
fn answer_needed(roles: &BTreeSet<String>) -> String {
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    match roles.is_empty() {
        true => "a person's answer".into(),
        false => format!("an answer by {}", roles.join(" or ")),
    }
}

impl From<enforce::ApprovalView> for ApprovalView {
    fn from(view: enforce::ApprovalView) -> Self {
        let (arguments, labels) = (view.arguments, view.labels);
        let question_digest = view.question_digest;
        let mut reply = Self {
            arguments,
            labels,
            original_arguments: view.original_arguments,
            provenance: view.provenance,
            others: view.others.into_iter().map(Into::into).collect(),
            question_digest: question_digest.map(|digest| digest.to_string()),
            ..view.row.into()
        };
        if let Some(elicitation) = &mut reply.elicitation {
            elicitation.question = view.question;
        }
        reply
    }
}

/// A link by which one user may answer one approval, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalLinkView {
    /// The link.
    #[schema(value_type = String)]
    pub id: LinkId,
    /// The approval.
    #[schema(value_type = String)]
    pub approval: ApprovalId,
    /// The only user who may use it.
    pub user: String,
    /// `open`, `used` or `revoked`; an open link may have expired.
    #[schema(value_type = String)]
    pub state: ApprovalLinkState,
    /// When it was issued.
    #[schema(value_type = i64)]
    pub issued: Timestamp,
    /// When it expires.
    #[schema(value_type = i64)]
    pub expires: Timestamp,
}

impl From<ApprovalLink> for ApprovalLinkView {
    fn from(link: ApprovalLink) -> Self {
        Self {
            id: link.id,
            approval: link.approval,
            user: link.user.id,
            state: link.state,
            issued: link.issued,
            expires: link.expires,
        }
    }
}

/// The result of an approval or rejection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnswerOutcome {
    /// The approval.
    #[schema(value_type = String)]
    pub id: ApprovalId,
    /// Its state now.
    #[schema(value_type = String)]
    pub state: ApprovalState,
    /// The decision that let this person answer.
    #[schema(value_type = String)]
    pub decision: DecisionId,
    /// What is still missing while it is pending.
    pub needs: Option<String>,
    /// Who answered.
    pub by: String,
    /// The other calls of the question that were answered with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<AnsweredCall>,
    /// The standing approval that was given with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub standing: Option<StandingId>,
}

/// A call of a question that was answered as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnsweredCall {
    /// The approval.
    #[schema(value_type = String)]
    pub id: ApprovalId,
    /// Its state now.
    #[schema(value_type = String)]
    pub state: ApprovalState,
    /// The decision that let this person answer.
    #[schema(value_type = String)]
    pub decision: DecisionId,
    /// What is still missing while it is pending.
    pub needs: Option<String>,
}

impl From<enforce::ApprovalResult> for AnsweredCall {
    fn from(result: enforce::ApprovalResult) -> Self {
        Self {
            id: result.id,
            state: result.state,
            decision: result.decision,
            needs: result.needs,
        }
    }
}
