//! Verifies that the ledger is unaltered.

use std::{collections::HashMap, path::Path};

use rusqlite::{Connection, params};
use tollgate_model::{canonical::Sha256Digest, ids::RunId, merkle::Tree, record::leaf_hash};

use super::{LedgerReader, records::StoredRecord, stored_page};
use crate::{
    LedgerError,
    anchor::{Anchor, AnchorState},
    batch::EncodedRecord,
    chain::{Chain, next_chain},
    error::ReadError,
    schema::{FORMAT, READ_MODELS},
    sqlite::{self, from_sql_u64, to_sql_i64},
    state::PendingState,
};

/// Records are checked this many at a time.
const PAGE: u64 = 1024;

/// The verified state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Records.
    pub size: u64,
    /// The tree of their hashes. Its root covers all of them.
    pub tree: Tree,
}

/// A check in progress.
struct Check<'a> {
    path: String,
    anchor: Option<(&'a Anchor, AnchorState)>,
    tree: Tree,
    chain: Chain,
    /// The last record of each run.
    last: HashMap<RunId, u64>,
    /// The read models rebuilt from the records, in a temporary database.
    pending: PendingState,
}

impl LedgerReader {
    /// Verifies the ledger: no record is missing or altered, each is at its position and names the previous
    /// record of its run, the whole agrees with the anchor next to `key`, payloads have their digests, and
    /// the read models agree with the records. `progress` gets the number of checked records.
    ///
    /// # Errors
    /// [`LedgerError::Altered`] names the first wrong record, [`LedgerError::Rollback`] a difference from
    /// the anchor, [`LedgerError::ReadModel`] the first table that differs from the records.
    pub fn verify(
        &self,
        key: Option<&Path>,
        mut progress: impl FnMut(u64),
    ) -> Result<Verification, LedgerError> {
        let anchor = key.map(|key| Anchor::of_key(key, &[]));
        let state = anchor.as_ref().map(|anchor| {
            let read = anchor.read().map_err(|e| LedgerError::Store {
                path: anchor.path().display().to_string(),
                reason: e.to_string(),
            });
            read.map(|state| state.map(|state| (anchor, state)))
        });
        let mut check = Check {
            path: self.shown(),
            anchor: state.transpose()?.flatten(),
            tree: Tree::default(),
            chain: Chain::default(),
            last: HashMap::new(),
            pending: PendingState::default(),
        };
        let failed = |e: ReadError| e.at(&self.shown());
        let rebuilt = rebuilt_models().map_err(|e| failed(e.into()))?;
        // One read transaction, so that later commits do not mix with earlier reads.
        let differs = self.snapshot(|live| {
            loop {
                let page = stored_page(live, check.tree.size(), PAGE)?;
                if page.is_empty() {
                    break;
                }
                for stored in page {
                    check.record(&rebuilt, stored)?;
                }
                check.pending.forget_runs();
                progress(check.tree.size());
            }
            check.end()?;
            for table in READ_MODELS {
                let rows = difference(&rebuilt, live, table)?;
                if rows > 0 {
                    return Ok(Some((*table, rows)));
                }
            }
            Ok(None)
        })?;
        self.verify_payloads()?;
        if let Some((table, rows)) = differs {
            return Err(LedgerError::ReadModel {
                path: self.shown(),
                table,
                rows,
            });
        }
        Ok(Verification {
            size: check.tree.size(),
            tree: check.tree,
        })
    }

    /// Whether the sealed payloads have their digests. A payload may be absent after its retention; the
    /// records still contain its digest.
    fn verify_payloads(&self) -> Result<(), LedgerError> {
        let mut after = -1_i64;
        loop {
            let page = self.with(|conn| {
                let mut select = conn.prepare_cached(
                    "SELECT id, digest, ciphertext FROM payloads WHERE id > ?1 ORDER BY id LIMIT ?2",
                )?;
                let rows = select.query_map(params![after, to_sql_i64(PAGE)], |row| {
                    let whole = Sha256Digest::of(row.get_ref(2)?.as_blob()?);
                    Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)? == whole.as_bytes()))
                })?;
                Ok(rows.collect::<rusqlite::Result<Vec<(i64, bool)>>>()?)
            })?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = *last;
            if let Some((id, _)) = page.iter().find(|(_, whole)| !whole) {
                return Err(LedgerError::Altered {
                    path: self.shown(),
                    index: from_sql_u64(id >> 16),
                    reason: "a payload of its batch does not have its digest".into(),
                });
            }
        }
    }
}

impl Check<'_> {
    fn record(&mut self, rebuilt: &Connection, stored: StoredRecord) -> Result<(), ReadError> {
        let expected = self.tree.size();
        if stored.index != expected {
            return Err(self.altered(expected, "it is missing"));
        }
        let StoredRecord { index, prev, .. } = stored;
        let computed = leaf_hash(&stored.leaf);
        if computed.as_slice() != stored.hash {
            return Err(self.altered(index, "its bytes do not have its hash"));
        }
        self.chain = next_chain(&self.chain, &computed);
        if self.chain.as_slice() != stored.chain {
            return Err(self.altered(index, "it is not at its position"));
        }
        let Ok(encoded) = stored.encode() else {
            return Err(self.altered(index, "its bytes are not a record"));
        };
        let run = encoded.record.run;
        if prev != run.and_then(|run| self.last.insert(run, index)) {
            let reason = "it names the wrong record as the one before it in its run";
            return Err(self.altered(index, reason));
        }
        self.apply(rebuilt, &encoded)?;
        self.tree.push(computed);
        match &self.anchor {
            Some((_, anchored))
                if anchored.tree.size() == self.tree.size() && anchored.tree != self.tree =>
            {
                let size = self.tree.size();
                Err(self.rollback(format!(
                    "its first {size} records are not those that were there"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Apply a record to the rebuilt read models.
    fn apply(&mut self, rebuilt: &Connection, encoded: &EncodedRecord) -> Result<(), ReadError> {
        let index = self.tree.size();
        match self.pending.replay(rebuilt, encoded) {
            Ok(_) => Ok(()),
            Err(error) => match error.at(index) {
                ReadError::Damaged(reason) => Err(self.altered(index, &reason)),
                other => Err(other),
            },
        }
    }

    /// After the last record.
    fn end(&self) -> Result<(), ReadError> {
        match &self.anchor {
            Some((_, anchored)) if anchored.tree.size() > self.tree.size() => {
                let size = anchored.tree.size();
                Err(self.rollback(format!("it has held {size} records")))
            }
            _ => Ok(()),
        }
    }

    fn altered(&self, index: u64, reason: &str) -> ReadError {
        ReadError::Ledger(LedgerError::Altered {
            path: self.path.clone(),
            index,
            reason: reason.to_owned(),
        })
    }

    fn rollback(&self, reason: String) -> ReadError {
        let anchor = self.anchor.as_ref().map(|(anchor, _)| anchor.path());
        ReadError::Ledger(LedgerError::Rollback {
            path: self.path.clone(),
            anchor: anchor
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
            reason,
        })
    }
}

/// An empty ledger in a temporary database, which SQLite keeps in memory and spills to a file of its own.
fn rebuilt_models() -> rusqlite::Result<Connection> {
    let conn = Connection::open("")?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "off")?;
    FORMAT.migrate(&conn)?;
    // One transaction: the database ends with the connection.
    conn.execute_batch("BEGIN")?;
    Ok(conn)
}

/// Rows of a read model that one database has and the other does not.
fn difference(rebuilt: &Connection, live: &Connection, table: &str) -> Result<u64, ReadError> {
    let columns = sqlite::columns(rebuilt, table)?.join(", ");
    let sql = format!("SELECT {columns} FROM {table} ORDER BY {columns}");
    let (mut one, mut other) = (rebuilt.prepare(&sql)?, live.prepare(&sql)?);
    let (mut one, mut other) = (one.query([])?, other.query([])?);
    let (mut left, mut right) = (
        sqlite::next_values(&mut one)?,
        sqlite::next_values(&mut other)?,
    );
    let mut differ = 0;
    loop {
        match (&left, &right) {
            (None, None) => return Ok(differ),
            (Some(a), Some(b)) if a == b => {
                left = sqlite::next_values(&mut one)?;
                right = sqlite::next_values(&mut other)?;
                continue;
            }
            (Some(a), b) if b.as_ref().is_none_or(|b| sqlite::sorts_before(a, b)) => {
                left = sqlite::next_values(&mut one)?;
            }
            _ => right = sqlite::next_values(&mut other)?,
        }
        differ += 1;
    }
}
