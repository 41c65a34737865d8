//! The JSON that REST returns and the command line prints with `--json`. It is stable: fields are added, never
//! renamed or removed. Times are microseconds since 1970.

mod entry;
mod login;
mod operation;
mod trace;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tollgate::{
    elicitation::ElicitationView, enforce, enforce::Answer, enforce::Verdict, gate::AuthorizedCall,
    gate::Gate, tool::Content,
};
use tollgate_ledger::{ApprovalAnswer, ApprovalLink, ApprovalRow, EarlierRejection, Token};
use tollgate_model::{
    decision::{DeterminingPolicy, Severity},
    entity::Uid,
    ids::{ApprovalId, DecisionId, LinkId, RunId, SpanId, TokenId},
    life::ApprovalState,
    provenance::ProvenanceSummary,
    record::{ApprovalLinkState, ElicitationMode, ElicitationSummary, Speaker},
    time::Timestamp,
};
use utoipa::ToSchema;

pub use entry::Entry;
pub use login::{LoginRequestReply, LoginView};
pub use operation::{
    BackupReply, DecisionArguments, DecisionFacts, EntityHash, ForgetReply, HaltReply,
    NewTokenReply, PromotionReply,
};
pub use tollgate::{
    enforce::CallOutcome, enforce::PendingView, enforce::PolicyView, gate::FactsView,
};
pub use trace::{IndexedRecord, Span, SpanView, Trace, views};

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallReply {
    /// The tool.
    pub tool: String,
    /// The outcome of the call.
    #[schema(value_type = String)]
    pub outcome: CallOutcome,
    /// The run; absent if the caller is not known.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// The call's span.
    #[schema(value_type = String)]
    pub call: SpanId,
    /// The decision; absent if the call was not decided.
    #[schema(value_type = Option<String>)]
    pub decision: Option<DecisionId>,
    /// Policies that determined that decision. Empty for a released result.
    #[schema(value_type = Vec<Object>)]
    pub policies: Vec<PolicyView>,
    /// A message for the caller; absent with a released result.
    pub message: Option<String>,
    /// The result.
    #[schema(value_type = Vec<Object>)]
    pub content: Vec<Content>,
    /// Whether policy redacted a part of the result.
    pub redacted: bool,
    /// JSON pointers into the arguments at which policy had something removed before the call was decided and
    /// executed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub redacted_arguments: BTreeSet<String>,
    /// The approval that it waits for.
    #[schema(value_type = Option<Object>)]
    pub approval: Option<PendingView>,
    /// Microseconds that it took, waiting included.
    pub micros: u64,
}

impl CallReply {
    /// The reply to a call of `tool`.
    #[must_use]
    pub fn new(tool: String, answer: Answer, micros: u64) -> Self {
        let message = answer.message();
        let view = answer.view();
        let (content, redacted) = match answer.verdict {
            Verdict::Released { content, redacted } => (content, redacted),
            _ => (Vec::new(), false),
        };
        Self {
            tool,
            outcome: view.outcome,
            run: view.run,
            call: view.call,
            decision: view.decision,
            policies: view.policies,
            message,
            content,
            redacted,
            redacted_arguments: view.redacted_arguments,
            approval: view.approval,
            micros,
        }
    }
}

/// Whether a call may be executed by its caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuthorizeReply {
    /// The tool.
    pub tool: String,
    /// Whether the caller may execute it now. Only this field permits anything.
    pub allowed: bool,
    /// Who executes it: always `external`, outside the sandbox.
    pub execution: String,
    /// Why it is not allowed; absent if it is.
    #[schema(value_type = Option<String>)]
    pub outcome: Option<CallOutcome>,
    /// The run; absent if the caller is not known.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// The call's span, by which its outcome is reported.
    #[schema(value_type = String)]
    pub call: SpanId,
    /// The decision; absent if the call was not decided.
    #[schema(value_type = Option<String>)]
    pub decision: Option<DecisionId>,
    /// The canonical arguments that were decided; absent if it is not allowed.
    pub arguments: Option<String>,
    /// JSON pointers into them at which policy had something removed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub redacted_arguments: BTreeSet<String>,
    /// Policies that determined the decision, if it is not allowed.
    #[schema(value_type = Vec<Object>)]
    pub policies: Vec<PolicyView>,
    /// A message for the caller, if it is not allowed.
    pub message: Option<String>,
    /// The approval that it waits for.
    #[schema(value_type = Option<Object>)]
    pub approval: Option<PendingView>,
}

impl AuthorizeReply {
    /// The reply about a call of `tool`.
    #[must_use]
    pub fn new(tool: String, authorized: Result<AuthorizedCall, Answer>) -> Self {
        let mut reply = Self {
            tool,
            allowed: false,
            execution: "external".into(),
            outcome: None,
            run: None,
            call: SpanId::from_bytes([0; 8]),
            decision: None,
            arguments: None,
            redacted_arguments: BTreeSet::new(),
            policies: Vec::new(),
            message: None,
            approval: None,
        };
        match authorized {
            Ok(authorized) => {
                reply.allowed = true;
                reply.run = Some(authorized.run);
                reply.call = authorized.call;
                reply.decision = Some(authorized.decision);
                reply.arguments = Some(authorized.arguments);
                reply.redacted_arguments = authorized.redacted_arguments;
            }
            Err(answer) => {
                let view = answer.view();
                reply.message = answer.message();
                reply.outcome = Some(view.outcome);
                reply.run = view.run;
                reply.call = view.call;
                reply.decision = view.decision;
                reply.policies = view.policies;
                reply.approval = view.approval;
            }
        }
        reply
    }
}

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
            digest: row.arguments.as_str().to_owned(),
            principal: row.principal,
            on_behalf_of: row.on_behalf_of,
            speaker: row.speaker,
            makers: row.makers,
            run: row.run,
            call: row.call,
            labels: BTreeSet::new(),
            policies: lifts.map(|p| named(&p.id)).collect(),
            provenance: None,
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
        let mut reply = Self {
            arguments,
            labels,
            provenance: view.provenance,
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
}

/// A token without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// The id, by which it can be revoked.
    #[schema(value_type = String)]
    pub id: TokenId,
    /// The agent or user that it identifies.
    #[schema(value_type = Object)]
    pub principal: Uid,
    /// The user for whom an agent acts; absent: its operator.
    pub on_behalf_of: Option<String>,
    /// Its name in the list.
    pub name: String,
    /// When it was made.
    #[schema(value_type = i64)]
    pub created: Timestamp,
    /// When it expires; absent: never.
    #[schema(value_type = Option<i64>)]
    pub expires: Option<Timestamp>,
    /// Users other than its own who made it; absent where that is not known.
    pub makers: Option<BTreeSet<String>>,
    /// Whether it is valid; otherwise it waits for a second person.
    pub confirmed: bool,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        let Token {
            id,
            principal,
            on_behalf_of,
            name,
            hash: _,
            created,
            expires,
            makers,
            is_confirmed,
        } = token;
        Self {
            id,
            principal,
            on_behalf_of,
            name,
            created,
            expires,
            makers,
            confirmed: is_confirmed,
        }
    }
}

/// Adds owner and reason of each policy that is still loaded.
pub fn explain(gate: &Gate, policies: &mut [PolicyView]) {
    let ruleset = gate.ruleset();
    let known = ruleset.pdp.policies();
    explain_by(policies, |id| Some(&known.get(id)?.determining));
}

/// Like [`explain`], with `known` to look a policy up by its id.
pub fn explain_by<'a>(
    policies: &mut [PolicyView],
    known: impl Fn(&str) -> Option<&'a DeterminingPolicy>,
) {
    for view in policies {
        if let Some(policy) = known(&view.id) {
            view.owner.clone_from(&policy.owner);
            view.reason.clone_from(&policy.reason);
        }
    }
}
