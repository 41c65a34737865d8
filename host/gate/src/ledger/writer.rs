//! The one thread that writes: it takes what has queued up, and commits it in one transaction.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use rusqlite::{Connection, ErrorCode, ffi, params};
use tokio::sync::{mpsc, oneshot};
use tollgate_core::{
    ids::RunId,
    merkle::Tree,
    record::{Event, Halt, HaltScope},
};

use super::{
    Batch, CommitError, Condition, HaltKeys, Payload, Receipt,
    anchor::Anchor,
    open::Store,
    apply::{Chain, Ready, Refused, Working},
    reserve::Reserve,
    runs::{Cache, Held, int},
    states,
};

/// Batches in one transaction at most: more would let the first wait for the last.
const GROUP: usize = 256;
/// Payloads in one batch at most: their places are part of their row's id.
const MAX_PAYLOADS: usize = 1 << 16;
/// Bytes written between checkpoints, roughly.
const CHECKPOINT: usize = 32 << 20;
/// Records between writes of the anchor.
const ANCHOR: u64 = 16_384;
/// How long the thread looks for work before it sleeps: waking it costs more than a small commit.
const SPIN: Duration = Duration::from_micros(50);

/// What the writer shares with everybody else.
#[derive(Debug)]
pub(super) struct Shared {
    cache: Mutex<Cache>,
    halts: ArcSwap<Vec<Halt>>,
    /// The highest time seen.
    clock: AtomicI64,
    /// Records that are durable.
    size: AtomicU64,
}

impl Shared {
    pub(super) fn new(cached_runs: usize, halts: Vec<Halt>, now: i64, size: u64) -> Self {
        Self {
            cache: Mutex::new(Cache::new(cached_runs)),
            halts: ArcSwap::from_pointee(halts),
            clock: AtomicI64::new(now),
            size: AtomicU64::new(size),
        }
    }

    /// Look into the cache.
    pub(super) fn cache<T>(&self, look: impl FnOnce(&mut Cache) -> T) -> T {
        // A panic while it was held leaves whole entries: each is put in by one call.
        look(&mut self.cache.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn halts(&self) -> Arc<Vec<Halt>> {
        self.halts.load_full()
    }

    /// The later of `time` and the highest that was seen.
    pub(super) fn floor(&self, time: i64) -> i64 {
        self.clock.fetch_max(time, Ordering::Relaxed).max(time)
    }

    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }
}

/// The halt that concerns one of these, if there is one.
pub(super) fn halted<'a>(halts: &'a [Halt], keys: &HaltKeys) -> Option<&'a Halt> {
    halts.iter().find(|halt| match halt.scope {
        HaltScope::All => true,
        HaltScope::Agent => halt.name == keys.agent,
        HaltScope::Tenant => halt.name == keys.tenant,
        HaltScope::Tool => keys.tool.as_ref() == Some(&halt.name),
        HaltScope::Component => keys.component.as_ref() == Some(&halt.name),
    })
}

/// A batch with what could be computed on the caller's own thread.
#[derive(Debug)]
pub(super) struct Prepared {
    records: Vec<Ready>,
    payloads: Vec<Payload>,
    conditions: Vec<Condition>,
    /// Whether it says what became of something that has started: it goes in even when the disk is full.
    closing: bool,
    bytes: usize,
}

impl Prepared {
    pub(super) fn new(batch: Batch) -> Result<Self, CommitError> {
        let Batch { records, payloads, conditions } = batch;
        if payloads.len() >= MAX_PAYLOADS {
            return Err(CommitError::Illegal("a batch has too many payloads"));
        }
        let closing = records.iter().any(|r| matches!(r.event, Event::Outcome(_)));
        let records = records.into_iter().map(Ready::new).collect::<Result<Vec<_>, _>>()?;
        let leaves: usize = records.iter().map(|r| r.leaf.len()).sum();
        let sealed: usize = payloads.iter().map(|p| p.ciphertext.len()).sum();
        // What a batch writes beside its own bytes is a few pages.
        Ok(Self { records, payloads, conditions, closing, bytes: leaves + sealed + (8 << 10) })
    }

    /// The latest time in it.
    pub(super) fn time(&self) -> Option<i64> {
        self.records.iter().map(|r| r.record.time.0).max()
    }
}

/// A batch that waits for its answer.
pub(super) struct Waiting {
    pub(super) batch: Prepared,
    pub(super) reply: oneshot::Sender<Result<Receipt, CommitError>>,
}

/// Something else that the writer's connection does between groups.
pub(super) type Task = Box<dyn FnOnce(&mut Writer) + Send>;

/// What is sent to the writer.
pub(super) enum Message {
    Commit(Waiting),
    Task(Task),
    Close(oneshot::Sender<()>),
}

/// The writer.
pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) shared: Arc<Shared>,
    anchor: Anchor,
    reserve: Reserve,
    working: Working,
    /// The tree of the records that are durable, and what binds the last of them to its place.
    tree: Tree,
    chain: Chain,
    poisoned: bool,
    /// Written since the last checkpoint.
    written: usize,
    /// Records when the anchor was last written.
    anchored: u64,
    /// Whether the last wait ended while spinning: a sign that it pays.
    spins: bool,
    /// Errors that the next commits meet, the last first.
    #[cfg(test)]
    pub(super) faults: Vec<std::ffi::c_int>,
    /// How many pages the reserve stands for, on a disk that ends where a test says.
    #[cfg(test)]
    pub(super) reserve_pages: Option<i64>,
}

impl Writer {
    pub(super) fn new(store: Store, shared: Arc<Shared>, reserve: Reserve) -> Self {
        let Store { conn, anchor, tree, chain, .. } = store;
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
            anchored,
            spins: false,
            #[cfg(test)]
            faults: Vec::new(),
            #[cfg(test)]
            reserve_pages: None,
        }
    }

    /// Serve until told to close, or until nobody can send any more.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut group = Vec::with_capacity(GROUP);
        while let Some(message) = self.wait(&mut queue) {
            let mut other = None;
            match message {
                Message::Commit(waiting) => group.push(waiting),
                message => other = Some(message),
            }
            while other.is_none() && group.len() < GROUP {
                match queue.try_recv() {
                    Ok(Message::Commit(waiting)) => group.push(waiting),
                    Ok(message) => other = Some(message),
                    Err(_) => break,
                }
            }
            if !group.is_empty() {
                self.group(&mut group);
                self.tidy(false);
            }
            match other {
                Some(Message::Task(task)) => task(&mut self),
                Some(Message::Close(done)) => {
                    queue.close();
                    while let Ok(message) = queue.try_recv() {
                        if let Message::Commit(waiting) = message {
                            group.push(waiting);
                        }
                    }
                    answer_all(&mut group, &CommitError::Closed);
                    self.tidy(true);
                    drop(self);
                    // Whoever waits for the answer may open the same store at once.
                    let _ = done.send(());
                    return;
                }
                Some(Message::Commit(_)) | None => {}
            }
        }
        self.tidy(true);
    }

    /// The next message. Spins for a moment first where that has paid lately.
    fn wait(&mut self, queue: &mut mpsc::Receiver<Message>) -> Option<Message> {
        if let Ok(message) = queue.try_recv() {
            return Some(message);
        }
        let begun = Instant::now();
        if self.spins {
            loop {
                for _ in 0..64 {
                    if let Ok(message) = queue.try_recv() {
                        return Some(message);
                    }
                    std::hint::spin_loop();
                }
                if begun.elapsed() > SPIN {
                    break;
                }
            }
        }
        let message = queue.blocking_recv();
        self.spins = begun.elapsed() < 2 * SPIN;
        message
    }

    /// Commit what waits, all in one transaction, and answer everybody.
    fn group(&mut self, group: &mut Vec<Waiting>) {
        if self.poisoned {
            return answer_all(group, &CommitError::Poisoned);
        }
        if self.reserve.is_released() && group.iter().any(|w| !w.batch.closing) && !self.reserve.hold() {
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
        #[cfg(test)]
        if let Some(code) = self.faults.pop() {
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        }
        self.execute("COMMIT")?;
        self.published();
        self.written += group.iter().map(|w| w.batch.bytes).sum::<usize>();
        Ok(answers)
    }

    /// What is durable now is what others see.
    fn published(&mut self) {
        let runs: Vec<Held> = self.working.runs.drain().map(|(_, held)| held).collect();
        self.shared.cache(|cache| runs.into_iter().for_each(|held| cache.put(held)));
        if **self.shared.halts.load() != self.working.halts {
            self.shared.halts.store(Arc::new(self.working.halts.clone()));
        }
        self.working.hashes.drain(..).for_each(|hash| self.tree.push(hash));
        self.chain = self.working.chain;
        self.shared.size.store(self.tree.size(), Ordering::Release);
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
        let mut insert = self.conn.prepare_cached("INSERT INTO payloads VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for (place, payload) in (0_i64..).zip(&batch.payloads) {
            insert.execute(params![
                (int(first) << 16) | place,
                payload.digest.as_bytes(),
                payload.tenant,
                payload.day,
                payload.ciphertext
            ])?;
        }
        self.working.finish(&self.conn)?;
        Ok(Receipt { first })
    }

    fn run_of(&mut self, run: RunId) -> Result<Option<&mut Held>, Refused> {
        let shared = &self.shared;
        let cached = || shared.cache(|cache| cache.get(&run)).map(|held| (*held).clone());
        self.working.run(&self.conn, run, cached)
    }

    fn condition(&mut self, condition: &Condition) -> Result<(), Refused> {
        match condition {
            Condition::RunVersion(run, version) => match self.run_of(*run)? {
                Some(held) if held.ended => Err(CommitError::RunEnded.into()),
                Some(held) if held.state.version == *version => Ok(()),
                _ => Err(CommitError::RunChanged.into()),
            },
            Condition::ApprovalUnchanged(id, version) => {
                if states::approval(&self.conn, *id)?.version == *version {
                    Ok(())
                } else {
                    Err(CommitError::ApprovalChanged.into())
                }
            }
            Condition::NotHalted(keys) => match halted(&self.working.halts, keys) {
                None => Ok(()),
                Some(halt) => Err(CommitError::Halted {
                    scope: halt.scope.as_str(),
                    name: halt.name.clone(),
                    reason: halt.reason.clone(),
                }
                .into()),
            },
        }
    }

    /// An error if nothing may be trusted any more.
    pub(super) fn guard(&self) -> Result<(), CommitError> {
        if self.poisoned { Err(CommitError::Poisoned) } else { Ok(()) }
    }

    /// What an error of the store means for the caller, and for everybody after.
    pub(super) fn judged(&mut self, error: &rusqlite::Error) -> CommitError {
        if poisons(error) {
            self.poisoned = true;
            return CommitError::Poisoned;
        }
        store_error(error)
    }

    /// What need not be done before anybody is answered.
    fn tidy(&mut self, last: bool) {
        if self.poisoned {
            return;
        }
        if self.written >= CHECKPOINT || (last && self.written > 0) {
            self.written = 0;
            let mode = if last { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "PRAGMA wal_checkpoint(PASSIVE)" };
            if let Err(error) = self.conn.query_row(mode, [], |_| Ok(())) {
                // Without it the log only grows; a failed sync is another matter.
                self.poisoned = poisons(&error);
            }
        }
        let size = self.tree.size();
        if size.saturating_sub(self.anchored) >= ANCHOR || (last && size != self.anchored) {
            self.anchor_now();
        }
    }

    /// Write the anchor. It may lag behind; it is never ahead.
    pub(super) fn anchor_now(&mut self) {
        let size = self.tree.size();
        if let Some(last) = last_hash(&self.conn, size)
            && self.anchor.write(&last, &self.tree).is_ok()
        {
            self.anchored = size;
        }
    }

    /// Recreate the read models from the records, and forget what was in memory of the old ones.
    pub(super) fn after_rebuild(&mut self, working: Working) {
        self.shared.cache(Cache::clear);
        self.working = Working::at(self.tree.size(), self.chain, working.halts);
        self.published();
    }
}

#[cfg(test)]
impl Writer {
    /// Let the disk end `more` pages from here.
    pub(super) fn limit_pages(&self, more: i64) {
        let pages: i64 = self.conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        self.conn.pragma_update_and_check(None, "max_page_count", pages + more, |_| Ok(())).unwrap();
    }

    pub(super) fn reserve(&mut self) -> &mut Reserve {
        &mut self.reserve
    }
}

/// The hash of the last of `size` records; zeros for none.
pub(super) fn last_hash(conn: &Connection, size: u64) -> Option<[u8; 32]> {
    match size.checked_sub(1) {
        None => Some([0; 32]),
        Some(last) => {
            conn.query_row("SELECT hash FROM records WHERE idx = ?1", [int(last)], |row| row.get(0)).ok()
        }
    }
}

fn answer_all(group: &mut Vec<Waiting>, error: &CommitError) {
    for Waiting { reply, .. } in group.drain(..) {
        // Whoever asked may have gone away.
        let _ = reply.send(Err(error.clone()));
    }
}

fn answer_each(group: &mut Vec<Waiting>, answers: Vec<Result<Receipt, CommitError>>) {
    for (Waiting { reply, .. }, answer) in group.drain(..).zip(answers) {
        let _ = reply.send(answer);
    }
}

/// Answer the batches that nothing depends on, and keep those that close what has started.
fn refuse_opening(group: &mut Vec<Waiting>, error: &CommitError) {
    let (closing, opening): (Vec<_>, Vec<_>) = group.drain(..).partition(|w| w.batch.closing);
    *group = closing;
    let mut opening = opening;
    answer_all(&mut opening, error);
}

/// Whether nothing may be trusted after this error. A write that fails before any sync can be tried
/// again, a sync cannot: the kernel forgets what it could not write (fsync(2), "EIO").
fn poisons(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|e| e.extended_code);
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => extended != Some(ffi::SQLITE_IOERR_WRITE),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => true,
        _ => false,
    }
}

fn store_error(error: &rusqlite::Error) -> CommitError {
    CommitError::Store(match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full".into(),
        Some(ErrorCode::ReadOnly) => "the disk has become read-only".into(),
        _ => error.to_string(),
    })
}
