//! What commands print with `--json`, and what crosses the gate's socket. These shapes are stable:
//! fields are added, never renamed or removed. Times are microseconds since 1970.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
pub(crate) use tollgate::outcome::{CallOutcome, PendingView, PolicyView};
use tollgate::{
    call::{Answer, Verdict},
    enforce,
    ledger::ApprovalRow,
    sandbox::Content,
};
use tollgate_core::{
    decision::Severity,
    entity::Uid,
    ids::{ApprovalId, DecisionId, RunId, SpanId},
    life::ApprovalState,
    time::Timestamp,
};

use crate::exit::Exit;

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallReply {
    /// The tool.
    pub(crate) tool: String,
    /// What became of it.
    pub(crate) outcome: CallOutcome,
    /// The exit code that says the same.
    pub(crate) exit: u8,
    /// The run; absent if the caller is not known.
    pub(crate) run: Option<RunId>,
    /// The call's span.
    pub(crate) call: SpanId,
    /// The decision about it; absent if it was not decided.
    pub(crate) decision: Option<DecisionId>,
    /// Policies that determined that decision. Empty for a released result.
    pub(crate) policies: Vec<PolicyView>,
    /// What the caller may read; absent for a result that speaks for itself.
    pub(crate) message: Option<String>,
    /// The result.
    pub(crate) content: Vec<Content>,
    /// Whether policy redacted anything in it.
    pub(crate) redacted: bool,
    /// The approval that it waits for.
    pub(crate) approval: Option<PendingView>,
    /// Microseconds that it took, waiting included.
    pub(crate) micros: u64,
}

impl From<CallOutcome> for Exit {
    fn from(outcome: CallOutcome) -> Self {
        use CallOutcome as O;
        match outcome {
            O::Ok => Self::Ok,
            O::ToolError | O::Failed => Self::ToolError,
            O::Withheld | O::Denied | O::Undecidable | O::Rejected | O::Halted | O::RunEnded => {
                Self::Denied
            }
            O::Waiting => Self::Waiting,
            O::Invalid | O::UnknownTool => Self::Invalid,
            O::Unrecorded => Self::Failure,
            O::Indeterminate => Self::Indeterminate,
        }
    }
}

impl CallReply {
    /// What is shown of an answer to a call of `tool`, which is `known` or not.
    pub(crate) fn new(tool: String, known: bool, answer: Answer, micros: u64) -> Self {
        let message = answer.message();
        let view = answer.view(known);
        let (content, redacted) = match answer.verdict {
            Verdict::Released { content, redacted } => (content, redacted),
            _ => (Vec::new(), false),
        };
        Self {
            tool,
            outcome: view.outcome,
            exit: Exit::from(view.outcome).code(),
            run: view.run,
            call: view.call,
            decision: view.decision,
            policies: view.policies,
            message,
            content,
            redacted,
            approval: view.approval,
            micros,
        }
    }
}

/// An approval, with its arguments where the reader may answer it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ApprovalView {
    /// Its id.
    pub(crate) id: ApprovalId,
    /// Its state.
    pub(crate) state: ApprovalState,
    /// The most severe of the policies that stopped the call.
    pub(crate) severity: Severity,
    /// The tool.
    pub(crate) tool: String,
    /// What its component asks for in mid-call, in short; absent where the call itself is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) capability: Option<String>,
    /// Components through which the call is made, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) via: Vec<String>,
    /// The canonical arguments whole, escaped; absent once it is resolved, and for those who may not
    /// answer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) arguments: Option<String>,
    /// Digest of tool and arguments: what an answer is bound to.
    pub(crate) digest: String,
    /// Who asks.
    pub(crate) principal: Uid,
    /// On whose behalf.
    pub(crate) on_behalf_of: Uid,
    /// The run that asks.
    pub(crate) run: RunId,
    /// The call's span.
    pub(crate) call: SpanId,
    /// Labels of the run; only for a single approval.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) labels: BTreeSet<String>,
    /// Policies that stopped the call and that it would lift.
    pub(crate) policies: Vec<PolicyView>,
    /// What would lift it, in words.
    pub(crate) needs: String,
    /// Who approved so far, with the roles that they hold.
    pub(crate) approvers: Vec<ApproverView>,
    /// When it was asked for.
    pub(crate) requested: Timestamp,
    /// When it expires.
    pub(crate) expires: Timestamp,
    /// How many approvals this very call has asked for.
    pub(crate) round: u32,
}

/// Somebody who approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ApproverView {
    /// Who.
    pub(crate) user: String,
    /// Roles that they held.
    pub(crate) roles: BTreeSet<String>,
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
            capability: row.capability,
            via: row.via,
            tool: row.tool,
            arguments: None,
            digest: row.arguments.as_str().to_owned(),
            principal: row.principal,
            on_behalf_of: row.on_behalf_of,
            run: row.run,
            call: row.call,
            labels: BTreeSet::new(),
            policies: lifts.map(|p| named(&p.id)).collect(),
            needs: row.requirement.to_string(),
            approvers: row
                .approvers
                .into_iter()
                .map(|(user, roles)| ApproverView {
                    user: user.id,
                    roles,
                })
                .collect(),
            requested: row.requested,
            expires: row.expires,
            round: row.round,
        }
    }
}

impl From<enforce::ApprovalView> for ApprovalView {
    fn from(view: enforce::ApprovalView) -> Self {
        let (arguments, labels) = (view.arguments, view.labels);
        Self {
            arguments,
            labels,
            ..view.row.into()
        }
    }
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// Which approval.
    pub(crate) id: ApprovalId,
    /// Its state now.
    pub(crate) state: ApprovalState,
    /// The decision that let this person answer.
    pub(crate) decision: DecisionId,
    /// What is still missing while it is pending.
    pub(crate) needs: Option<String>,
    /// Who answered.
    pub(crate) by: String,
}

/// What a decision was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FactsView {
    /// The request: principal, action, resource, context.
    pub(crate) request: Value,
    /// What was known.
    pub(crate) facts: Value,
}
