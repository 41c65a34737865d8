//! How a ledger is opened.

use std::path::PathBuf;

/// The location of a ledger and how it is opened.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// The database file.
    pub path: PathBuf,
    /// The file with the 32-byte key that wraps all others, outside the store. It is created with a new
    /// store, with mode 0600. An existing store does not open without it.
    pub key: PathBuf,
    /// Whether every commit is synced to the disk.
    pub sync: Sync,
    /// Runs in memory: at least this many, at most twice as many. Others are read when needed.
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
