//! What calls add to history facts.

use serde::{Deserialize, Serialize};

use super::{OutcomeRecord, Status};
use crate::{
    ids::{MaskedAmount, SeriesId, ValueDigest},
    time::Timestamp,
};

/// Which calls count in a history fact.
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
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum CountedCalls {
    /// Calls that were decided, with any outcome.
    Decided,
    /// Calls that were denied.
    Denied,
    /// Calls that started with an approval.
    Approved,
    /// Calls that started, with any outcome.
    Started,
    /// Calls that started and are not known to have failed: running ones, and those whose outcome is not known, too.
    NotFailed,
    /// Calls that have started and have no outcome yet.
    Running,
    /// Calls that ended with a result.
    Succeeded,
    /// Calls whose result was released, redacted or not.
    Released,
    /// Calls that ended without a result.
    Failed,
}

named!(CountedCalls);

impl CountedCalls {
    /// Every value.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Whether a call counts once its outcome is recorded, and not from its decision on.
    #[must_use]
    pub fn is_by_outcome(self) -> bool {
        match self {
            Self::Succeeded | Self::Released | Self::Failed => true,
            Self::Decided
            | Self::Denied
            | Self::Approved
            | Self::Started
            | Self::NotFailed
            | Self::Running => false,
        }
    }

    /// Whether a call that has counted from its decision on may stop counting when it ends.
    #[must_use]
    pub fn is_provisional(self) -> bool {
        matches!(self, Self::NotFailed | Self::Running)
    }

    /// Whether a call that has counted from its decision on no longer counts after this outcome.
    #[must_use]
    pub fn is_released_by(self, outcome: &OutcomeRecord) -> bool {
        match self {
            Self::Running => outcome.status != Status::Pending,
            Self::NotFailed => did_nothing(outcome),
            Self::Decided
            | Self::Denied
            | Self::Approved
            | Self::Started
            | Self::Succeeded
            | Self::Released
            | Self::Failed => false,
        }
    }
}

/// Whether an outcome says that the call had no effect: by the tool's own word, or because it ended before any effect
/// was begun.
fn did_nothing(outcome: &OutcomeRecord) -> bool {
    match outcome.status {
        Status::ToolError => true,
        Status::Trap
        | Status::Timeout
        | Status::FuelExhausted
        | Status::MemoryExhausted
        | Status::Halted => outcome.effects == 0,
        Status::Ok | Status::Pending | Status::Indeterminate => false,
    }
}

/// What one call adds to one series of a history fact. It holds digests and masked amounts, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactEntry {
    /// What it adds to a sum; absent if nothing is added up, or if the value is not a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<MaskedAmount>,
    /// Why it counts, and until when.
    pub counts: CountedCalls,
    /// The fact's name at that time.
    pub fact: String,
    /// More values than are told apart: each counts as one that no other call has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub further: u64,
    /// Whether the series is one of this run alone, and so ends with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_run: bool,
    /// The series.
    pub series: SeriesId,
    /// When it leaves the fact's window; absent: when its run ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The values that the fact distinguishes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ValueDigest>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde passes it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
