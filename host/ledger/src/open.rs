//! Opening a store: ownership, format, key, and the check of its end.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use tollgate_model::{
    merkle::Tree,
    record::{Record, leaf_hash},
};
use zeroize::Zeroizing;

use crate::{
    LedgerError, LedgerOptions, Sync,
    anchor::Anchor,
    chain::{Chain, last_hash, next_chain},
    error::ReadError,
    keys,
    schema::FORMAT,
    sqlite::{self, Synchronous, WriteOptions, from_sql_u64, sibling_path, to_sql_i64},
};

/// How long a connection waits for another one's write lock: the writer and the keys share a store.
const BUSY: Duration = Duration::from_secs(10);
/// Records at the end that are checked whenever a store is opened.
const TAIL: u64 = 64;
/// Page caches in KiB: of the writer for the pages that every commit touches, of readers, and of the keys.
const WRITER_CACHE: i64 = 16_384;
const READER_CACHE: i64 = 4096;
const KEYS_CACHE: i64 = 256;

/// Becomes the only owner of a store, until the file is closed.
pub(crate) fn own(path: &Path) -> Result<File, LedgerError> {
    let lock = sibling_path(path, ".lock");
    let refuse = |e: io::Error| unwritable(&lock, &e);
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|e| unwritable(dir, &e))?;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&lock)
        .map_err(refuse)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let read = file.take(16).read_to_string(&mut pid);
            let pid = read.ok().and_then(|_| pid.trim().parse().ok()).unwrap_or(0);
            return Err(LedgerError::Owned {
                path: path.display().to_string(),
                pid,
            });
        }
        Err(TryLockError::Error(e)) => return Err(refuse(e)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(refuse)?;
    Ok(file)
}

fn unwritable(path: &Path, error: &io::Error) -> LedgerError {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => "give this user the right to write there",
        io::ErrorKind::ReadOnlyFilesystem => "mount it writable",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space",
        _ => "check that the directory exists and is writable",
    };
    LedgerError::Store {
        path: path.display().to_string(),
        reason: format!(
            "the ledger must be written, and cannot be: {error}; {remedy}, or set `store.url` to another place"
        ),
    }
}

/// A connection that can write.
pub(crate) fn connect(path: &Path, sync: Sync, cache_kib: i64) -> Result<Connection, LedgerError> {
    sqlite::create_private(path).map_err(|e| unwritable(path, &e))?;
    let options = WriteOptions {
        synchronous: match sync {
            Sync::Full => Synchronous::Full,
            Sync::Off => Synchronous::Off,
        },
        cache_kib,
        busy: BUSY,
        auto_checkpoint: 0,
    };
    sqlite::open_writable(path, &options)
        .map_err(|e| ReadError::from(e).at(&path.display().to_string()))
}

/// An open store.
pub(crate) struct Store {
    pub(crate) conn: Connection,
    pub(crate) master: Zeroizing<[u8; 32]>,
    pub(crate) anchor: Anchor,
    /// The tree of its records.
    pub(crate) tree: Tree,
    /// The chain value of the last record.
    pub(crate) chain: Chain,
    /// The highest time among the last records.
    pub(crate) time: i64,
}

/// Open a store, or begin one. The caller owns it.
pub(crate) fn store(options: &LedgerOptions) -> Result<Store, LedgerError> {
    let shown = options.path.display().to_string();
    let failed = |e: rusqlite::Error| ReadError::from(e).at(&shown);
    let existing = fs::metadata(&options.path).is_ok_and(|m| m.len() > 0);
    // A rollback journal exists only after a crash during creation, before the store had its write-ahead
    // log. It must be rolled back first, which needs a writing connection.
    let unfinished = sibling_path(&options.path, "-journal").exists();
    if existing && !unfinished {
        // Before anything changes, so that the store of another program or version stays as it is.
        check_version(&options.path)?;
    }
    let mut conn = connect(&options.path, options.sync, WRITER_CACHE)?;
    let name = read_store_id(&conn, &shown)?;
    let (master, anchor) = match name {
        Some((name, check)) => {
            let master = verify_wrapping_key(&options.key, &name, &check, &shown)?;
            (master, Anchor::of_key(&options.key, &name))
        }
        None => begin(&mut conn, options)?,
    };
    if sqlite::version(&conn).map_err(failed)? < FORMAT.newest() {
        let tx = conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        FORMAT
            .migrate(&tx)
            .and_then(|()| tx.commit())
            .map_err(failed)?;
    }
    let Tail { size, time, chain } = check_tail(&conn).map_err(|e| e.at(&shown))?;
    let tree = check_anchor(&conn, &anchor, &shown, size)?;
    let tree = extend_tree(&conn, tree, size).map_err(|e| e.at(&shown))?;
    Ok(Store {
        conn,
        master,
        anchor,
        tree,
        chain,
        time,
    })
}

/// A store's id, and its key's check value.
type StoreId = (Vec<u8>, Vec<u8>);

/// The store's id and its key's check value; `None` for an empty store.
pub(crate) fn read_store_id(
    conn: &Connection,
    shown: &str,
) -> Result<Option<StoreId>, LedgerError> {
    let failed = |e: rusqlite::Error| ReadError::from(e).at(shown);
    if sqlite::version(conn).map_err(failed)? == 0 {
        return Ok(None);
    }
    conn.query_row("SELECT name, key_check FROM store", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
    .optional()
    .map_err(failed)
}

fn begin(
    conn: &mut Connection,
    options: &LedgerOptions,
) -> Result<(Zeroizing<[u8; 32]>, Anchor), LedgerError> {
    let shown = options.path.display().to_string();
    let failed = |e: rusqlite::Error| ReadError::from(e).at(&shown);
    if let Some(dir) = options
        .key
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
    {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|e| unwritable(dir, &e))?;
    }
    let name = keys::random::<16>().map_err(|e| LedgerError::Store {
        path: shown.clone(),
        reason: e.to_string(),
    })?;
    let anchor = Anchor::of_key(&options.key, name.as_slice());
    if let Ok(Some(anchored)) = anchor.read()
        && anchored.tree.size() > 0
    {
        return Err(rolled_back(&anchor, &shown, 0, anchored.tree.size()));
    }
    if !options.key.exists() {
        keys::make_master(&options.key)?;
    }
    let master = keys::read_master(&options.key)?;
    let check = keys::key_check(&master, name.as_slice())?;
    let tx = conn
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    FORMAT
        .migrate(&tx)
        .and_then(|()| {
            tx.execute(
                "INSERT INTO store (id, name, key_check) VALUES (1, ?1, ?2)",
                params![name.as_slice(), check],
            )
        })
        .and_then(|_| tx.commit())
        .map_err(failed)?;
    Ok((master, anchor))
}

/// Refuse a file that is not a ledger, or that a newer version wrote.
pub(crate) fn check_version(path: &Path) -> Result<(), LedgerError> {
    let shown = path.display().to_string();
    let failed = |e: rusqlite::Error| ReadError::from(e).at(&shown);
    let conn = open_read_only(path)?;
    if !FORMAT.is_ours(&conn).map_err(failed)? {
        return Err(LedgerError::Store {
            path: shown,
            reason: "this is a database of another program; set `store.url` to another place"
                .into(),
        });
    }
    let (found, known) = (sqlite::version(&conn).map_err(failed)?, FORMAT.newest());
    if found > known {
        return Err(LedgerError::Newer {
            path: shown,
            found,
            known,
        });
    }
    Ok(())
}

/// The wrapping key in `key`, if it is that of the store `shown`.
fn verify_wrapping_key(
    key: &Path,
    name: &[u8],
    check: &[u8],
    shown: &str,
) -> Result<Zeroizing<[u8; 32]>, LedgerError> {
    let master = keys::read_master(key)?;
    if keys::fits(&master, name, check) {
        return Ok(master);
    }
    Err(LedgerError::Key {
        path: key.display().to_string(),
        reason: format!("this is not the key of {shown}; restore the right one from your backup"),
    })
}

/// The keys of the store at `path`, to open what is sealed there.
pub(crate) fn keys_for_reading(path: &Path, key: &Path) -> Result<keys::Keys, LedgerError> {
    let shown = path.display().to_string();
    let conn = open_read_only(path)?;
    let Some((name, check)) = read_store_id(&conn, &shown)? else {
        return Err(LedgerError::Store {
            path: shown,
            reason: "the ledger is empty; start the gate once".into(),
        });
    };
    let master = verify_wrapping_key(key, &name, &check, &shown)?;
    Ok(keys::Keys::new(master, conn, shown))
}

/// A connection that only reads.
pub(crate) fn open_read_only(path: &Path) -> Result<Connection, LedgerError> {
    sqlite::open_read_only(path, READER_CACHE, BUSY)
        .map_err(|e| ReadError::from(e).at(&path.display().to_string()))
}

/// The end of a store.
struct Tail {
    size: u64,
    /// The highest time among the last records.
    time: i64,
    chain: Chain,
}

/// The end of the store, which must be intact.
fn check_tail(conn: &Connection) -> Result<Tail, ReadError> {
    let last: Option<i64> = conn.query_row("SELECT max(idx) FROM records", [], |row| row.get(0))?;
    let size = last.map_or(0, |last| from_sql_u64(last) + 1);
    let first = size.saturating_sub(TAIL);
    let mut chain = match first.checked_sub(1) {
        None => Some(Chain::default()),
        Some(before) => conn
            .query_row(
                "SELECT chain FROM records WHERE idx = ?1",
                [to_sql_i64(before)],
                |row| row.get(0),
            )
            .optional()?,
    };
    let mut select =
        conn.prepare("SELECT idx, leaf, hash, chain FROM records WHERE idx >= ?1 ORDER BY idx")?;
    let mut rows = select.query([to_sql_i64(first)])?;
    let (mut expected, mut time) = (first, 0);
    while let Some(row) = rows.next()? {
        let (index, leaf, hash): (i64, Vec<u8>, [u8; 32]) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let damaged = |what: &str| Err(ReadError::Damaged(format!("record {index} {what}")));
        if from_sql_u64(index) != expected {
            return Err(ReadError::Damaged(format!("record {expected} is missing")));
        }
        if leaf_hash(&leaf) != hash {
            return damaged("does not have the bytes that were written");
        }
        let bound = chain.map(|before| next_chain(&before, &hash));
        if bound != Some(row.get(3)?) {
            return damaged("is not at its position");
        }
        let Ok(record) = Record::from_leaf(&leaf) else {
            return damaged("cannot be read");
        };
        time = time.max(record.time.0);
        chain = bound;
        expected += 1;
    }
    if expected != size {
        return Err(ReadError::Damaged(format!("record {expected} is missing")));
    }
    Ok(Tail {
        size,
        time,
        chain: chain.unwrap_or_default(),
    })
}

fn rolled_back(anchor: &Anchor, shown: &str, size: u64, anchored: u64) -> LedgerError {
    LedgerError::Rollback {
        path: shown.to_owned(),
        anchor: anchor.path().display().to_string(),
        reason: format!("it ends at record {size}, but it has held {anchored}"),
    }
}

/// Compares the store with its anchor. Returns the tree as far as the anchor has it.
fn check_anchor(
    conn: &Connection,
    anchor: &Anchor,
    shown: &str,
    size: u64,
) -> Result<Tree, LedgerError> {
    let path = anchor.path().display().to_string();
    let anchored = anchor.read().map_err(|e| LedgerError::Store {
        path: path.clone(),
        reason: format!(
            "{e}; if `tollgate ledger verify` finds the ledger intact, remove this file"
        ),
    })?;
    let Some(anchored) = anchored else {
        return Ok(Tree::default());
    };
    let other = |reason: String| LedgerError::Rollback {
        path: shown.to_owned(),
        anchor: path.clone(),
        reason,
    };
    if anchored.store != anchor.store() {
        return Err(other(
            "it is a different store from the one that was here".into(),
        ));
    }
    if anchored.tree.size() > size {
        return Err(rolled_back(anchor, shown, size, anchored.tree.size()));
    }
    if last_hash(conn, anchored.tree.size()) != Some(anchored.last) {
        let last = anchored.tree.size().saturating_sub(1);
        return Err(other(format!(
            "its record {last} is not the one that was there"
        )));
    }
    Ok(anchored.tree)
}

/// The tree, extended by the records that it lacks.
fn extend_tree(conn: &Connection, mut tree: Tree, size: u64) -> Result<Tree, ReadError> {
    let mut select = conn.prepare("SELECT hash FROM records WHERE idx >= ?1 ORDER BY idx")?;
    let mut rows = select.query([to_sql_i64(tree.size())])?;
    while let Some(row) = rows.next()? {
        tree.push(row.get(0)?);
    }
    if tree.size() == size {
        Ok(tree)
    } else {
        Err(ReadError::Damaged("records are missing".into()))
    }
}

/// A second writing connection: for keys, which are created and destroyed outside any batch.
pub(crate) fn connect_keys(path: &Path) -> Result<Connection, LedgerError> {
    // A key is durable before it is used, independently of the records.
    let conn = connect(path, Sync::Full, KEYS_CACHE)?;
    let failed = |e: rusqlite::Error| ReadError::from(e).at(&path.display().to_string());
    conn.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))
        .map_err(failed)?;
    Ok(conn)
}
