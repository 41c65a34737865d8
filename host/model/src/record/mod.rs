//! What the ledger holds: one record per thing that happened.
//!
//! A record's leaf is its RFC 8785 canonical JSON. It never holds an argument, a result or a secret:
//! those are keyed digests, or ciphertexts referred to by digest.

mod approval;
mod call;
mod decision;
mod effect;
mod keyed_digest;
mod operator;
mod run;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{canonical, ids::RunId, leaf, time::Timestamp};

pub use approval::{ApprovalAnswered, ApprovalEscalated, ApprovalRequested, ApprovalResolved};
pub use call::{AdapterLog, CallInvalid, OutcomeRecord, Release, Start, Status, WaitingCall};
pub use decision::{Class, DecisionRecord, Kept};
pub use effect::{Effect, EffectDetails, HttpEffect, SecretEffect};
pub use keyed_digest::KeyedDigest;
pub use operator::{Administered, BundleActivated, Halt, HaltScope};
pub use run::{Arrival, LabelsJoined, Origin, RunEnded, RunOutcome, RunStarted, TraceLink};

/// The version of the record format.
pub const VERSION: u8 = 1;

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// The run it belongs to; absent for what concerns the gate as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The tenant.
    pub tenant: String,
    /// When.
    pub time: Timestamp,
    /// The format's version.
    pub v: u8,
}

impl Record {
    /// A record of the current version.
    #[must_use]
    pub fn new(
        tenant: impl Into<String>,
        run: Option<RunId>,
        time: Timestamp,
        event: Event,
    ) -> Self {
        Self {
            event,
            run,
            tenant: tenant.into(),
            time,
            v: VERSION,
        }
    }

    /// The bytes that the ledger keeps and hashes.
    ///
    /// # Errors
    /// If a field cannot be written as JSON; none can, in practice.
    pub fn leaf(&self) -> Result<Vec<u8>, serde_json::Error> {
        match leaf::sorted(&serde_json::to_vec(self)?) {
            Some(leaf) => Ok(leaf),
            None => canonical::to_canonical(self),
        }
    }
}

/// The hash of a leaf (RFC 6962, section 2.1): SHA-256 of a zero byte and the leaf.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(leaf);
    hash.finalize().into()
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A bundle was put into force.
    BundleActivated(BundleActivated),
    /// A run began.
    RunStarted(RunStarted),
    /// A run ended.
    RunEnded(RunEnded),
    /// A call was refused before any policy: unknown tool, or arguments that do not match.
    CallInvalid(CallInvalid),
    /// A request was decided.
    Decision(Box<DecisionRecord>),
    /// A call's component is about to run.
    Start(Start),
    /// A call's component ran.
    Outcome(OutcomeRecord),
    /// An effect that a component asked for was carried out, or failed.
    Effect(Effect),
    /// A component's own log line, scrubbed and capped.
    AdapterLog(AdapterLog),
    /// A run took on labels of another, whose content reaches it.
    LabelsJoined(LabelsJoined),
    /// A human's answer is asked for.
    ApprovalRequested(Box<ApprovalRequested>),
    /// Somebody answered.
    ApprovalAnswered(ApprovalAnswered),
    /// An approval's state changed for good.
    ApprovalResolved(ApprovalResolved),
    /// Nobody answered in time, so others are asked as well.
    ApprovalEscalated(ApprovalEscalated),
    /// Something was halted.
    Halted(Halt),
    /// A halt was lifted.
    Resumed(Halt),
    /// Another act of an operator.
    Administered(Administered),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        canonical::Sha256Digest,
        ids::{SpanId, hex},
    };

    #[test]
    fn a_record_reads_back_as_written() {
        let record = Record::new(
            "acme",
            Some(RunId::from_bytes([1; 16])),
            Timestamp(1_795_249_800_250_000),
            Event::Start(Start {
                approval: None,
                attempt: 1,
                call: SpanId::from_bytes([2; 8]),
                component: "tickets".into(),
                digest: Sha256Digest::of(b"wasm"),
                executed_by_caller: false,
                labels: std::collections::BTreeSet::new(),
                resumption: false,
                span: SpanId::from_bytes([3; 8]),
                unsandboxed: false,
            }),
        );
        let leaf = record.leaf().unwrap();
        assert_eq!(serde_json::from_slice::<Record>(&leaf).unwrap(), record);
        insta::assert_snapshot!(String::from_utf8(leaf).unwrap());
    }

    #[test]
    fn parts_of_a_digest_do_not_run_together() {
        let digest = |parts: &[&[u8]]| KeyedDigest::of(&[7; 32], 1, parts);
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b"a"]), KeyedDigest::of(&[8; 32], 1, &[b"a"]));
    }

    /// RFC 6962's leaf hash of the empty string, as certificate transparency logs know it.
    #[test]
    fn leaf_hashes_are_rfc_6962() {
        assert_eq!(
            hex(&leaf_hash(b"")),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }
}
