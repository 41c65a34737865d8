//! The reading side: connections that never write, usable beside the owner, in this process or another.
//!
//! Everything here is synchronous: a lookup takes microseconds, and never waits for the writer. What
//! walks through many records takes as long as they are many, and belongs on a thread of its own.

mod approvals;
mod records;
mod retention;
mod runs;
mod verify;

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::Uid,
    ids::TokenId,
    record::{BundleActivated, Event, Halt, HaltScope, Record},
    time::Timestamp,
};

pub use approvals::ApprovalFilter;
pub(crate) use approvals::pending_of;
pub use records::{Order, RecordFilter};
pub use retention::SealedDay;
pub use runs::RunFilter;
pub use verify::Verified;

use super::{
    LedgerError, Payload, Size, Token,
    cached_run::{int, nat, uid},
    open::{beside, check_version, open_read_only},
};

/// Why reading failed, before it is known which file that was.
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

/// A reader of a ledger. Clones share their connections.
#[derive(Clone)]
pub struct LedgerReader(Arc<Inner>);

struct Inner {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// Connections that are kept for the next reader.
const IDLE: usize = 8;

impl fmt::Debug for LedgerReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LedgerReader").field(&self.0.path).finish()
    }
}

impl LedgerReader {
    /// Read the ledger at `path`, whoever owns it.
    ///
    /// # Errors
    /// [`LedgerError`] if there is none, or a newer one.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        check_version(path)?;
        let reader = Self::of_owned(path);
        reader.with(|conn| match super::schema::version(conn)? {
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

    /// The keys of this ledger, to open what is sealed in it; whoever owns it goes on.
    ///
    /// # Errors
    /// [`LedgerError::Key`] if `key` is not the file of its wrapping key.
    pub fn keys(&self, key: &Path) -> Result<super::Keys, LedgerError> {
        super::open::keys_for_reading(&self.0.path, key)
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    fn shown(&self) -> String {
        self.0.path.display().to_string()
    }

    /// Do something with a connection. Only for one statement: two could see different states.
    pub(crate) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, LedgerError> {
        let idle = || self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let conn = match kept {
            Some(conn) => conn,
            None => open_read_only(&self.0.path)?,
        };
        let answer = read(&conn).map_err(|e| e.at(&self.shown()));
        // A connection whose transaction did not end is not used again.
        if conn.is_autocommit() && idle().len() < IDLE {
            idle().push(conn);
        }
        answer
    }

    /// Do something with a connection that sees one state of the store throughout.
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

    /// The bundle that was put into force last.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn active_bundle(&self) -> Result<Option<BundleActivated>, LedgerError> {
        self.snapshot(|conn| {
            let last: Option<i64> =
                conn.query_row("SELECT max(idx) FROM activations", [], |row| row.get(0))?;
            let Some(index) = last.map(nat) else {
                return Ok(None);
            };
            match stored(conn, index)?.event {
                Event::BundleActivated(activated) => Ok(Some(activated)),
                _ => Err(ReadError::Damaged(format!(
                    "record {index} is no activation of a bundle"
                ))),
            }
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
            let end = int(index.saturating_add(1)) << 16;
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
                conn.prepare_cached("SELECT scope, name, by, reason FROM halts ORDER BY since")?;
            let rows = select.query_map([], |row| {
                let scope = HaltScope::from_name(row.get_ref(0)?.as_str()?);
                Ok((scope, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
            let mut halts = Vec::new();
            for row in rows {
                let (scope, name, by, reason) = row?;
                let scope =
                    scope.ok_or_else(|| ReadError::Damaged("a halt of an unknown kind".into()))?;
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

    /// Labels that were written into a file with what was written there through the gate. It may be known
    /// by its place, too.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn file_labels(
        &self,
        file: &str,
        place: Option<&str>,
    ) -> Result<BTreeSet<String>, LedgerError> {
        self.with(|conn| {
            let mut select =
                conn.prepare_cached("SELECT label FROM file_labels WHERE file IN (?1, ?2)")?;
            Ok(select
                .query_map([Some(file), place], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Whether any file was ever marked with labels.
    pub(crate) fn has_marked(&self) -> Result<bool, LedgerError> {
        self.with(|conn| {
            let any = "SELECT EXISTS (SELECT 1 FROM file_labels)";
            Ok(conn.query_row(any, [], |row| row.get(0))?)
        })
    }

    /// Labels that the principal's runs have held since `since`.
    pub(crate) fn labels_since(
        &self,
        tenant: &str,
        principal: &Uid,
        since: Timestamp,
    ) -> Result<BTreeSet<String>, LedgerError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT label FROM principal_labels \
                 WHERE tenant = ?1 AND principal_type = ?2 AND principal_id = ?3 AND last > ?4",
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

    /// Every token, by whose it is and when it was made.
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

    /// How far somebody outside has been told what the records say: the next index to look at.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn cursor(&self, name: &str) -> Result<Option<u64>, LedgerError> {
        self.with(|conn| {
            let next = conn
                .prepare_cached("SELECT next FROM cursors WHERE name = ?1")?
                .query_row([name], |row| row.get(0).map(nat))
                .optional()?;
            Ok(next)
        })
    }

    /// How much the ledger holds.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn size(&self) -> Result<Size, LedgerError> {
        let records = self.with(|conn| {
            let last: Option<i64> =
                conn.query_row("SELECT max(idx) FROM records", [], |row| row.get(0))?;
            Ok(last.map_or(0, |last| nat(last) + 1))
        })?;
        let length = |path: PathBuf| std::fs::metadata(path).map_or(0, |m| m.len());
        let bytes = length(self.0.path.clone()) + length(beside(&self.0.path, "-wal"));
        Ok(Size { records, bytes })
    }
}

const TOKENS: &str = "SELECT id, principal_type, principal_id, on_behalf_of, name, hash, created, expires FROM tokens";

fn token(row: &rusqlite::Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: TokenId::from_bytes(row.get(0)?),
        principal: uid(row, 1)?,
        on_behalf_of: row.get(3)?,
        name: row.get(4)?,
        hash: Sha256Digest::from_bytes(row.get(5)?),
        created: Timestamp(row.get(6)?),
        expires: row.get::<_, Option<i64>>(7)?.map(Timestamp),
    })
}

/// A record of the store.
fn stored(conn: &Connection, index: u64) -> Result<Record, ReadError> {
    let leaf = conn
        .prepare_cached("SELECT leaf FROM records WHERE idx = ?1")?
        .query_row([int(index)], |row| row.get::<_, Vec<u8>>(0))
        .optional()?;
    let leaf = leaf.ok_or_else(|| ReadError::Damaged(format!("record {index} is missing")))?;
    parsed(index, &leaf)
}

fn parsed(index: u64, leaf: &[u8]) -> Result<Record, ReadError> {
    serde_json::from_slice(leaf)
        .map_err(|_| ReadError::Damaged(format!("record {index} cannot be read")))
}
