//! The tables, and how a store comes from one version to the next.

use rusqlite::Connection;

/// Marks a SQLite file as a ledger of ours: `Toll`.
pub(crate) const APPLICATION: i64 = 0x546f_6c6c;

/// How a store of each version becomes one of the next: the first makes an empty file version 1.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_ledger.sql"),
    include_str!("migrations/0002_state.sql"),
    include_str!("migrations/0006_identity.sql"),
    include_str!("migrations/0007_budgets.sql"),
    include_str!("migrations/0008_names.sql"),
];

/// Tables that are recreated from the records.
pub(crate) const READ_MODELS: &[&str] = &[
    "runs",
    "run_labels",
    "run_tools",
    "run_repeats",
    "calls",
    "approvals",
    "approval_answers",
    "approval_waits",
    "approval_groups",
    "halts",
    "principal_labels",
    "principal_calls",
    "file_labels",
    "activations",
];

/// The newest version that this binary knows.
pub(crate) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The version of a store; 0 for an empty file.
pub(crate) fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Whether the file is a ledger, or nothing yet.
pub(crate) fn is_ours(conn: &Connection) -> rusqlite::Result<bool> {
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(application == APPLICATION || (application == 0 && tables == 0))
}

/// Bring a store to the newest version, in the caller's transaction.
pub(crate) fn migrate(conn: &Connection) -> rusqlite::Result<()> {
    let from = usize::try_from(version(conn)?).unwrap_or(0);
    for (sql, to) in MIGRATIONS.iter().zip(1_i64..).skip(from) {
        conn.execute_batch(sql)?;
        conn.pragma_update(None, "user_version", to)?;
    }
    conn.pragma_update(None, "application_id", APPLICATION)
}
