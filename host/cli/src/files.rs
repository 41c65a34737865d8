//! Atomic replacement of files.

use std::{fs, io, path::Path};

use tollgate_ledger::durable_file::{self, FileMode};

/// Writes `bytes` to the file at `path` atomically. An existing file keeps its mode.
///
/// # Errors
/// See [`durable_file::replace`].
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    durable_file::replace(path, bytes, FileMode::Shared)
}

/// Like [`replace`], unless the file has these bytes already. Returns whether it was written.
///
/// # Errors
/// See [`replace`]; also if the file cannot be read.
pub(crate) fn replace_if_changed(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    match fs::read(path) {
        Ok(found) if found == bytes => return Ok(false),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    replace(path, bytes).map(|()| true)
}

#[cfg(test)]
mod tests;
