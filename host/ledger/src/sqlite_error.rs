//! The meaning of SQLite errors.

use rusqlite::{ErrorCode, ffi};

use crate::CommitError;

/// Whether the store cannot be trusted after this error. A failed write can be tried again. A failed sync cannot:
/// the kernel drops the pages that it could not write (fsync(2), "EIO").
pub(crate) fn poisons(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|e| e.extended_code);
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => extended != Some(ffi::SQLITE_IOERR_WRITE),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => true,
        _ => false,
    }
}

pub(crate) fn store_error(error: &rusqlite::Error) -> CommitError {
    CommitError::Store(match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full".into(),
        Some(ErrorCode::ReadOnly) => "the disk has become read-only".into(),
        _ => error.to_string(),
    })
}
