//! The records of the ledger: one for each event.
//!
//! A record's leaf is its RFC 8785 canonical JSON. It never contains an argument, a result or a secret:
//! those are keyed digests, or ciphertexts referred to by digest.

mod answer;
mod approval;
mod call;
mod capture;
mod decision;
mod effect;
mod event;
mod format_1;
mod history;
mod keyed_digest;
mod operator;
mod run;
mod standing;

use serde::{Deserialize, Serialize, de::Error as _};
use sha2::{Digest as _, Sha256};

pub use answer::{
    AnswerChannel, AnswerRefusal, ApprovalAnswerRefused, ApprovalLinkIssued, ApprovalLinkRevoked,
    ApprovalLinkState,
};
pub use approval::{
    ApprovalAnswered, ApprovalEscalated, ApprovalRequested, ApprovalResolved, EditedArguments,
    ElicitationAction, ElicitationAnswered, ElicitationMode, ElicitationSummary, Speaker,
    WaitingCall,
};
pub use call::{CallInvalid, OutcomeRecord, Release, Start, Status};
pub use capture::{Class, PayloadRef};
pub use decision::DecisionRecord;
pub use effect::{ComponentLog, Effect, EffectDetails, HttpEffect, SecretEffect};
pub use event::{CallArrival, Event};
pub use history::{CountedCalls, FactEntry};
pub use keyed_digest::{KeyedDigest, keyed_hash};
pub use operator::{AdminAction, AdministrativeAct, BundleActivated, Halt, HaltScope};
pub use run::{Arrival, LabelsJoined, Origin, RunEnded, RunOutcome, RunStarted, TraceLink};
pub use standing::{StandingEnded, StandingGranted};

use crate::{canonical, ids::RunId, leaf, text::printable, time::Timestamp};

/// The version of the record format that is written.
pub const VERSION: u8 = 2;

/// The longest reason why a leaf is not a record, in characters.
const MAX_REASON: usize = 1_000;

/// Why a leaf is not a record. A leaf may come from outside, so what the reason quotes of it is printable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(String);

/// One record. Read it with [`Record::from_leaf`] only, which knows every format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// The run it belongs to; absent if it concerns the gate as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The tenant.
    pub tenant: String,
    /// When it happened, by the gate's clock.
    pub time: Timestamp,
    /// The format's version; always [`VERSION`] in memory, also for leaves of older formats.
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

    /// The bytes that the ledger stores and hashes.
    ///
    /// # Errors
    /// If a field cannot be written as JSON, which does not happen with the types above.
    pub fn leaf(&self) -> Result<Vec<u8>, serde_json::Error> {
        match leaf::sorted(&serde_json::to_vec(self)?) {
            Some(leaf) => Ok(leaf),
            None => canonical::to_canonical(self),
        }
    }

    /// The record in a leaf of the current format or an older one. The leaf itself does not change, because
    /// it was hashed.
    ///
    /// # Errors
    /// The leaf is not JSON, not a record, or of a newer format.
    pub fn from_leaf(leaf: &[u8]) -> Result<Self, RecordError> {
        Self::parse(leaf).map_err(|error| RecordError(printable(&error.to_string(), MAX_REASON)))
    }

    fn parse(leaf: &[u8]) -> Result<Self, serde_json::Error> {
        let Format { v } = serde_json::from_slice(leaf)?;
        let fields: Fields = match v {
            VERSION => serde_json::from_slice(leaf)?,
            1 => serde_json::from_value(format_1::upgrade(serde_json::from_slice(leaf)?))?,
            v => {
                return Err(serde_json::Error::custom(format_args!(
                    "record format {v} is not known to this version of tollgate"
                )));
            }
        };
        let Fields {
            event,
            run,
            tenant,
            time,
        } = fields;
        Ok(Self {
            event,
            run,
            tenant,
            time,
            v: VERSION,
        })
    }
}

/// The format of a leaf.
#[derive(Deserialize)]
struct Format {
    v: u8,
}

/// A record of the current format.
#[derive(Deserialize)]
struct Fields {
    #[serde(flatten)]
    event: Event,
    #[serde(default)]
    run: Option<RunId>,
    tenant: String,
    time: Timestamp,
}

/// The hash of a leaf (RFC 6962, section 2.1): SHA-256 of a zero byte and the leaf.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(leaf);
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
