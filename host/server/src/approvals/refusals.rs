//! Refused answers, recorded within a rate: strangers can reach the channels of answers, and each record costs
//! the ledger a commit.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tollgate::gate::Gate;
use tollgate_model::{
    entity::Uid,
    ids::ApprovalId,
    record::{AnswerChannel, AnswerRefusal, ApprovalAnswerRefused},
    time::Timestamp,
};

/// Refusals that may be recorded at once.
const BURST: i64 = 20;
/// Microseconds after which one more may be recorded.
const INTERVAL: i64 = 6_000_000;

/// A refused answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefusedAnswer {
    /// Why.
    pub(crate) reason: AnswerRefusal,
    /// The approval; absent unless the gate itself named it to the sender.
    pub(crate) approval: Option<ApprovalId>,
    /// The user; absent unless the channel proved it.
    pub(crate) by: Option<Uid>,
}

impl From<AnswerRefusal> for RefusedAnswer {
    fn from(reason: AnswerRefusal) -> Self {
        Self {
            reason,
            approval: None,
            by: None,
        }
    }
}

/// Which refusals are recorded. Those of senders who proved where they come from have a rate of their own, so that
/// strangers cannot hide them.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog(Mutex<Rates>);

#[derive(Debug, Default)]
struct Rates {
    strangers: Bucket,
    proven: Bucket,
    /// Refusals since the last record of their kind.
    unrecorded: BTreeMap<(AnswerChannel, AnswerRefusal), u64>,
}

/// A bucket of `BURST` records that is refilled.
#[derive(Debug, Default)]
struct Bucket {
    /// Records that were taken out and are not refilled yet, in microseconds.
    taken: i64,
    at: i64,
}

impl Bucket {
    fn take(&mut self, now: Timestamp) -> bool {
        let passed = now.0.saturating_sub(self.at).max(0);
        self.taken = self.taken.saturating_sub(passed).max(0);
        self.at = self.at.max(now.0);
        if self.taken > (BURST - 1) * INTERVAL {
            return false;
        }
        self.taken += INTERVAL;
        true
    }
}

impl RefusalLog {
    /// Records a refusal, unless there are too many; then the next record of its kind counts it.
    pub(crate) async fn record(&self, gate: &Gate, channel: AnswerChannel, refused: RefusedAnswer) {
        let RefusedAnswer {
            reason,
            approval,
            by,
        } = refused;
        let Some(count) = self.count(gate.now(), channel, reason) else {
            return;
        };
        let refused = ApprovalAnswerRefused {
            approval,
            by,
            channel,
            count,
            reason,
        };
        if gate.record_refused_answer(refused).await.is_err() {
            self.add(channel, reason, count);
        }
    }

    /// How many refusals the next record stands for; absent if there is none now.
    fn count(&self, now: Timestamp, channel: AnswerChannel, reason: AnswerRefusal) -> Option<u64> {
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = match is_of_stranger(reason) {
            true => &mut rates.strangers,
            false => &mut rates.proven,
        };
        let may_record = bucket.take(now);
        let unrecorded = rates.unrecorded.entry((channel, reason)).or_default();
        *unrecorded = unrecorded.saturating_add(1);
        may_record.then(|| std::mem::take(unrecorded))
    }

    fn add(&self, channel: AnswerChannel, reason: AnswerRefusal, count: u64) {
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unrecorded = rates.unrecorded.entry((channel, reason)).or_default();
        *unrecorded = unrecorded.saturating_add(count);
    }
}

/// Whether anyone can cause this refusal, without a secret.
fn is_of_stranger(reason: AnswerRefusal) -> bool {
    match reason {
        AnswerRefusal::Malformed
        | AnswerRefusal::Oversized
        | AnswerRefusal::Unsigned
        | AnswerRefusal::WrongSignature
        | AnswerRefusal::Old
        | AnswerRefusal::Future
        | AnswerRefusal::UnknownLink => true,
        AnswerRefusal::Replayed
        | AnswerRefusal::OtherTeam
        | AnswerRefusal::OtherApp
        | AnswerRefusal::OtherChannel
        | AnswerRefusal::UnknownPerson
        | AnswerRefusal::UnknownForm
        | AnswerRefusal::StaleForm
        | AnswerRefusal::ExpiredLink
        | AnswerRefusal::UsedLink
        | AnswerRefusal::RevokedLink
        | AnswerRefusal::SecondLink => false,
    }
}

#[cfg(test)]
mod tests;
