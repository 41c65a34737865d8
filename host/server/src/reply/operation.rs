//! Replies to operations of users.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate::{gate::FactsView, stats::PolicyCost};
use tollgate_model::{
    canonical::Sha256Digest, entity::Uid, ids::DecisionId, record::KeyedDigest, time::Timestamp,
};
use utoipa::ToSchema;

use super::TokenView;

/// The effect of a halt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HaltReply {
    /// Running calls that were signalled to stop.
    pub calls: usize,
    /// Approvals that were cancelled.
    pub approvals: usize,
    /// Standing approvals that were voided.
    #[serde(default)]
    pub standing: usize,
}

/// Policies that were put into force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PromotionReply {
    /// The bundle that is in force now.
    #[schema(value_type = String)]
    pub bundle: Sha256Digest,
    /// Files that were written or removed, relative to the directory of policies.
    pub files: Vec<String>,
}

/// What policies cost people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyCosts {
    /// The time from which on records count; absent: from the first on.
    #[schema(value_type = Option<i64>)]
    pub since: Option<Timestamp>,
    /// The time before which records count; absent: all later ones do.
    #[schema(value_type = Option<i64>)]
    pub until: Option<Timestamp>,
    /// By policy, the most questions first: `policy`, `questions`, `calls`, `answers`, `approved`, `edited`,
    /// `rejected`, `expired`, `cancelled`, `approved_ratio`, `in_advance`, and `wait` with `count`, `p50`, `p95`
    /// and `p99` in microseconds.
    #[schema(value_type = Vec<Object>)]
    pub policies: Vec<PolicyCost>,
}

/// A new token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewTokenReply {
    /// Its stored properties.
    pub token: TokenView,
    /// The text of the token. It is returned only here.
    pub text: String,
}

impl std::fmt::Debug for NewTokenReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewTokenReply")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// A copy of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupReply {
    /// The copy.
    #[schema(value_type = String)]
    pub file: PathBuf,
    /// Records in it.
    pub records: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// Days whose keys were destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForgetReply {
    /// The number of days.
    pub days: u64,
}

/// The arguments of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DecisionArguments {
    /// The decision about the call.
    #[schema(value_type = String)]
    pub decision: DecisionId,
    /// Its arguments.
    #[schema(value_type = Object)]
    pub arguments: Value,
}

/// The request and facts of a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DecisionFacts {
    /// The decision.
    #[schema(value_type = String)]
    pub decision: DecisionId,
    /// Request and facts.
    #[schema(value_type = Object)]
    pub facts: FactsView,
}

/// The keyed hash that replaces an entity in an exported file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntityHash {
    /// The entity.
    #[schema(value_type = Object)]
    pub entity: Uid,
    /// Its keyed hash.
    #[schema(value_type = String)]
    pub hash: KeyedDigest,
}
