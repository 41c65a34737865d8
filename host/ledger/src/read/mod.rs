//! Reading: connections that never write, usable next to the owner, in this process or another.
//!
//! Everything is synchronous. A look-up takes microseconds and never waits for the writer. Reading many
//! records belongs on a separate thread.

mod approval_links;
mod approvals;
mod proofs;
pub(crate) mod records;
mod retention;
mod runs;
mod spans;
mod standing;
mod state;
mod tiles;
mod usage;
mod verify;

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rusqlite::{Connection, OptionalExtension as _, params};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::Uid,
    ids::TokenId,
    record::{BundleActivated, Event, Halt, HaltScope},
    time::Timestamp,
};

pub use approval_links::{ApprovalLink, ApprovalLinkFilter};
pub use approvals::ApprovalFilter;
pub(crate) use approvals::pending_of;
pub use records::{Order, RecordFilter};
pub(crate) use records::{stored, stored_page};
pub use retention::SealedDay;
pub use runs::RunFilter;
pub use standing::StandingFilter;
pub use usage::LastRefusal;
pub use verify::Verification;

use crate::{
    LedgerError, Payload, Size, Token,
    columns::uid,
    error::ReadError,
    open::{check_version, keys_for_reading, open_read_only},
    sqlite::{self, from_sql_u64, sibling_path, to_sql_i64},
    sync::lock,
};

/// A reader of a ledger. Clones share their connections.
#[derive(Clone)]
pub struct LedgerReader(Arc<Inner>);

struct Inner {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// Idle connections that are kept.
const IDLE: usize = 8;

impl fmt::Debug for LedgerReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LedgerReader").field(&self.0.path).finish()
    }
}

impl LedgerReader {
    /// Read the ledger at `path`. It need not be owned.
    ///
    /// # Errors
    /// [`LedgerError`] if there is none, or a newer one.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        check_version(path)?;
        let reader = Self::of_owned(path);
        reader.with(|conn| match sqlite::version(conn)? {
            0 => Err(ReadError::Other(
                "the ledger is empty; start the gate once".into(),
            )),
            _ => Ok(()),
        })?;
        Ok(reader)
    }

    /// Read a ledger that this process has opened.
    pub(crate) fn of_owned(path: &Path) -> Self {
        Self(Arc::new(Inner {
            path: path.to_owned(),
            idle: Mutex::default(),
        }))
    }

    /// The keys of this ledger, to open sealed payloads. The owner is not affected.
    ///
    /// # Errors
    /// [`LedgerError::Key`] if `key` is not the file of its wrapping key.
    pub fn keys(&self, key: &Path) -> Result<crate::Keys, LedgerError> {
        keys_for_reading(&self.0.path, key)
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    fn shown(&self) -> String {
        self.0.path.display().to_string()
    }

    /// Use a connection for one statement; two could see different states.
    pub(crate) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, LedgerError> {
        let idle = || lock(&self.0.idle);
        let kept = idle().pop();
        let conn = match kept {
            Some(conn) => conn,
            None => open_read_only(&self.0.path)?,
        };
        let answer = read(&conn).map_err(|e| e.at(&self.shown()));
        // A connection with an open transaction is dropped.
        if conn.is_autocommit() && idle().len() < IDLE {
            idle().push(conn);
        }
        answer
    }

    /// Use a connection in a read transaction: all statements see the same state.
    pub(crate) fn snapshot<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, LedgerError> {
        self.with(|conn| {
            conn.prepare_cached("BEGIN")?.execute([])?;
            let answer = read(conn)?;
            conn.prepare_cached("COMMIT")?.execute([])?;
            Ok(answer)
        })
    }

    /// A bundle by its digest.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn bundle(&self, digest: Sha256Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached("SELECT bytes FROM bundles WHERE digest = ?1")?;
            Ok(select
                .query_row([digest.as_bytes()], |row| row.get(0))
                .optional()?)
        })
    }

    /// The bundle that was activated last.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn active_bundle(&self) -> Result<Option<BundleActivated>, LedgerError> {
        self.snapshot(|conn| {
            let last: Option<i64> =
                conn.query_row("SELECT max(idx) FROM activations", [], |row| row.get(0))?;
            let Some(index) = last.map(from_sql_u64) else {
                return Ok(None);
            };
            let Event::BundleActivated(activated) = stored(conn, index)?.event else {
                let damage = format!("record {index} is not the activation of a bundle");
                return Err(ReadError::Damaged(damage));
            };
            Ok(Some(activated))
        })
    }

    /// The payload that the record at `index`, or another record of its batch, refers to by `digest`.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn payload(
        &self,
        index: u64,
        digest: Sha256Digest,
    ) -> Result<Option<Payload>, LedgerError> {
        self.with(|conn| {
            // The last batch with payloads that begins at or before `index`.
            let mut select = conn.prepare_cached(
                "SELECT tenant, day, ciphertext FROM payloads WHERE digest = ?2 AND id < ?1 AND id >= \
                 (SELECT id >> 16 << 16 FROM payloads WHERE id < ?1 ORDER BY id DESC LIMIT 1)",
            )?;
            let end = to_sql_i64(index.saturating_add(1)) << 16;
            let payload = select.query_row(params![end, digest.as_bytes()], |row| {
                Ok(Payload { tenant: row.get(0)?, day: row.get(1)?, ciphertext: row.get(2)?, digest })
            });
            Ok(payload.optional()?)
        })
    }

    /// Halts in force.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn halts(&self) -> Result<Vec<Halt>, LedgerError> {
        self.with(|conn| {
            let mut select =
                conn.prepare_cached("SELECT scope, name, by, reason FROM halts ORDER BY idx")?;
            let rows = select.query_map([], |row| {
                let scope = HaltScope::from_name(row.get_ref(0)?.as_str()?);
                Ok((scope, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
            let mut halts = Vec::new();
            for row in rows {
                let (scope, name, by, reason) = row?;
                let scope = scope
                    .ok_or_else(|| ReadError::Damaged("a halt has an unknown scope".into()))?;
                halts.push(Halt {
                    by,
                    name,
                    reason,
                    scope,
                });
            }
            Ok(halts)
        })
    }

    /// Labels of what was written into a file through the gate, under this id or its canonical id.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn file_labels(
        &self,
        file: &str,
        canonical: Option<&str>,
    ) -> Result<BTreeSet<String>, LedgerError> {
        self.with(|conn| {
            let mut select =
                conn.prepare_cached("SELECT label FROM file_labels WHERE file IN (?1, ?2)")?;
            Ok(select
                .query_map([Some(file), canonical], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Whether any file ever took on labels.
    pub(crate) fn has_labelled_files(&self) -> Result<bool, LedgerError> {
        self.with(|conn| {
            let any = "SELECT EXISTS (SELECT 1 FROM file_labels)";
            Ok(conn.query_row(any, [], |row| row.get(0))?)
        })
    }

    /// Labels that runs of the principal held since `since`.
    pub(crate) fn labels_since(
        &self,
        tenant: &str,
        principal: &Uid,
        since: Timestamp,
    ) -> Result<BTreeSet<String>, LedgerError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT label FROM principal_labels \
                 WHERE tenant = ?1 AND principal_type = ?2 AND principal_id = ?3 AND held_until > ?4",
            )?;
            let labels = select.query_map(
                params![tenant, principal.kind.name(), principal.id, since.0],
                |row| row.get(0),
            )?;
            Ok(labels.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The token with this id.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn token(&self, id: TokenId) -> Result<Option<Token>, LedgerError> {
        self.with(|conn| {
            let token = conn
                .prepare_cached(&format!("{TOKENS} WHERE id = ?1"))?
                .query_row([id.as_bytes()], token)
                .optional()?;
            Ok(token)
        })
    }

    /// All tokens, sorted by principal and time of creation.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn tokens(&self) -> Result<Vec<Token>, LedgerError> {
        self.with(|conn| {
            let sql = format!("{TOKENS} ORDER BY principal_type, principal_id, created, id");
            let mut select = conn.prepare_cached(&sql)?;
            let tokens = select.query_map([], token)?;
            Ok(tokens.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// How far a subscriber has read: the index of the next record.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn cursor(&self, name: &str) -> Result<Option<u64>, LedgerError> {
        self.with(|conn| {
            let next = conn
                .prepare_cached("SELECT next FROM cursors WHERE name = ?1")?
                .query_row([name], |row| row.get(0).map(from_sql_u64))
                .optional()?;
            Ok(next)
        })
    }

    /// The size of the ledger.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn size(&self) -> Result<Size, LedgerError> {
        let records = self.with(|conn| {
            let last: Option<i64> =
                conn.query_row("SELECT max(idx) FROM records", [], |row| row.get(0))?;
            Ok(last.map_or(0, |last| from_sql_u64(last) + 1))
        })?;
        let length = |path: PathBuf| std::fs::metadata(path).map_or(0, |m| m.len());
        let bytes = length(self.0.path.clone()) + length(sibling_path(&self.0.path, "-wal"));
        Ok(Size { records, bytes })
    }
}

const TOKENS: &str = "SELECT id, principal_type, principal_id, on_behalf_of, name, hash, created, expires, makers, confirmed FROM tokens";

fn token(row: &rusqlite::Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: TokenId::from_bytes(row.get("id")?),
        principal: uid(row, "principal_type", "principal_id")?,
        on_behalf_of: row.get("on_behalf_of")?,
        name: row.get("name")?,
        hash: Sha256Digest::from_bytes(row.get("hash")?),
        created: Timestamp(row.get("created")?),
        expires: row.get::<_, Option<i64>>("expires")?.map(Timestamp),
        // Makers that cannot be read are not known, like those from before they were stored.
        makers: row
            .get::<_, Option<String>>("makers")?
            .and_then(|text| serde_json::from_str(&text).ok()),
        is_confirmed: row.get("confirmed")?,
    })
}
