//! The one who writes: it commits what has queued up in one transaction.

use std::{
    fs::OpenOptions,
    io::{self, Read as _},
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};
use tollgate_model::{ids::RunId, merkle::Tree};

use super::{
    CommitError, Condition, Receipt,
    anchor::Anchor,
    batch::{Prepared, Waiting, answer_all, answer_each, refuse_opening},
    cache::{PRINCIPALS, Shared, halted},
    cached_run::{Cache, Held, int},
    disk_reserve::Reserve,
    open::Store,
    read::pending_of,
    sqlite_error::{poisons, store_error},
    state::calls,
    state::{Chain, Refused, Working},
    usage_window::{self, Windows},
};

/// Bytes written between checkpoints, roughly.
const CHECKPOINT: usize = 16 << 20;
/// Commits after which a ledger is taken to be at work: a command line's few are over sooner.
const AT_WORK: u32 = 64;
/// Records between writes of the anchor at most, and how long between two while there are new ones.
const ANCHOR: u64 = 16_384;
const ANCHOR_EVERY: Duration = Duration::from_secs(1);

/// The writer.
pub(crate) struct Writer {
    pub(crate) conn: Connection,
    pub(crate) shared: Arc<Shared>,
    anchor: Anchor,
    reserve: Reserve,
    working: Working,
    /// The tree of the records that are durable, and what binds the last of them to its place.
    tree: Tree,
    chain: Chain,
    poisoned: bool,
    /// Written since the last checkpoint.
    written: usize,
    /// Commits until the log's file is made as long as it will get; none once it is.
    until_lengthened: Option<u32>,
    /// Records when the anchor was last written, and when that was.
    anchored: u64,
    anchored_at: Instant,
    /// Whether something was committed since that must not come back if an old copy of the store does: an
    /// approval that was used or answered, a halt.
    anchors: bool,
    /// Errors that the next commits meet, the last first.
    #[cfg(any(test, feature = "fault-injection"))]
    pub(crate) faults: Vec<std::ffi::c_int>,
    /// How many pages the reserve stands for, on a disk that ends where a test says.
    #[cfg(test)]
    pub(crate) reserve_pages: Option<i64>,
}

impl Writer {
    pub(crate) fn new(store: Store, shared: Arc<Shared>, reserve: Reserve) -> Self {
        let Store {
            conn,
            anchor,
            tree,
            chain,
            ..
        } = store;
        let working = Working::at(tree.size(), chain, shared.halts().to_vec());
        let anchored = working.next;
        Self {
            conn,
            shared,
            anchor,
            reserve,
            working,
            tree,
            chain,
            poisoned: false,
            written: 0,
            until_lengthened: Some(AT_WORK),
            anchored,
            anchored_at: Instant::now(),
            anchors: false,
            #[cfg(any(test, feature = "fault-injection"))]
            faults: Vec::new(),
            #[cfg(test)]
            reserve_pages: None,
        }
    }

    /// Commit what waits, all in one transaction, and answer everybody.
    pub(crate) fn group(&mut self, group: &mut Vec<Waiting>) {
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

    /// After an error of the store, which undid the whole group.
    fn fail(&mut self, group: &mut Vec<Waiting>, error: &rusqlite::Error) {
        if poisons(error) {
            self.poisoned = true;
            return answer_all(group, &CommitError::Poisoned);
        }
        refuse_opening(group, &store_error(error));
        if group.is_empty() {
            return;
        }
        // What has started must still be closed: the reserve is there for that.
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

    /// One transaction. An error of the store leaves nothing of it.
    fn attempt(
        &mut self,
        group: &[Waiting],
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

    /// Forget what is in memory of a transaction that did not commit.
    fn forget(&mut self) {
        self.working = Working::at(self.tree.size(), self.chain, self.shared.halts().to_vec());
    }

    fn transaction(
        &mut self,
        group: &[Waiting],
    ) -> rusqlite::Result<Vec<Result<Receipt, CommitError>>> {
        // One batch alone needs no savepoint: the transaction is its own.
        let nested = group.len() > 1;
        let mut answers = Vec::with_capacity(group.len());
        self.execute("BEGIN IMMEDIATE")?;
        for Waiting { batch, .. } in group {
            if nested {
                self.execute("SAVEPOINT batch")?;
            }
            self.working.begin();
            match self.batch(batch) {
                Ok(receipt) => answers.push(Ok(receipt)),
                Err(Refused::Store(error)) => return Err(error),
                Err(Refused::No(error)) => {
                    self.working.undo();
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
            self.working.runs.clear();
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
        self.until_lengthened = self.until_lengthened.map(|n| n.saturating_sub(1));
        self.written += group.iter().map(|w| w.batch.bytes).sum::<usize>();
        Ok(answers)
    }

    /// What is durable now is what others see.
    fn published(&mut self) {
        let runs: Vec<Held> = self.working.runs.drain().map(|(_, held)| held).collect();
        let ended = runs.iter().filter(|held| held.ended);
        ended.for_each(|held| self.shared.ended(held.identity.id));
        self.shared
            .cache(|cache| runs.into_iter().for_each(|held| cache.put(held)));
        if std::mem::take(&mut self.working.marks) {
            self.shared.marked();
        }
        let hours = self.working.hours.drain(..);
        self.shared
            .windows(|windows| hours.for_each(|(run, hour)| windows.put(&self.conn, &run, hour)));
        self.working
            .hashes
            .drain(..)
            .for_each(|hash| self.tree.push(hash));
        self.chain = self.working.chain;
        self.shared.publish(self.tree.size(), &self.working.halts);
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn batch(&mut self, batch: &Prepared) -> Result<Receipt, Refused> {
        for condition in &batch.conditions {
            self.condition(condition)?;
        }
        let first = self.working.next;
        for ready in &batch.records {
            if let Some(run) = ready.record.run {
                self.run_of(run)?;
            }
            self.working.append(&self.conn, ready)?;
        }
        let mut insert = self
            .conn
            .prepare_cached("INSERT INTO payloads VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for (place, payload) in (0_i64..).zip(&batch.payloads) {
            insert.execute(params![
                (int(first) << 16) | place,
                payload.digest.as_bytes(),
                payload.tenant,
                payload.day,
                payload.ciphertext
            ])?;
        }
        drop(insert);
        if let Some(asked) = &batch.change {
            if let Some(run) = asked.change.place.run
                && self.run_of(run)?.is_none_or(|held| held.ended)
            {
                return Err(CommitError::RunEnded.into());
            }
            asked.apply(&self.conn, first)?;
        }
        self.working.finish(&self.conn)?;
        Ok(Receipt { first })
    }

    fn run_of(&mut self, run: RunId) -> Result<Option<&mut Held>, Refused> {
        let shared = &self.shared;
        let cached = || {
            shared
                .cache(|cache| cache.get(&run))
                .map(|held| (*held).clone())
        };
        self.working.run(&self.conn, run, cached)
    }

    fn condition(&mut self, condition: &Condition) -> Result<(), Refused> {
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
                if calls::approval(&self.conn, *id)?.version == *version {
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
                    // Others have used up what the decision saw: it is made again.
                    Err(CommitError::RunChanged.into())
                }
            }
            Condition::NotHalted(keys) => match halted(&self.working.halts, keys) {
                None => Ok(()),
                Some(halt) => Err(CommitError::halted(halt).into()),
            },
        }
    }

    /// An error if nothing may be trusted any more.
    pub(crate) fn guard(&self) -> Result<(), CommitError> {
        if self.poisoned {
            Err(CommitError::Poisoned)
        } else {
            Ok(())
        }
    }

    /// What an error of the store means for the caller, and for everybody after.
    pub(crate) fn judged(&mut self, error: &rusqlite::Error) -> CommitError {
        if poisons(error) {
            self.poisoned = true;
            return CommitError::Poisoned;
        }
        store_error(error)
    }

    /// Whether there is something to tidy.
    pub(crate) fn is_untidy(&self) -> bool {
        self.written >= CHECKPOINT || self.until_lengthened == Some(0) || self.is_unanchored()
    }

    fn is_unanchored(&self) -> bool {
        match self.tree.size().saturating_sub(self.anchored) {
            0 => false,
            new => new >= ANCHOR || self.anchors || self.anchored_at.elapsed() >= ANCHOR_EVERY,
        }
    }

    /// What need not be done before anybody is answered.
    pub(crate) fn tidy(&mut self, last: bool) {
        if self.poisoned {
            return;
        }
        if self.written >= CHECKPOINT || (last && self.written > 0) {
            self.written = 0;
            let mode = if last {
                "PRAGMA wal_checkpoint(TRUNCATE)"
            } else {
                "PRAGMA wal_checkpoint(PASSIVE)"
            };
            if let Err(error) = self.conn.query_row(mode, [], |_| Ok(())) {
                // Without it the log only grows; a failed sync is another matter.
                self.poisoned = poisons(&error);
            }
        }
        if self.until_lengthened == Some(0) && !last {
            self.until_lengthened = None;
            // Without it commits are slower until the log has grown by itself.
            let _ = self.lengthen();
        }
        if self.is_unanchored() || (last && self.tree.size() != self.anchored) {
            self.anchor_now();
        }
    }

    /// Make the file of the write-ahead log as long as it gets between two checkpoints. A sync of a file
    /// that grows must wait for the file system's own journal too, which takes several times as long. What
    /// is written is zeros, after the log's end, where SQLite takes nothing for a frame that its checksums
    /// do not continue.
    fn lengthen(&self) -> io::Result<()> {
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

    /// Write the anchor. It may lag behind; it is never ahead.
    pub(crate) fn anchor_now(&mut self) {
        let size = self.tree.size();
        if let Some(last) = last_hash(&self.conn, size)
            && self.anchor.write(&last, &self.tree).is_ok()
        {
            self.anchored = size;
            self.anchors = false;
        }
        // One that cannot be written is not tried again at once.
        self.anchored_at = Instant::now();
    }

    /// Recreate the read models from the records, and forget what was in memory of the old ones.
    pub(crate) fn after_rebuild(&mut self, working: Working) {
        self.shared.cache(Cache::clear);
        self.shared
            .windows(|windows| *windows = Windows::new(PRINCIPALS));
        self.working = Working::at(self.tree.size(), self.chain, working.halts);
        self.published();
    }
}

#[cfg(test)]
impl Writer {
    /// Let the disk end `more` pages from here.
    pub(crate) fn limit_pages(&self, more: i64) {
        let pages: i64 = self
            .conn
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        self.conn
            .pragma_update_and_check(None, "max_page_count", pages + more, |_| Ok(()))
            .unwrap();
    }

    pub(crate) fn reserve(&mut self) -> &mut Reserve {
        &mut self.reserve
    }
}

/// The hash of the last of `size` records; zeros for none.
pub(crate) fn last_hash(conn: &Connection, size: u64) -> Option<[u8; 32]> {
    match size.checked_sub(1) {
        None => Some([0; 32]),
        Some(last) => conn
            .query_row(
                "SELECT hash FROM records WHERE idx = ?1",
                [int(last)],
                |row| row.get(0),
            )
            .ok(),
    }
}
