//! Standing approvals, as the API shows them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tollgate::enforce;
use tollgate_ledger::StandingRow;
use tollgate_model::{
    entity::Uid,
    ids::{ApprovalId, DecisionId, RunId, StandingId},
    life::StandingState,
    standing::StandingScope,
    time::Timestamp,
};
use utoipa::ToSchema;

use super::PolicyView;

/// A standing approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StandingApprovalView {
    /// Its id, such as `sta-0a1b2c3d4e5f6071`.
    #[schema(value_type = String)]
    pub id: StandingId,
    /// `active`, `exhausted`, `expired`, `revoked` or `voided`.
    #[schema(value_type = String)]
    pub state: StandingState,
    /// The tool.
    pub tool: String,
    /// What it requires of each argument, by JSON pointer, as JSON with invisible characters escaped; only for
    /// a single one, and for those who may answer for such calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Who makes the calls.
    #[schema(value_type = Object)]
    pub principal: Uid,
    /// The user for whom they are made.
    #[schema(value_type = Object)]
    pub on_behalf_of: Uid,
    /// `run`: only calls of this run; `principal`: those of any run.
    #[schema(value_type = String)]
    pub scope: StandingScope,
    /// The run in which it was given.
    #[schema(value_type = String)]
    pub run: RunId,
    /// Components through which the calls are made, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
    /// The approver.
    pub by: String,
    /// Roles that the approver held. They count as far as the approver still has them.
    pub roles: BTreeSet<String>,
    /// What the approver wrote with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The approval with whose answer it was given.
    #[schema(value_type = String)]
    pub approval: ApprovalId,
    /// Policies that it lifts, in the version of then.
    #[schema(value_type = Vec<Object>)]
    pub policies: Vec<PolicyView>,
    /// How many calls it may allow.
    pub max_uses: u64,
    /// The decisions that it allowed, in order.
    #[schema(value_type = Vec<String>)]
    pub uses: Vec<DecisionId>,
    /// When it was given.
    #[schema(value_type = i64)]
    pub granted: Timestamp,
    /// When it ends.
    #[schema(value_type = i64)]
    pub expires: Timestamp,
    /// The user who ended it, or whose halt did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// Why it was ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_because: Option<String>,
}

impl From<StandingRow> for StandingApprovalView {
    fn from(row: StandingRow) -> Self {
        let granted = row.granted;
        let lifts = granted.requirement.lifts.iter();
        let policies = lifts.map(|policy| PolicyView {
            id: policy.id.clone(),
            owner: String::new(),
            reason: String::new(),
        });
        let (ended_by, ended_because) = row
            .ended
            .map_or((None, None), |ended| (ended.by.map(|by| by.id), ended.note));
        Self {
            policies: policies.collect(),
            id: granted.id,
            state: row.state,
            tool: granted.tool,
            pattern: None,
            principal: granted.principal,
            on_behalf_of: granted.on_behalf_of,
            scope: granted.scope,
            run: row.run,
            via: granted.via,
            by: granted.by.id,
            roles: granted.roles,
            note: granted.note,
            approval: granted.approval,
            max_uses: granted.max_uses,
            uses: row.uses,
            granted: row.since,
            expires: granted.expires,
            ended_by,
            ended_because,
        }
    }
}

impl From<enforce::StandingView> for StandingApprovalView {
    fn from(view: enforce::StandingView) -> Self {
        Self {
            pattern: view.pattern,
            ..view.row.into()
        }
    }
}

/// The end of a standing approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StandingRevoked {
    /// Which one.
    #[schema(value_type = String)]
    pub id: StandingId,
    /// Its state now.
    #[schema(value_type = String)]
    pub state: StandingState,
    /// The decision that let this person end it.
    #[schema(value_type = String)]
    pub decision: DecisionId,
    /// Who ended it.
    pub by: String,
}
