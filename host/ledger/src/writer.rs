//! The writer: one transaction for a group of batches, and maintenance between groups.

use std::{
    fs::OpenOptions,
    io::{self, Read as _},
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};
use tollgate_model::{ids::RunId, merkle::Tree};

use crate::{
    CommitError, Condition, Receipt,
    anchor::Anchor,
    batch::{EncodedBatch, QueuedBatch, answer_all, answer_each, refuse_opening},
    cache::{PRINCIPALS, SharedState, halted},
    cached_run::{CachedRun, RunCache},
    chain::{Chain, last_hash},
    disk_reserve::DiskReserve,
    error::ApplyError,
    open::Store,
    read::pending_of,
    series::concerns,
    sqlite::to_sql_i64,
    sqlite_error::{poisons, store_error},
    state::{PendingState, approvals},
    usage_window::{self, UsageWindows},
};

/// Approximate bytes written between two checkpoints of SQLite's log.
const CHECKPOINT: usize = 16 << 20;
/// Commits after which the log is preallocated. A single command makes fewer.
const AT_WORK: u32 = 64;
/// The anchor is written after this many records, or after this time if there are new ones.
const ANCHOR: u64 = 16_384;
const ANCHOR_EVERY: Duration = Duration::from_secs(1);

/// When maintenance is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maintenance {
    /// Between commits: what is due.
    Due,
    /// Before the store closes: all of it.
    Last,
}

/// The writer.
pub(crate) struct Writer {
    pub(crate) conn: Connection,
    pub(crate) shared: Arc<SharedState>,
    anchor: Anchor,
    reserve: DiskReserve,
    pending: PendingState,
    /// The tree and the chain of the durable records.
    tree: Tree,
    chain: Chain,
    poisoned: bool,
    /// Bytes written since the last checkpoint.
    written: usize,
    /// Commits until the log's file is preallocated; `None` once it is.
    until_preallocated: Option<u32>,
    /// The number of records when the anchor was last written, and the time.
    anchored: u64,
    anchored_at: Instant,
    /// Whether a record was committed since then that the anchor must cover at once.
    anchors: bool,
    /// Errors of SQLite for the next commits, the last first.
    #[cfg(any(test, feature = "fault-injection"))]
    pub(crate) faults: Vec<std::ffi::c_int>,
    /// How many pages the reserve occupies on a simulated disk.
    #[cfg(test)]
    pub(crate) reserve_pages: Option<i64>,
}

impl Writer {
    pub(crate) fn new(store: Store, shared: Arc<SharedState>, reserve: DiskReserve) -> Self {
        let Store {
            conn,
            anchor,
            tree,
            chain,
            ..
        } = store;
        let pending = PendingState::at(tree.size(), chain, shared.halts().to_vec());
        let anchored = pending.next;
        Self {
            conn,
            shared,
            anchor,
            reserve,
            pending,
            tree,
            chain,
            poisoned: false,
            written: 0,
            until_preallocated: Some(AT_WORK),
            anchored,
            anchored_at: Instant::now(),
            anchors: false,
            #[cfg(any(test, feature = "fault-injection"))]
            faults: Vec::new(),
            #[cfg(test)]
            reserve_pages: None,
        }
    }

    /// Commits a group in one transaction, and answers each batch.
    pub(crate) fn group(&mut self, group: &mut Vec<QueuedBatch>) {
        if self.poisoned {
            return answer_all(group, &CommitError::Poisoned);
        }
        if self.reserve.is_released()
            && group.iter().any(|w| !w.batch.closing)
            && !self.reserve.hold()
        {
            let full = CommitError::Store("the disk is full".into());
            refuse_opening(group, &full);
        }
        match self.attempt(group) {
            Ok(answers) => answer_each(group, answers),
            Err(error) => self.fail(group, &error),
        }
    }

    /// Answers a group that the store refused. Batches that record an outcome are tried again with the
    /// reserve.
    fn fail(&mut self, group: &mut Vec<QueuedBatch>, error: &rusqlite::Error) {
        if poisons(error) {
            self.poisoned = true;
            return answer_all(group, &CommitError::Poisoned);
        }
        refuse_opening(group, &store_error(error));
        if group.is_empty() {
            return;
        }
        self.reserve.release();
        #[cfg(test)]
        if let Some(pages) = self.reserve_pages {
            self.limit_pages(pages);
        }
        match self.attempt(group) {
            Ok(answers) => answer_each(group, answers),
            Err(error) if poisons(&error) => {
                self.poisoned = true;
                answer_all(group, &CommitError::Poisoned);
            }
            Err(error) => answer_all(group, &store_error(&error)),
        }
    }

    /// One transaction. If the store fails, nothing of it remains.
    fn attempt(
        &mut self,
        group: &[QueuedBatch],
    ) -> rusqlite::Result<Vec<Result<Receipt, CommitError>>> {
        let tried = self.transaction(group);
        if tried.is_err() {
            if !self.conn.is_autocommit() && self.execute("ROLLBACK").is_err() {
                self.poisoned = true;
            }
            self.forget();
        }
        tried
    }

    /// Discard the state of a transaction that did not commit.
    fn forget(&mut self) {
        self.pending = PendingState::at(self.tree.size(), self.chain, self.shared.halts().to_vec());
    }

    fn transaction(
        &mut self,
        group: &[QueuedBatch],
    ) -> rusqlite::Result<Vec<Result<Receipt, CommitError>>> {
        // A single batch needs no savepoint.
        let nested = group.len() > 1;
        let mut answers = Vec::with_capacity(group.len());
        self.execute("BEGIN IMMEDIATE")?;
        for QueuedBatch { batch, .. } in group {
            if nested {
                self.execute("SAVEPOINT batch")?;
            }
            self.pending.begin();
            match self.batch(batch) {
                Ok(receipt) => answers.push(Ok(receipt)),
                Err(ApplyError::Sqlite(error)) => return Err(error),
                Err(ApplyError::Rejected(error)) => {
                    self.pending.undo();
                    if nested {
                        self.execute("ROLLBACK TO batch")?;
                    }
                    answers.push(Err(error));
                }
            }
            if nested {
                self.execute("RELEASE batch")?;
            }
        }
        if answers.iter().all(Result::is_err) {
            self.execute("ROLLBACK")?;
            self.pending.runs.clear();
            return Ok(answers);
        }
        #[cfg(any(test, feature = "fault-injection"))]
        if let Some(code) = self.faults.pop() {
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(code),
                None,
            ));
        }
        self.execute("COMMIT")?;
        self.published();
        self.anchors |= group.iter().any(|waiting| waiting.batch.anchors);
        self.until_preallocated = self.until_preallocated.map(|n| n.saturating_sub(1));
        self.written += group.iter().map(|w| w.batch.bytes).sum::<usize>();
        Ok(answers)
    }

    /// Publishes the durable state.
    fn published(&mut self) {
        let runs: Vec<CachedRun> = self.pending.runs.drain().map(|(_, held)| held).collect();
        let ended = runs.iter().filter(|held| held.ended);
        ended.for_each(|held| self.shared.ended(held.identity.id));
        self.shared
            .cache(|cache| runs.into_iter().for_each(|held| cache.put(held)));
        if std::mem::take(&mut self.pending.labels_files) {
            self.shared.bump_label_epoch();
        }
        let hours = self.pending.hours.drain(..);
        self.shared
            .windows(|windows| hours.for_each(|(run, hour)| windows.put(&self.conn, &run, hour)));
        let series = std::mem::take(&mut self.pending.series);
        if !series.is_empty() {
            self.shared.series(|cache| cache.publish(series));
        }
        self.pending
            .hashes
            .drain(..)
            .for_each(|hash| self.tree.push(hash));
        self.chain = self.pending.chain;
        self.shared.publish(self.tree.size(), &self.pending.halts);
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn batch(&mut self, batch: &EncodedBatch) -> Result<Receipt, ApplyError> {
        for condition in &batch.conditions {
            self.condition(condition)?;
        }
        let first = self.pending.next;
        for ready in &batch.records {
            if let Some(run) = ready.record.run {
                self.run_of(run)?;
            }
            self.pending.append(&self.conn, ready)?;
        }
        let mut insert = self
            .conn
            .prepare_cached(
                "INSERT INTO payloads (id, digest, tenant, day, ciphertext) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
        for (place, payload) in (0_i64..).zip(&batch.payloads) {
            insert.execute(params![
                (to_sql_i64(first) << 16) | place,
                payload.digest.as_bytes(),
                payload.tenant,
                payload.day,
                payload.ciphertext
            ])?;
        }
        drop(insert);
        if let Some(request) = &batch.state_update {
            if let Some(run) = request.update.namespace.run
                && self.run_of(run)?.is_none_or(|held| held.ended)
            {
                return Err(CommitError::RunEnded.into());
            }
            request.apply(&self.conn, first)?;
        }
        self.pending.finish(&self.conn)?;
        Ok(Receipt::new(first, batch.allowed.clone()))
    }

    fn run_of(&mut self, run: RunId) -> Result<Option<&mut CachedRun>, ApplyError> {
        let shared = &self.shared;
        let cached = || {
            shared
                .cache(|cache| cache.get(&run))
                .map(|held| (*held).clone())
        };
        self.pending.run(&self.conn, run, cached)
    }

    fn condition(&mut self, condition: &Condition) -> Result<(), ApplyError> {
        match condition {
            Condition::RunVersion(run, version) => match self.run_of(*run)? {
                Some(held) if held.ended => Err(CommitError::RunEnded.into()),
                Some(held) if held.state.version == *version => Ok(()),
                _ => Err(CommitError::RunChanged.into()),
            },
            Condition::RunOpen(run) => match self.run_of(*run)? {
                Some(held) if !held.ended => Ok(()),
                _ => Err(CommitError::RunEnded.into()),
            },
            Condition::RunLabels(run, labels) => match self.run_of(*run)? {
                Some(held) if held.state.labels.is_subset(labels) => Ok(()),
                _ => Err(CommitError::RunChanged.into()),
            },
            Condition::ApprovalUnchanged(id, version) => {
                if approvals::find(&self.conn, *id)?.version == *version {
                    Ok(())
                } else {
                    Err(CommitError::ApprovalChanged.into())
                }
            }
            Condition::PendingBelow(whose, most) => {
                if pending_of(&self.conn, whose)? < *most {
                    Ok(())
                } else {
                    Err(CommitError::TooManyPending(*most).into())
                }
            }
            Condition::CallsBelow(window, most) => {
                if usage_window::used(&self.conn, window)?.calls < *most {
                    Ok(())
                } else {
                    // Other calls used up the budget since the decision: it must be made again.
                    Err(CommitError::RunChanged.into())
                }
            }
            Condition::SeriesUnchanged(series, size) => {
                let pending = concerns(&self.pending.series, series);
                let changed = pending.or_else(|| {
                    self.shared.series(|cache| {
                        let mut series = series.iter();
                        series.find(|id| !cache.is_unchanged(id, *size)).copied()
                    })
                });
                match changed {
                    None => Ok(()),
                    Some(series) => Err(CommitError::SeriesChanged(series).into()),
                }
            }
            Condition::NotHalted(keys) => match halted(&self.pending.halts, keys) {
                None => Ok(()),
                Some(halt) => Err(CommitError::halted(halt).into()),
            },
        }
    }

    /// An error if a sync has failed: the store is not trusted until a restart.
    pub(crate) fn ensure_healthy(&self) -> Result<(), CommitError> {
        if self.poisoned {
            Err(CommitError::Poisoned)
        } else {
            Ok(())
        }
    }

    /// The error for the caller; poisons the writer if it must.
    pub(crate) fn classify_error(&mut self, error: &rusqlite::Error) -> CommitError {
        if poisons(error) {
            self.poisoned = true;
            return CommitError::Poisoned;
        }
        store_error(error)
    }

    /// Whether [`Writer::run_maintenance`] has work.
    pub(crate) fn needs_maintenance(&self) -> bool {
        self.written >= CHECKPOINT || self.until_preallocated == Some(0) || self.is_unanchored()
    }

    fn is_unanchored(&self) -> bool {
        match self.tree.size().saturating_sub(self.anchored) {
            0 => false,
            new => new >= ANCHOR || self.anchors || self.anchored_at.elapsed() >= ANCHOR_EVERY,
        }
    }

    /// Checkpoints, preallocation and the anchor: work that no caller waits for.
    pub(crate) fn run_maintenance(&mut self, maintenance: Maintenance) {
        if self.poisoned {
            return;
        }
        let last = maintenance == Maintenance::Last;
        if self.written >= CHECKPOINT || (last && self.written > 0) {
            self.written = 0;
            let mode = if last {
                "PRAGMA wal_checkpoint(TRUNCATE)"
            } else {
                "PRAGMA wal_checkpoint(PASSIVE)"
            };
            if let Err(error) = self.conn.query_row(mode, [], |_| Ok(())) {
                // A checkpoint that fails leaves a longer log; a failed sync poisons.
                self.poisoned = poisons(&error);
            }
        }
        if self.until_preallocated == Some(0) && !last {
            self.until_preallocated = None;
            // If it fails, commits are slower until the log has grown.
            let _ = self.preallocate_wal();
        }
        if self.is_unanchored() || (last && self.tree.size() != self.anchored) {
            self.anchor_now();
        }
    }

    /// Extends the write-ahead log's file to its size at a checkpoint. Syncing a growing file also waits
    /// for the file system's journal, which takes several times as long. The zeros are after the log's end;
    /// SQLite ignores frames whose checksums do not continue.
    fn preallocate_wal(&self) -> io::Result<()> {
        let path = self.conn.path().unwrap_or_default();
        let mut file = OpenOptions::new()
            .append(true)
            .open(format!("{path}-wal"))?;
        let before = file.metadata()?.len();
        let missing = (CHECKPOINT as u64).saturating_sub(before);
        let zeros = io::copy(&mut io::repeat(0).take(missing), &mut file);
        zeros
            .and_then(|_| file.sync_all())
            .or_else(|_| file.set_len(before))
    }

    /// Write the anchor. It may lag behind the store and is never ahead of it.
    pub(crate) fn anchor_now(&mut self) {
        let size = self.tree.size();
        if let Some(last) = last_hash(&self.conn, size)
            && self.anchor.write(&last, &self.tree).is_ok()
        {
            self.anchored = size;
            self.anchors = false;
        }
        // If it cannot be written, the next attempt waits as well.
        self.anchored_at = Instant::now();
    }

    /// Discards the cached read models before a rebuild.
    pub(crate) fn after_rebuild(&mut self, pending: PendingState) {
        self.shared.cache(RunCache::clear);
        self.shared
            .windows(|windows| *windows = UsageWindows::new(PRINCIPALS));
        let size = self.tree.size();
        self.shared.series(|cache| cache.clear(size));
        self.pending = PendingState::at(self.tree.size(), self.chain, pending.halts);
        self.published();
    }
}

#[cfg(test)]
impl Writer {
    /// Simulates a disk that ends `more` pages from here.
    pub(crate) fn limit_pages(&self, more: i64) {
        let pages: i64 = self
            .conn
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        self.conn
            .pragma_update_and_check(None, "max_page_count", pages + more, |_| Ok(()))
            .unwrap();
    }

    pub(crate) fn reserve(&mut self) -> &mut DiskReserve {
        &mut self.reserve
    }
}
