//! Errors of the ledger, and what they mean for the caller.

use rusqlite::ErrorCode;
use tollgate_model::{ids::SeriesId, record::Halt};

/// Why a batch was not committed. Nothing of it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The run's counts have changed: decide again.
    #[error("the run has changed since it was read")]
    RunChanged,
    /// A history fact has changed: decide again.
    #[error("what earlier calls did has changed since it was read")]
    SeriesChanged(SeriesId),
    /// The run has ended or was cancelled.
    #[error("the run has ended")]
    RunEnded,
    /// The approval has changed: read it again.
    #[error("the approval has changed since it was read")]
    ApprovalChanged,
    /// The batch breaks a rule of the ledger, such as the order of a call's records.
    #[error("{0}")]
    Illegal(&'static str),
    /// A halt is in force.
    #[error("{scope} {name} is halted: {reason}")]
    Halted {
        /// The kind of target.
        scope: &'static str,
        /// The target's name.
        name: String,
        /// The given reason.
        reason: String,
    },
    /// The same call has a pending approval.
    #[error("this call already has a pending approval")]
    ApprovalPending,
    /// The principal has as many pending approvals as it may have.
    #[error("{0} approvals are already pending; wait until some are answered")]
    TooManyPending(u64),
    /// The disk or SQLite failed. Without a record there is no effect, so the call is refused.
    #[error("the ledger cannot be written: {0}; free space or repair the disk, then try again")]
    Store(String),
    /// A sync failed. The store is not trusted until the gate is restarted and the ledger verified.
    #[error(
        "the ledger's disk failed to sync, so this gate refuses everything until it is restarted"
    )]
    Poisoned,
    /// The ledger is closing.
    #[error("the gate is shutting down")]
    Closed,
}

impl CommitError {
    /// The error for a halt.
    pub(crate) fn halted(halt: &Halt) -> Self {
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
        /// The kind of damage.
        reason: String,
    },
    /// The store has fewer records than before, or different ones.
    #[error(
        "{path} was replaced or truncated: {reason} (according to {anchor}); put the newest copy back, or accept the \
         loss with `tollgate store restore FILE --accept-loss`"
    )]
    Rollback {
        /// The database file.
        path: String,
        /// The file with the expected size and hash.
        anchor: String,
        /// How they differ.
        reason: String,
    },
    /// A record does not have the bytes that were written.
    #[error("{path}: record {index} was altered: {reason}")]
    Altered {
        /// The database file.
        path: String,
        /// The first such record.
        index: u64,
        /// How it differs.
        reason: String,
    },
    /// A commit failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A read model differs from the records.
    #[error(
        "{path}: the table `{table}` differs from the records ({rows} rows); run `tollgate ledger rebuild`"
    )]
    ReadModel {
        /// The database file.
        path: String,
        /// The first table that differs.
        table: &'static str,
        /// How many of its rows are missing, altered or superfluous.
        rows: u64,
    },
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
        /// What failed, and how to repair it.
        reason: String,
    },
    /// There is nothing with this id.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// The kind of object.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The payload's key was destroyed, or is not in this store.
    #[error("the payload's key of day {day} was destroyed, so it can no longer be read")]
    Sealed {
        /// Days since 1970.
        day: i64,
    },
}

/// Why reading failed; [`ReadError::at`] adds the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Damaged(String),
    #[error("{0}")]
    Other(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl ReadError {
    /// The error of the file at `path`.
    pub(crate) fn at(self, path: &str) -> LedgerError {
        let path = path.to_owned();
        match self {
            Self::Ledger(error) => error,
            Self::Damaged(reason) => LedgerError::Damaged { path, reason },
            Self::Other(reason) => LedgerError::Store { path, reason },
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    LedgerError::Damaged { path, reason: error.to_string() }
                }
                Some(ErrorCode::DiskFull) => {
                    LedgerError::Store { path, reason: "the disk is full; free some space".into() }
                }
                Some(ErrorCode::ReadOnly) => LedgerError::Store {
                    path,
                    reason: "the ledger cannot be written; make its disk, directory and files writable".into(),
                },
                Some(ErrorCode::CannotOpen) => LedgerError::Store {
                    path,
                    reason: "there is no ledger here that can be opened; check `store.url` and the rights to it"
                        .into(),
                },
                _ => LedgerError::Store { path, reason: error.to_string() },
            },
        }
    }
}

/// Why a batch cannot be applied.
#[derive(Debug)]
pub(crate) enum ApplyError {
    /// The batch is not allowed; the store is fine.
    Rejected(CommitError),
    /// The store failed.
    Sqlite(rusqlite::Error),
}

impl ApplyError {
    /// The error for a stored record that cannot be replayed.
    pub(crate) fn at(self, index: u64) -> ReadError {
        match self {
            Self::Sqlite(error) => error.into(),
            Self::Rejected(error) => ReadError::Damaged(format!("record {index}: {error}")),
        }
    }
}

impl From<CommitError> for ApplyError {
    fn from(error: CommitError) -> Self {
        Self::Rejected(error)
    }
}

impl From<rusqlite::Error> for ApplyError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // The tables' constraints are the last line of defence.
            Some(ErrorCode::ConstraintViolation) => {
                rejected("this would violate a constraint of the ledger's tables")
            }
            _ => Self::Sqlite(error),
        }
    }
}

impl From<ReadError> for ApplyError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Sqlite(error) => error.into(),
            other => Self::Rejected(CommitError::Store(other.to_string())),
        }
    }
}

pub(crate) fn rejected(reason: &'static str) -> ApplyError {
    ApplyError::Rejected(CommitError::Illegal(reason))
}
