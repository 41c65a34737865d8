//! How a ledger is opened.

use std::path::PathBuf;

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
