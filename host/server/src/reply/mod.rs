//! The JSON that REST returns and the command line prints with `--json`. It is stable: fields are added, never
//! renamed or removed. Times are microseconds since 1970.

mod approval;
mod entry;
mod login;
mod operation;
mod preview;
mod standing;
mod trace;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tollgate::{
    enforce::Answer, enforce::Edit, enforce::Verdict, gate::AuthorizedCall, gate::Gate,
    tool::Content,
};
use tollgate_ledger::Token;
use tollgate_model::{
    decision::DeterminingPolicy,
    entity::Uid,
    ids::{DecisionId, RunId, SpanId, TokenId},
    time::Timestamp,
};
use utoipa::ToSchema;

pub use approval::{
    AnswerOutcome, AnswerRow, AnsweredCall, ApprovalLinkView, ApprovalView, ApproverView,
    EarlierRejectionView, ElicitationReply, QuestionCallView,
};
pub use entry::Entry;
pub use login::{LoginRequestReply, LoginView};
pub use operation::{
    BackupReply, DecisionArguments, DecisionFacts, EntityHash, ForgetReply, HaltReply,
    NewTokenReply, PolicyCosts, PromotionReply,
};
pub use preview::PreviewReply;
pub use standing::{StandingApprovalView, StandingRevoked};
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
    /// A message for the caller; with a released result only that an approver changed the call.
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
    /// What an approver changed of the call before approving it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub edit: Option<Edit>,
    /// Microseconds that it took, waiting included.
    pub micros: u64,
}

impl CallReply {
    /// The reply to a call of `tool`.
    #[must_use]
    pub fn new(tool: String, answer: Answer, micros: u64) -> Self {
        let message = answer.message().or_else(|| answer.notice());
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
            edit: view.edit,
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
