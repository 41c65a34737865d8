//! The positions of exporters, in a small SQLite file next to the ledger's.
//!
//! If the last commits are lost, some spans are sent again; if the file is lost, all of them. No span is ever missed.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, params};
use tollgate_ledger::sqlite::{
    self, Format, OpenError, Synchronous, WriteOptions, from_sql_u64, to_sql_i64,
};
use tollgate_model::{ids::RunId, time::Timestamp};

use super::ExportError;

/// Commits are not synced, because a lost one only repeats some spans.
const WRITING: WriteOptions = WriteOptions {
    synchronous: Synchronous::Normal,
    cache_kib: 2048,
    busy: Duration::from_secs(5),
    auto_checkpoint: 1000,
};

/// The application id of the state of exporters: `Tole`.
const FORMAT: Format = Format {
    application: 0x546f_6c65,
    migrations: &[include_str!("migrations/0001_export.sql")],
};

/// The path of the file: in the directory of the ledger.
#[must_use]
pub fn state_file(store: &Path) -> PathBuf {
    store.with_file_name("export.db")
}

/// The position and counts of one exporter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The index of the first record that is not processed.
    pub(super) next: u64,
    pub(super) sent: u64,
    pub(super) rejected: u64,
    pub(super) acknowledged: Option<Timestamp>,
    pub(super) failing: Option<String>,
    pub(super) failing_since: Option<Timestamp>,
}

/// The changes of open roots by a page of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Roots {
    pub(super) begun: Vec<RunId>,
    pub(super) sent: Vec<RunId>,
}

pub(super) struct States {
    path: PathBuf,
    conn: Connection,
}

impl States {
    pub(super) fn open(path: &Path) -> Result<Self, ExportError> {
        let open = || {
            adopt(path)?;
            sqlite::open_store(path, &FORMAT, &WRITING)
        };
        match open() {
            Ok(conn) => Ok(Self {
                path: path.to_owned(),
                conn,
            }),
            Err(error) => Err(failed(path, &error)),
        }
    }

    pub(super) fn load(&self, name: &str) -> Result<Option<State>, ExportError> {
        let load = || {
            self.conn
                .prepare_cached(
                    "SELECT next, sent, rejected, acknowledged, failing, failing_since FROM exporters \
                     WHERE name = ?1",
                )?
                .query_row([name], |row| {
                    let timestamp = |column: &str| {
                        let micros: Option<i64> = row.get(column)?;
                        Ok::<_, rusqlite::Error>(micros.map(Timestamp))
                    };
                    Ok(State {
                        next: from_sql_u64(row.get("next")?),
                        sent: from_sql_u64(row.get("sent")?),
                        rejected: from_sql_u64(row.get("rejected")?),
                        acknowledged: timestamp("acknowledged")?,
                        failing: row.get("failing")?,
                        failing_since: timestamp("failing_since")?,
                    })
                })
                .optional()
        };
        load().map_err(|e| failed(&self.path, &e))
    }

    pub(super) fn save(
        &mut self,
        name: &str,
        state: &State,
        roots: &Roots,
    ) -> Result<(), ExportError> {
        let mut save = || {
            let change = self.conn.transaction()?;
            change
                .prepare_cached(
                    "INSERT OR REPLACE INTO exporters \
                         (name, next, sent, rejected, acknowledged, failing, failing_since) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    name,
                    to_sql_i64(state.next),
                    to_sql_i64(state.sent),
                    to_sql_i64(state.rejected),
                    state.acknowledged.map(|at| at.0),
                    state.failing,
                    state.failing_since.map(|at| at.0),
                ])?;
            for run in &roots.begun {
                change
                    .prepare_cached("INSERT OR IGNORE INTO roots (exporter, run) VALUES (?1, ?2)")?
                    .execute(params![name, run.as_bytes()])?;
            }
            for run in &roots.sent {
                change
                    .prepare_cached("DELETE FROM roots WHERE exporter = ?1 AND run = ?2")?
                    .execute(params![name, run.as_bytes()])?;
            }
            change.commit()
        };
        save().map_err(|e| failed(&self.path, &e))
    }

    /// Runs whose root is not exported yet, after `after`, at most `limit`.
    pub(super) fn open_roots(
        &self,
        name: &str,
        after: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<RunId>, ExportError> {
        let after = after.map_or(Vec::new(), |run| run.as_bytes().to_vec());
        let load = || {
            self.conn
                .prepare_cached(
                    "SELECT run FROM roots WHERE exporter = ?1 AND run > ?2 ORDER BY run LIMIT ?3",
                )?
                .query_map(params![name, after, limit], |row| {
                    row.get(0).map(RunId::from_bytes)
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        load().map_err(|e| failed(&self.path, &e))
    }
}

/// Gives a file from before the format was stored its version.
fn adopt(path: &Path) -> Result<(), OpenError> {
    if !path.exists() {
        return Ok(());
    }
    let conn = sqlite::open_read_only(path, WRITING.cache_kib, WRITING.busy)?;
    let application: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: Option<String> = conn.query_row(
        "SELECT group_concat(name, ' ' ORDER BY name) FROM sqlite_schema WHERE type = 'table'",
        [],
        |row| row.get(0),
    )?;
    if application == 0 && tables.as_deref() == Some("exporters roots") {
        sqlite::open_writable(path, &WRITING)?.execute_batch(&format!(
            "BEGIN IMMEDIATE; PRAGMA user_version = 1; PRAGMA application_id = {}; COMMIT",
            FORMAT.application
        ))?;
    }
    Ok(())
}

fn failed(path: &Path, error: &impl std::fmt::Display) -> ExportError {
    ExportError::State {
        path: path.display().to_string(),
        reason: format!(
            "{error}; repair the disk, or remove the file: everything is sent again then"
        ),
    }
}

#[cfg(test)]
mod tests;
