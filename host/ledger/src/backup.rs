//! Backups of the store, and restoring one.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};
use tollgate_model::{
    life::ApprovalState,
    record::{AdminAction, AdministrativeAct, Event, Record},
    time::Timestamp,
};

use crate::{
    ApprovalFilter, Batch, Ledger, LedgerError, LedgerOptions, LedgerReader, Size,
    anchor::Anchor,
    chain::last_hash,
    durable_file::sync_directory_of,
    error::ReadError,
    keys, open,
    sqlite::{from_sql_u64, sibling_path},
};

/// Pages copied between two reports.
const STEP: i32 = 1024;

/// How a store is restored.
#[derive(Debug, Clone)]
pub struct Restore {
    /// The backup.
    pub from: PathBuf,
    /// Whether records that the backup does not have may be lost.
    pub accept_loss: bool,
    /// The user, as the record names them.
    pub by: String,
    /// The tenant of the record.
    pub tenant: String,
}

/// The result of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreReport {
    /// Records that the ledger had, as far as known.
    pub before: u64,
    /// Records that the backup had.
    pub records: u64,
    /// The new path of the replaced files, if there were any.
    pub replaced: Option<PathBuf>,
}

impl Ledger {
    /// Copies the ledger's current state into a single file, while it stays in use. The key is not in it.
    /// `progress` gets the number of copied pages and of all pages.
    ///
    /// # Errors
    /// [`LedgerError`]; then `to` does not exist, or is unchanged.
    pub async fn backup(
        &self,
        to: PathBuf,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<Size, LedgerError> {
        let from = self.options().path.clone();
        let copied = tokio::task::spawn_blocking(move || back_up(&from, &to, progress)).await;
        let shown = || self.options().path.display().to_string();
        let size = copied.map_err(|e| LedgerError::Store {
            path: shown(),
            reason: e.to_string(),
        })??;
        self.task(super::writer::Writer::anchor_now).await?;
        Ok(size)
    }

    /// Replaces the store that `options` name by a backup. The backup must be intact, and contain
    /// everything that was recorded according to the store and its anchor, unless the loss is accepted.
    /// Recorded in either case.
    ///
    /// # Errors
    /// [`LedgerError`]: a running gate owns the store, or the file is not a backup, is sealed with another
    /// key, or is damaged; or [`LedgerError::Loss`].
    pub async fn restore(
        options: LedgerOptions,
        restore: Restore,
        now: Timestamp,
    ) -> Result<RestoreReport, LedgerError> {
        let shown = options.path.display().to_string();
        let Restore {
            from,
            accept_loss,
            by,
            tenant,
        } = restore;
        let target = from.display().to_string();
        let replace = {
            let options = options.clone();
            move || replace(&options, &from, accept_loss, now)
        };
        let replaced = tokio::task::spawn_blocking(replace).await;
        let (lock, restored) = replaced.map_err(|e| LedgerError::Store {
            path: shown,
            reason: e.to_string(),
        })??;
        let ledger = Self::open_owned(lock, options, now)?;
        let event = Event::Administered(AdministrativeAct {
            action: AdminAction::StoreRestored,
            by,
            target: format!(
                "{target}: {} records, replacing {}",
                restored.records, restored.before
            ),
        });
        let now = ledger.now(now);
        let mut records = vec![Record::new(tenant, None, now, event)];
        if restored.records < restored.before {
            // An approval of that time may have been used since, so it is voided.
            let open = ledger.reader().approvals(&ApprovalFilter::open())?;
            records.extend(open.into_iter().map(|row| {
                let voided = row.resolved(ApprovalState::Cancelled);
                Record::new(row.tenant, Some(row.run), now, voided)
            }));
        }
        ledger
            .commit(Batch {
                records,
                ..Batch::default()
            })
            .await?;
        ledger.close().await;
        Ok(restored)
    }
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> LedgerError {
    move |e| LedgerError::Store {
        path: path.display().to_string(),
        reason: e.to_string(),
    }
}

fn back_up(from: &Path, to: &Path, progress: impl FnMut(u64, u64)) -> Result<Size, LedgerError> {
    if to.exists()
        && (open::check_version(to).is_err()
            || fs::canonicalize(to).ok() == fs::canonicalize(from).ok())
    {
        return Err(LedgerError::Store {
            path: to.display().to_string(),
            reason: "a file that is not a backup exists there; choose another name".into(),
        });
    }
    let size = copy(from, &sibling_path(to, ".partial"), progress)?;
    fs::rename(sibling_path(to, ".partial"), to).map_err(io_error(to))?;
    sync_directory_of(to).map_err(io_error(to))?;
    Ok(size)
}

/// Copy one state of a store into a single file, durably.
fn copy(from: &Path, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Size, LedgerError> {
    let source = open::open_read_only(from)?;
    remove(to)?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(io_error(to))?;
    let failed = |e: rusqlite::Error| ReadError::from(e).at(&to.display().to_string());
    let mut copy = Connection::open(to).map_err(failed)?;
    let copied = (|| {
        // The transaction fixes the copied state: a concurrent writer does not restart the copy.
        source.execute_batch("BEGIN")?;
        let size: Option<i64> =
            source.query_row("SELECT max(idx) FROM records", [], |row| row.get(0))?;
        {
            let backup = Backup::new(&source, &mut copy)?;
            while backup.step(STEP)? != StepResult::Done {
                let state = backup.progress();
                let total = u64::try_from(state.pagecount).unwrap_or(0);
                progress(
                    total.saturating_sub(u64::try_from(state.remaining).unwrap_or(0)),
                    total,
                );
            }
        }
        source.execute_batch("COMMIT")?;
        // A single file, without a write-ahead log.
        copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
        Ok(size)
    })();
    let size = copied.map_err(failed)?;
    copy.close().map_err(|(_, e)| failed(e))?;
    file.sync_all().map_err(io_error(to))?;
    let bytes = file.metadata().map_err(io_error(to))?.len();
    Ok(Size {
        records: size.map_or(0, |last| from_sql_u64(last) + 1),
        bytes,
    })
}

fn remove(path: &Path) -> Result<(), LedgerError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error(path)(e)),
        _ => Ok(()),
    }
}

/// What a restore needs to know of a file.
struct StoreSummary {
    store: Vec<u8>,
    size: u64,
    conn: Connection,
}

impl StoreSummary {
    fn read(path: &Path) -> Result<Self, LedgerError> {
        let shown = path.display().to_string();
        open::check_version(path)?;
        let conn = open::open_read_only(path)?;
        let (store, _) = open::read_store_id(&conn, &shown)?.ok_or_else(|| LedgerError::Store {
            path: shown.clone(),
            reason: "this is not a ledger".into(),
        })?;
        let size = LedgerReader::of_owned(path).size()?.records;
        Ok(Self { store, size, conn })
    }

    fn hash(&self, size: u64) -> Option<[u8; 32]> {
        (size <= self.size)
            .then(|| last_hash(&self.conn, size))
            .flatten()
    }
}

fn replace(
    options: &LedgerOptions,
    from: &Path,
    accept_loss: bool,
    now: Timestamp,
) -> Result<(File, RestoreReport), LedgerError> {
    let lock = open::own(&options.path)?;
    let backup = StoreSummary::read(from)?;
    // The backup must be intact before it replaces the store.
    let verified = LedgerReader::of_owned(from).verify(None, |_| {})?;
    let master = keys::read_master(&options.key)?;
    let (_, check) =
        open::read_store_id(&backup.conn, &from.display().to_string())?.unwrap_or_default();
    if !keys::fits(&master, &backup.store, &check) {
        return Err(LedgerError::Key {
            path: options.key.display().to_string(),
            reason: format!(
                "this is not the key of {}; put the right one there first",
                from.display()
            ),
        });
    }
    let before = lost(options, &backup, accept_loss)?;

    let next = sibling_path(&options.path, ".restoring");
    copy(from, &next, |_, _| {})?;
    let replaced = options
        .path
        .exists()
        .then(|| sibling_path(&options.path, &format!(".replaced-{}", now.millis())));
    if let Some(aside) = &replaced {
        // Move it together with its log, which may contain the last commits. The log must never stay next
        // to another database, to which it would be applied.
        for suffix in ["-wal", "-shm", ""] {
            let (old, kept) = (
                sibling_path(&options.path, suffix),
                sibling_path(aside, suffix),
            );
            match fs::rename(&old, &kept) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_error(&old)(e)),
                _ => {}
            }
        }
    }
    fs::rename(&next, &options.path).map_err(io_error(&options.path))?;
    sync_directory_of(&options.path).map_err(io_error(&options.path))?;
    let anchor = Anchor::of_key(&options.key, &backup.store);
    let last = last_hash(&backup.conn, backup.size).unwrap_or_default();
    anchor
        .write(&last, &verified.tree)
        .map_err(io_error(anchor.path()))?;
    Ok((
        lock,
        RestoreReport {
            before,
            records: backup.size,
            replaced,
        },
    ))
}

/// How many records the store had. Fails if the backup lacks some of them and the loss is not accepted.
fn lost(
    options: &LedgerOptions,
    backup: &StoreSummary,
    accept_loss: bool,
) -> Result<u64, LedgerError> {
    let mut before = 0;
    let mut forked = false;
    // An unreadable store is a reason to restore: then the anchor tells how many records there were.
    if fs::metadata(&options.path).is_ok_and(|m| m.len() > 0)
        && let Ok(current) = StoreSummary::read(&options.path)
    {
        before = current.size;
        let common = current.size.min(backup.size);
        forked = current.hash(common) != backup.hash(common);
    }
    let anchor = Anchor::of_key(&options.key, &backup.store);
    if let Ok(Some(anchored)) = anchor.read() {
        let size = anchored.tree.size();
        before = before.max(size);
        forked |= size <= backup.size && backup.hash(size) != Some(anchored.last);
        forked |= anchored.store != anchor.store();
    }
    if !accept_loss && (backup.size < before || forked) {
        return Err(LedgerError::Loss {
            backup: backup.size,
            current: before,
            forked,
        });
    }
    Ok(before)
}
