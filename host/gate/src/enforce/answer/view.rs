//! Answers as data: the same for every surface.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tollgate_model::{
    decision::{Basis, DeterminingPolicy},
    ids::{ApprovalId, DecisionId, RunId, SpanId},
    record::Status,
    time::Timestamp,
};

use super::{Answer, Verdict};
use crate::enforce::{Edit, Refusal};

/// The outcome of a call in one word.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::EnumString, strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum CallOutcome {
    /// It ran, and its result was released.
    Ok,
    /// It ran, and the tool reported a failure.
    ToolError,
    /// It ran, and policy withheld its result.
    Withheld,
    /// Policy denied it.
    Denied,
    /// Policy could not decide it.
    Undecidable,
    /// It waits for an approval.
    Waiting,
    /// An approver rejected it.
    Rejected,
    /// There is no such tool.
    UnknownTool,
    /// The arguments do not match the tool's schema, or the caller is not configured.
    Invalid,
    /// A halt is in force, or stopped it.
    Halted,
    /// The run has ended.
    RunEnded,
    /// It could not be recorded, so it did not run.
    Unrecorded,
    /// It crashed or exceeded a limit, and changed nothing.
    Failed,
    /// It may have happened.
    Indeterminate,
}

tollgate_model::named!(CallOutcome);

/// A policy that determined a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    /// Its `@id`.
    pub id: String,
    /// Its `@owner`.
    pub owner: String,
    /// Its `@reason`, or empty.
    pub reason: String,
}

impl From<&DeterminingPolicy> for PolicyView {
    fn from(determining: &DeterminingPolicy) -> Self {
        Self {
            id: determining.policy.id.clone(),
            owner: determining.owner.clone(),
            reason: determining.reason.clone(),
        }
    }
}

/// The approval that a call waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingView {
    /// Its id.
    pub id: ApprovalId,
    /// The required approvals, as text.
    pub needs: String,
    /// When it expires.
    pub expires: Timestamp,
    /// Effects before the call was stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub happened: Vec<String>,
}

/// An answer without the content that it releases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerView {
    /// How the call ended.
    pub outcome: CallOutcome,
    /// The run; absent if the caller is not configured.
    pub run: Option<RunId>,
    /// The call's span.
    pub call: SpanId,
    /// The decision about the call, or about its result if that is withheld; absent if nothing was decided.
    pub decision: Option<DecisionId>,
    /// Policies that determined that decision. Empty for a released result.
    pub policies: Vec<PolicyView>,
    /// The approval that it waits for.
    pub approval: Option<PendingView>,
    /// What an approver changed of the call before approving it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// JSON pointers into the arguments at which policy had something removed before the call was decided and
    /// executed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub redacted_arguments: BTreeSet<String>,
}

fn policies(basis: &Basis) -> Vec<PolicyView> {
    basis.determining.iter().map(PolicyView::from).collect()
}

impl Answer {
    /// The outcome in one word.
    #[must_use]
    pub fn outcome(&self) -> CallOutcome {
        match &self.verdict {
            Verdict::Released { .. } => CallOutcome::Ok,
            Verdict::ToolError(_) => CallOutcome::ToolError,
            Verdict::Withheld { .. } => CallOutcome::Withheld,
            Verdict::Ended { effects: true, .. }
            | Verdict::Ended {
                status: Status::Indeterminate,
                ..
            } => CallOutcome::Indeterminate,
            Verdict::Ended {
                status: Status::Halted,
                ..
            } => CallOutcome::Halted,
            Verdict::Ended { .. } => CallOutcome::Failed,
            Verdict::Refused(refusal) => refusal.outcome(),
        }
    }

    /// The answer as data.
    #[must_use]
    pub fn view(&self) -> AnswerView {
        let mut view = AnswerView {
            outcome: self.outcome(),
            run: self.run,
            call: self.call,
            decision: self.decision,
            policies: Vec::new(),
            approval: None,
            edit: self.edit.as_deref().cloned(),
            redacted_arguments: BTreeSet::clone(&self.redacted_arguments),
        };
        match &self.verdict {
            Verdict::Withheld { decision, basis } => {
                view.decision = Some(*decision);
                view.policies = policies(basis);
            }
            Verdict::Refused(
                Refusal::Denied { basis, .. } | Refusal::Undecidable { basis, .. },
            ) => {
                view.policies = policies(basis);
            }
            Verdict::Refused(Refusal::Pending {
                basis,
                approval,
                requirement,
                expires,
                happened,
                ..
            }) => {
                view.policies = policies(basis);
                view.approval = Some(PendingView {
                    id: *approval,
                    needs: requirement.to_string(),
                    expires: *expires,
                    happened: happened.clone(),
                });
            }
            _ => {}
        }
        view
    }
}

impl Refusal {
    /// The refusal in one word.
    #[must_use]
    pub fn outcome(&self) -> CallOutcome {
        match self {
            Self::Denied { .. } | Self::TooManyPending { .. } => CallOutcome::Denied,
            Self::Undecidable { .. } => CallOutcome::Undecidable,
            Self::Pending { .. } => CallOutcome::Waiting,
            Self::Rejected { .. } => CallOutcome::Rejected,
            Self::UnknownTool { .. } => CallOutcome::UnknownTool,
            Self::Invalid { .. } => CallOutcome::Invalid,
            Self::Halted { .. } => CallOutcome::Halted,
            Self::RunEnded => CallOutcome::RunEnded,
            Self::Unrecorded { .. } => CallOutcome::Unrecorded,
        }
    }
}
