//! What is answered as JSON: by the command line with `--json`, by REST, and across the gate's socket.
//! These shapes are stable: fields are added, never renamed or removed. Times are microseconds since 1970.

mod entry;
mod trace;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tollgate::{
    call::{Answer, Verdict},
    enforce::{self, Refusal},
    gate::Gate,
    ledger::{ApprovalRow, Token},
    sandbox::Content,
};
use tollgate_core::{
    decision::{Basis, Severity},
    entity::Uid,
    ids::{ApprovalId, DecisionId, RunId, SpanId, TokenId},
    life::ApprovalState,
    record::Status,
    time::Timestamp,
};
use utoipa::ToSchema;

pub use entry::Entry;
pub use tollgate::people::FactsView;
pub use trace::{Indexed, Span, SpanView, Trace, views};

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallReply {
    /// The tool.
    pub tool: String,
    /// What became of it.
    pub outcome: CallOutcome,
    /// The exit code that says the same.
    pub exit: u8,
    /// The run; absent if the caller is not known.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// The call's span.
    #[schema(value_type = String)]
    pub call: SpanId,
    /// The decision about it; absent if it was not decided.
    #[schema(value_type = Option<String>)]
    pub decision: Option<DecisionId>,
    /// Policies that determined that decision. Empty for a released result.
    pub policies: Vec<PolicyView>,
    /// What the caller may read; absent for a result that speaks for itself.
    pub message: Option<String>,
    /// The result.
    #[schema(value_type = Vec<Object>)]
    pub content: Vec<Content>,
    /// Whether policy redacted anything in it.
    pub redacted: bool,
    /// The approval that it waits for.
    pub approval: Option<PendingView>,
    /// Microseconds that it took, waiting included.
    pub micros: u64,
}

/// What became of a call, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// It ran, and its result was released.
    Ok,
    /// It ran, and the tool says that it failed.
    ToolError,
    /// It ran, and policy keeps its result.
    Withheld,
    /// Policy denied it.
    Denied,
    /// Policy could not decide it.
    Undecidable,
    /// It waits for a human.
    Waiting,
    /// A human rejected it.
    Rejected,
    /// There is no such tool.
    UnknownTool,
    /// The arguments do not match the tool's schema, or nobody knows the caller.
    Invalid,
    /// A halt is in force, or ended it.
    Halted,
    /// The run has ended.
    RunEnded,
    /// It could not be recorded, so it did not run.
    Unrecorded,
    /// It crashed or ran into a limit, and nothing was changed.
    Failed,
    /// It may have happened.
    Indeterminate,
}

impl CallOutcome {
    /// The exit code of the command line that says the same.
    #[must_use]
    pub fn exit(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Unrecorded => 1,
            Self::Withheld
            | Self::Denied
            | Self::Undecidable
            | Self::Rejected
            | Self::Halted
            | Self::RunEnded => 3,
            Self::Waiting => 4,
            Self::ToolError | Self::Failed => 5,
            Self::Invalid | Self::UnknownTool => 6,
            Self::Indeterminate => 7,
        }
    }

    fn of(answer: &Answer) -> Self {
        match &answer.verdict {
            Verdict::Released { .. } => Self::Ok,
            Verdict::ToolError(_) => Self::ToolError,
            Verdict::Withheld { .. } => Self::Withheld,
            Verdict::Ended { effects: true, .. }
            | Verdict::Ended {
                status: Status::Indeterminate,
                ..
            } => Self::Indeterminate,
            Verdict::Ended {
                status: Status::Halted,
                ..
            } => Self::Halted,
            Verdict::Ended { .. } => Self::Failed,
            Verdict::Refused(refusal) => match refusal {
                Refusal::Denied { .. } | Refusal::TooManyPending { .. } => Self::Denied,
                Refusal::Undecidable { .. } => Self::Undecidable,
                Refusal::Pending { .. } => Self::Waiting,
                Refusal::Rejected { .. } => Self::Rejected,
                Refusal::Invalid { .. } => Self::Invalid,
                Refusal::Halted { .. } => Self::Halted,
                Refusal::RunEnded => Self::RunEnded,
                Refusal::Unrecorded { .. } => Self::Unrecorded,
            },
        }
    }
}

/// A policy that determined a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyView {
    /// Its `@id`.
    pub id: String,
    /// Its `@owner`.
    pub owner: String,
    /// Its `@reason`, or empty.
    pub reason: String,
}

/// An approval that a call waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PendingView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: ApprovalId,
    /// What would lift it, in words.
    pub needs: String,
    /// When it expires.
    #[schema(value_type = i64)]
    pub expires: Timestamp,
    /// What the call had done by then, if it was ended in the middle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub happened: Vec<String>,
}

fn policies(basis: &Basis) -> Vec<PolicyView> {
    let view = |d: &tollgate_core::decision::Determining| PolicyView {
        id: d.policy.id.clone(),
        owner: d.owner.clone(),
        reason: d.reason.clone(),
    };
    basis.determining.iter().map(view).collect()
}

impl CallReply {
    /// What is shown of an answer to a call of `tool`, which is `known` or not.
    #[must_use]
    pub fn new(tool: String, known: bool, answer: Answer, micros: u64) -> Self {
        let outcome = match CallOutcome::of(&answer) {
            CallOutcome::Invalid if !known => CallOutcome::UnknownTool,
            outcome => outcome,
        };
        let message = answer.message();
        let (mut content, mut redacted, mut approval, mut decided) =
            (Vec::new(), false, None, Vec::new());
        let mut decision = answer.decision;
        match answer.verdict {
            Verdict::Released {
                content: released,
                redacted: any,
            } => {
                content = released;
                redacted = any;
            }
            Verdict::Withheld {
                decision: withheld,
                basis,
            } => {
                decision = Some(withheld);
                decided = policies(&basis);
            }
            Verdict::Refused(refusal) => match refusal {
                Refusal::Denied { basis, .. } | Refusal::Undecidable { basis, .. } => {
                    decided = policies(&basis)
                }
                Refusal::Pending {
                    basis,
                    approval: id,
                    requirement,
                    expires,
                    happened,
                    ..
                } => {
                    decided = policies(&basis);
                    approval = Some(PendingView {
                        id,
                        needs: requirement.to_string(),
                        expires,
                        happened,
                    });
                }
                _ => {}
            },
            Verdict::ToolError(_) | Verdict::Ended { .. } => {}
        }
        Self {
            tool,
            outcome,
            exit: outcome.exit(),
            run: answer.run,
            call: answer.call,
            decision,
            policies: decided,
            message,
            content,
            redacted,
            approval,
            micros,
        }
    }
}

/// An approval, with its arguments where the reader may answer it.
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
    /// What its component asks for in mid-call, in short; absent where the call itself is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// Components through which the call is made, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
    /// The canonical arguments whole, escaped; absent once it is resolved, and for those who may not
    /// answer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// Digest of tool and arguments: what an answer is bound to.
    pub digest: String,
    /// Who asks.
    #[schema(value_type = Object)]
    pub principal: Uid,
    /// On whose behalf.
    #[schema(value_type = Object)]
    pub on_behalf_of: Uid,
    /// The run that asks.
    #[schema(value_type = String)]
    pub run: RunId,
    /// The call's span.
    #[schema(value_type = String)]
    pub call: SpanId,
    /// Labels of the run; only for a single approval.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// Policies that stopped the call and that it would lift.
    pub policies: Vec<PolicyView>,
    /// What would lift it, in words.
    pub needs: String,
    /// Who approved so far, with the roles that they hold.
    pub approvers: Vec<ApproverView>,
    /// Roles that were asked as well, because nobody answered in time.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub asked_too: BTreeSet<String>,
    /// When it was asked for.
    #[schema(value_type = i64)]
    pub requested: Timestamp,
    /// When it expires.
    #[schema(value_type = i64)]
    pub expires: Timestamp,
    /// How many approvals this very call has asked for.
    pub round: u32,
}

/// Somebody who approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApproverView {
    /// Who.
    pub user: String,
    /// Roles that they held.
    pub roles: BTreeSet<String>,
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
            asked_too: row.asked_too,
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Answered {
    /// Which approval.
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

/// A token, without itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// By what it is revoked.
    #[schema(value_type = String)]
    pub id: TokenId,
    /// Whose: an agent or a user.
    #[schema(value_type = Object)]
    pub principal: Uid,
    /// The user for whom an agent acts; absent: its operator.
    pub on_behalf_of: Option<String>,
    /// What it is for.
    pub name: String,
    /// When it was made.
    #[schema(value_type = i64)]
    pub created: Timestamp,
    /// When it becomes worthless; absent: never.
    #[schema(value_type = Option<i64>)]
    pub expires: Option<Timestamp>,
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
        } = token;
        Self {
            id,
            principal,
            on_behalf_of,
            name,
            created,
            expires,
        }
    }
}

/// Add what policies say of themselves, as far as they are still loaded.
pub fn explain(gate: &Gate, policies: &mut [PolicyView]) {
    let snapshot = gate.snapshot();
    for view in policies {
        if let Some(policy) = snapshot.pdp.policies().get(&view.id) {
            view.owner.clone_from(&policy.determining.owner);
            view.reason.clone_from(&policy.determining.reason);
        }
    }
}
