//! SQLite as used by every store of Tollgate: private files, connections, formats and their migrations,
//! integers.

use std::{
    cmp::Ordering,
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Rows, TransactionBehavior, types::Value};

/// The format of a store's file, and its migrations.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// `application_id` in the file's header.
    pub application: i32,
    /// The n-th turns version n into version n + 1, from version 0, the empty file.
    pub migrations: &'static [&'static str],
}

impl Format {
    /// The newest version that this binary knows.
    #[must_use]
    pub fn newest(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX)
    }

    /// Whether the file has this application's format, or is empty.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn is_ours(&self, conn: &Connection) -> rusqlite::Result<bool> {
        let application: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let tables: i64 =
            conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok(application == self.application || (application == 0 && tables == 0))
    }

    /// Bring a store to the newest version, in the caller's transaction.
    ///
    /// # Errors
    /// If a migration fails; the caller rolls back.
    pub fn migrate(&self, conn: &Connection) -> rusqlite::Result<()> {
        let from = usize::try_from(version(conn)?).unwrap_or(0);
        for (sql, to) in self.migrations.iter().zip(1_i64..).skip(from) {
            conn.execute_batch(sql)?;
            conn.pragma_update(None, "user_version", to)?;
        }
        conn.pragma_update(None, "application_id", self.application)
    }
}

/// The version of a store; 0 for an empty file.
///
/// # Errors
/// If it cannot be read.
pub fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// When commits reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// Each, before it returns.
    Full,
    /// At checkpoints: a power failure may lose the last commits, but no part of one.
    Normal,
    /// When the system writes them. For measurements.
    Off,
}

impl Synchronous {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Normal => "normal",
            Self::Off => "off",
        }
    }
}

/// How a connection that writes is set up.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions {
    /// When its commits reach the disk.
    pub synchronous: Synchronous,
    /// Page cache, in KiB.
    pub cache_kib: i64,
    /// How long it waits for another connection's write lock.
    pub busy: Duration,
    /// Pages of the log after which SQLite checkpoints by itself, where it ignores a sync that fails. 0: the caller
    /// checkpoints.
    pub auto_checkpoint: u32,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made.
    #[error(transparent)]
    File(#[from] io::Error),
    /// SQLite refuses.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// It has another application's format.
    #[error("this is a database of another program")]
    Foreign,
    /// A newer version wrote it.
    #[error("it has format {found}, newer than {known}, the newest that is known")]
    Newer {
        /// Its version.
        found: i64,
        /// The newest that this binary knows.
        known: i64,
    },
}

/// Open a store to write, in the newest version of its format, or begin one. A file that is refused stays as it is.
///
/// # Errors
/// [`OpenError`].
pub fn open_store(
    path: &Path,
    format: &Format,
    options: &WriteOptions,
) -> Result<Connection, OpenError> {
    create_private(path)?;
    let mut conn = connect_writable(path, options.busy)?;
    if !format.is_ours(&conn)? {
        return Err(OpenError::Foreign);
    }
    let (found, known) = (version(&conn)?, format.newest());
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    configure(&conn, options)?;
    if found < known {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        format.migrate(&tx)?;
        tx.commit()?;
    }
    Ok(conn)
}

/// Creates the file with mode 0600 if it does not exist. SQLite gives its log and index files the same
/// mode.
///
/// # Errors
/// If it cannot be made or written.
pub fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop)
}

/// Open a file that is there, to write.
///
/// # Errors
/// If SQLite cannot open it.
pub fn open_writable(path: &Path, options: &WriteOptions) -> rusqlite::Result<Connection> {
    let conn = connect_writable(path, options.busy)?;
    configure(&conn, options)?;
    Ok(conn)
}

fn connect_writable(path: &Path, busy: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(busy)?;
    Ok(conn)
}

fn configure(conn: &Connection, options: &WriteOptions) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(64);
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", options.synchronous.as_str())?;
    let checkpoint = options.auto_checkpoint;
    conn.pragma_update_and_check(None, "wal_autocheckpoint", checkpoint, |_| Ok(()))?;
    conn.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.pragma_update(None, "cache_size", -options.cache_kib)?;
    conn.pragma_update(None, "trusted_schema", false)
}

/// Open a file to read.
///
/// # Errors
/// If SQLite cannot open it.
pub fn open_read_only(path: &Path, cache_kib: i64, busy: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(busy)?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.pragma_update(None, "cache_size", -cache_kib)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    Ok(conn)
}

/// The file next to `path` whose name has `suffix` added.
#[must_use]
pub fn sibling_path(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A column's integer as an index or count. Table constraints keep those from being negative.
#[must_use]
pub fn from_sql_u64(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

/// An index or count as a column's integer.
#[must_use]
pub fn to_sql_i64(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The names of a table's columns, in order.
pub(crate) fn columns(conn: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut select = conn.prepare("SELECT name FROM pragma_table_info(?1) ORDER BY cid")?;
    let names = select.query_map([table], |row| row.get(0))?;
    names.collect()
}

/// The values of the next row.
pub(crate) fn next_values(rows: &mut Rows<'_>) -> rusqlite::Result<Option<Vec<Value>>> {
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let count = row.as_ref().column_count();
    (0..count)
        .map(|column| row.get(column))
        .collect::<rusqlite::Result<_>>()
        .map(Some)
}

/// Whether a row comes before another one of the same table in SQLite's order.
pub(crate) fn sorts_before(one: &[Value], other: &[Value]) -> bool {
    let compared = one
        .iter()
        .zip(other)
        .map(|(one, other)| compare(one, other));
    compared.into_iter().find(|order| order.is_ne()) == Some(Ordering::Less)
}

/// SQLite's order of the values in a strict table: null, integers, text by bytes, blobs.
fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => one.cmp(other),
        (Value::Text(one), Value::Text(other)) => one.as_bytes().cmp(other.as_bytes()),
        (Value::Blob(one), Value::Blob(other)) => one.cmp(other),
        (Value::Real(one), Value::Real(other)) => one.total_cmp(other),
        _ => rank(one).cmp(&rank(other)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 1,
        Value::Text(_) => 2,
        Value::Blob(_) => 3,
    }
}

#[cfg(test)]
mod tests;
