//! The ledger: the append-only record of every decision, start, outcome, approval and act, and the
//! read models built from it in the same transaction.
//!
//! Nothing is acknowledged before it is durable. A batch is committed whole or not at all, and only
//! if its conditions still hold; the writer never decides anything itself.
//!
//! | file | what it settles |
//! |---|---|
//! | `open` | who owns the store, whether this binary knows it, whether it is whole |
//! | `owner` | [`Ledger`]: what the owner can do |
//! | `queue` | who commits when: the caller itself, or one thread for many |
//! | `writer` | what a commit is; what a failing disk does |
//! | `batch`, `shared`, `faults` | what callers prepare for it, what it shares, what errors mean |
//! | `apply`, `states` | what each record does to the read models, and what it must not do |
//! | `runs` | runs in memory |
//! | `window` | what principals have done lately |
//! | `read` | [`LedgerReader`]: lookups, lists, traces, verification |
//! | `kept` | what components keep |
//! | `keys`, `retention` | keyed digests and sealed payloads, and how these are forgotten |
//! | `recover` | what a crash and the passing of time leave to record |
//! | `maintain`, `backup` | bundles, tokens, rebuilding, backups |
//! | `anchor`, `reserve` | the files that tell a rollback, and that keep space for outcomes |

mod admin;
mod anchor;
mod backup;
mod batch;
mod cache;
mod cached_run;
mod component_state;
mod disk_reserve;
mod group_commit;
mod keys;
mod ledger;
mod lifecycle;
mod open;
mod read;
mod schema;
mod sqlite_error;
mod state;
mod usage_window;
mod writer;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, path::PathBuf};

use serde::Serialize;
use tollgate_model::{
    canonical::Sha256Digest,
    decision::{Requirement, Severity},
    entity::Uid,
    ids::{ApprovalId, RunId, SpanId, TokenId},
    life::ApprovalState,
    record::{ApprovalResolved, Event, Halt, KeyedDigest, Record, RunOutcome, WaitingCall},
    run::RunState,
    span::SpanKind,
    time::Timestamp,
};

pub use backup::{Restore, Restored};
pub use component_state::{Change, Changed, Kept, Place};
pub use keys::Keys;
pub use ledger::Ledger;
pub use lifecycle::{Idle, Recovered, Swept};
pub use read::{ApprovalFilter, LedgerReader, Order, RecordFilter, RunFilter, SealedDay, Verified};
pub use usage_window::{LastRefusal, Used, Window};

/// Where a ledger lies and how it is opened.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// The database file.
    pub path: PathBuf,
    /// The file with the 32-byte key that wraps all others, outside the store. Made, with mode 0600,
    /// with a new store; missing beside an existing store it is an error.
    pub key: PathBuf,
    /// Whether every commit is synced to the disk.
    pub sync: Sync,
    /// Runs kept in memory at least (and twice as many at most); others are read when needed.
    pub cached_runs: usize,
}

/// Whether every commit is synced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Every commit is on the disk before it is acknowledged.
    Full,
    /// Only for measurements: a loss of power loses commits.
    Off,
}

/// What is committed together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// In order.
    pub records: Vec<Record>,
    /// Ciphertexts that they refer to.
    pub payloads: Vec<Payload>,
    /// What must still be true.
    pub conditions: Vec<Condition>,
}

/// Something that must be true for a batch to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The run's counts are those that the decision saw, and it has not ended.
    RunVersion(RunId, u64),
    /// The run has not ended.
    RunOpen(RunId),
    /// The run holds no other labels than these.
    RunLabels(RunId, BTreeSet<String>),
    /// The approval has not changed since it was read: state and number of answers.
    ApprovalUnchanged(ApprovalId, u64),
    /// None of these is halted.
    NotHalted(HaltKeys),
    /// Fewer approvals than this of the principal are pending.
    PendingBelow(Pending, u64),
    /// Fewer calls than this were decided in the window.
    CallsBelow(Window, u64),
}

/// Whose pending approvals are counted, and when: what has expired does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The tenant.
    pub tenant: String,
    /// Who asks.
    pub principal: Uid,
    /// Now.
    pub now: Timestamp,
}

/// What a halt could concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HaltKeys {
    /// The agent or user.
    pub agent: String,
    /// The component; absent for acts outside one.
    pub component: Option<String>,
    /// The tenant.
    pub tenant: String,
    /// The tool; absent for acts outside one.
    pub tool: Option<String>,
}

/// A sealed payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Nonce and ciphertext (XChaCha20-Poly1305).
    pub ciphertext: Vec<u8>,
    /// Days since 1970: which key seals it.
    pub day: i64,
    /// SHA-256 of `ciphertext`.
    pub digest: Sha256Digest,
    /// Whose key seals it.
    pub tenant: String,
}

/// Where a batch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Index of its first record; the others follow.
    pub first: u64,
}

/// Why a batch was not committed. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The run's counts have changed: decide again.
    #[error("the run has changed since it was read")]
    RunChanged,
    /// The run has ended or was cancelled.
    #[error("the run has ended")]
    RunEnded,
    /// The approval has changed: read it again.
    #[error("the approval has changed since it was read")]
    ApprovalChanged,
    /// What the batch does to an approval or a call cannot happen in the state it is in.
    #[error("{0}")]
    Illegal(&'static str),
    /// A halt is in force.
    #[error("{scope} {name} is halted: {reason}")]
    Halted {
        /// What kind of thing.
        scope: &'static str,
        /// Its name.
        name: String,
        /// Why, as whoever halted it said.
        reason: String,
    },
    /// The same approval is pending already.
    #[error("an approval for this call is pending already")]
    ApprovalPending,
    /// The principal has asked for as many approvals as may be pending at once.
    #[error("{0} approvals are pending already; wait until some are answered")]
    TooManyPending(u64),
    /// The disk, or SQLite, refused. No effect happens without a record, so the call is refused.
    #[error("the ledger cannot be written: {0}; free space or repair the disk, then try again")]
    Store(String),
    /// A sync failed: nothing may be trusted until the gate is restarted and the ledger verified.
    #[error(
        "the ledger's disk failed to sync, so this gate refuses everything until it is restarted"
    )]
    Poisoned,
    /// The ledger is closing.
    #[error("the gate is shutting down")]
    Closed,
}

impl CommitError {
    /// That a halt is in force.
    fn halted(halt: &Halt) -> Self {
        Self::Halted {
            scope: halt.scope.as_str(),
            name: halt.name.clone(),
            reason: halt.reason.clone(),
        }
    }
}

/// Why the ledger cannot be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Another process owns it.
    #[error("{path} is in use by another gate (process {pid}); commands reach it by its socket")]
    Owned {
        /// The database file.
        path: String,
        /// The owner's process id, as it wrote it; 0 if unknown.
        pid: u32,
    },
    /// Written by a newer version.
    #[error("{path} has format {found}, newer than this binary's {known}; use the newer tollgate")]
    Newer {
        /// The database file.
        path: String,
        /// Its format.
        found: i64,
        /// The newest that this binary knows.
        known: i64,
    },
    /// The wrapping key is missing or does not fit.
    #[error("{path}: {reason}")]
    Key {
        /// The key file.
        path: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Committed data is damaged.
    #[error("{path} is damaged: {reason}; restore a backup with `tollgate store restore FILE`")]
    Damaged {
        /// The database file.
        path: String,
        /// What was found.
        reason: String,
    },
    /// The store holds less than, or not what, it held before.
    #[error(
        "{path} was replaced or cut: {reason} (says {anchor}); put the newest copy back, or accept the loss with \
         `tollgate store restore FILE --accept-loss`"
    )]
    Rollback {
        /// The database file.
        path: String,
        /// The file that says what it held.
        anchor: String,
        /// How they differ.
        reason: String,
    },
    /// A record is not what was written.
    #[error("{path}: record {index} was altered: {reason}")]
    Altered {
        /// The database file.
        path: String,
        /// The first such record.
        index: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// It could not be recorded.
    #[error(transparent)]
    Refused(#[from] CommitError),
    /// A restore would lose records.
    #[error(
        "the backup ends at record {backup}, the ledger at {current}{}; add --accept-loss to lose the difference, \
         which is recorded", if *.forked { ", and what they share differs" } else { "" }
    )]
    Loss {
        /// Records in the backup.
        backup: u64,
        /// Records in the ledger.
        current: u64,
        /// Whether the backup is of another history.
        forked: bool,
    },
    /// SQLite or the file system refused.
    #[error("{path}: {reason}")]
    Store {
        /// The file.
        path: String,
        /// What it said, and what to do.
        reason: String,
    },
    /// Nothing has this id.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// A payload's key was destroyed, or never was here.
    #[error("the payload's key of day {day} was destroyed, so it can no longer be read")]
    Sealed {
        /// Days since 1970.
        day: i64,
    },
}

/// A run as the gate decides by it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its tenant.
    pub tenant: String,
    /// Who.
    pub principal: Uid,
    /// On whose behalf.
    pub on_behalf_of: Uid,
    /// The root span.
    pub root: SpanId,
    /// When something last happened.
    pub last: Timestamp,
    /// Whether it has ended.
    pub ended: bool,
    /// Its counts. Of the repeats only those of the call that was asked about: a run may have made
    /// more different calls than anybody wants in memory.
    pub state: RunState,
}

/// A token by which an agent or a user names itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// By what it is listed and revoked.
    pub id: TokenId,
    /// Whose: an agent or a user.
    pub principal: Uid,
    /// The user for whom an agent acts; absent: its operator.
    pub on_behalf_of: Option<String>,
    /// What it is for.
    pub name: String,
    /// SHA-256 of the token, which itself is kept nowhere.
    pub hash: Sha256Digest,
    /// When it was made.
    pub created: Timestamp,
    /// When it becomes worthless; absent: never.
    pub expires: Option<Timestamp>,
}

/// How much a ledger holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Records.
    pub records: u64,
    /// Bytes on the disk.
    pub bytes: u64,
}

/// A run, as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// The record that began it.
    pub opened: u64,
    /// Its tenant.
    pub tenant: String,
    /// Who.
    pub principal: Uid,
    /// On whose behalf.
    pub on_behalf_of: Uid,
    /// By what the caller named it.
    pub key: Option<String>,
    /// The root span.
    pub root: SpanId,
    /// When it began.
    pub started: Timestamp,
    /// When something last happened.
    pub last: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
    /// Why it ended.
    pub stop_reason: Option<String>,
    /// Calls.
    pub calls: u64,
    /// Denied calls.
    pub denials: u64,
    /// Calls that ended in an error.
    pub errors: u64,
    /// Approvals that are pending.
    pub pending: u64,
    /// Labels.
    pub labels: BTreeSet<String>,
}

/// A span of a run: what the projection of its records says, and which records those are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpanRow {
    /// Its id.
    pub span: SpanId,
    /// The span above; absent for the root.
    pub parent: Option<SpanId>,
    /// What it stands for.
    pub kind: SpanKind,
    /// Its name.
    pub name: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended; absent while it is open.
    pub end: Option<Timestamp>,
    /// `error.type`.
    pub error: Option<String>,
    /// The record that opened it.
    pub opened: u64,
    /// The record that closed it.
    pub closed: Option<u64>,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApprovalRow {
    /// Its id.
    pub id: ApprovalId,
    /// The record that asked for it; its payload is found by it.
    pub opened: u64,
    /// Its tenant.
    pub tenant: String,
    /// The run that asked.
    pub run: RunId,
    /// The tool span that asked.
    pub call: SpanId,
    /// Its own span.
    pub span: SpanId,
    /// Who asked.
    pub principal: Uid,
    /// On whose behalf.
    pub on_behalf_of: Uid,
    /// The tool.
    pub tool: String,
    /// The component's file.
    pub component: Sha256Digest,
    /// Keyed digest of tool and arguments.
    pub arguments: KeyedDigest,
    /// The sealed canonical arguments, until it is resolved.
    pub payload: Option<Sha256Digest>,
    /// What would lift it.
    pub requirement: Requirement,
    /// The most severe policy among those.
    pub severity: Severity,
    /// Its state.
    pub state: ApprovalState,
    /// Changes with every answer that took effect, and with every state.
    pub version: u64,
    /// When it was asked for.
    pub requested: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
    /// Who approved, with the roles that they hold.
    pub approvers: Vec<(Uid, BTreeSet<String>)>,
    /// How many approvals this call has asked for.
    pub round: u32,
    /// Components through which the call is made, outermost first.
    pub via: Vec<String>,
    /// What the component asks for in mid-call, in short.
    pub capability: Option<String>,
    /// Roles that were asked as well, because nobody answered in time; empty at first.
    pub asked_too: BTreeSet<String>,
    /// Calls that ran up to there, outermost first.
    pub waiting: Vec<WaitingCall>,
}

impl ApprovalRow {
    /// That it is in `state` for good.
    #[must_use]
    pub fn resolved(&self, state: ApprovalState) -> Event {
        self.over(state, None)
    }

    /// That whoever asked withdraws it.
    #[must_use]
    pub fn withdrawn(&self) -> Event {
        self.over(ApprovalState::Cancelled, Some(self.principal.clone()))
    }

    fn over(&self, state: ApprovalState, by: Option<Uid>) -> Event {
        let around = self.waiting.iter().map(|waiting| waiting.call);
        Event::ApprovalResolved(ApprovalResolved {
            around: around.filter(|call| *call != self.call).collect(),
            by,
            call: self.call,
            id: self.id,
            span: self.span,
            state,
            superseded: false,
        })
    }

    /// That it is void, while its call goes on without it.
    #[must_use]
    pub fn superseded(&self) -> Event {
        Event::ApprovalResolved(ApprovalResolved {
            around: Vec::new(),
            by: None,
            call: self.call,
            id: self.id,
            span: self.span,
            state: ApprovalState::Cancelled,
            superseded: true,
        })
    }
}

/// What identifies a call for approvals: the same call never has two pending ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The tenant.
    pub tenant: String,
    /// The run.
    pub run: RunId,
    /// Who.
    pub principal: Uid,
    /// The tool.
    pub tool: String,
    /// The component's file.
    pub component: Sha256Digest,
    /// Keyed digest of tool and arguments.
    pub arguments: KeyedDigest,
    /// Components through which the call is made, outermost first.
    pub via: Vec<String>,
}
