//! The store's one writer: a thread that does all queued work in one transaction (group commit), and answers
//! the callers once that is durable.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use super::{
    BUSY, Facet, Store, StoreError, StoreOptions,
    entries::{ReporterTotals, SourceId, TraceEntry},
};
use crate::low_priority::lower_thread_priority;

/// Capacity of the queue; a caller that finds it full gets an error and may retry.
const QUEUE: usize = 256;
/// The most pieces of work in one transaction.
const GROUP: usize = 64;
/// Pages of the write-ahead log after which it is written back.
const CHECKPOINT: u64 = 8192;
/// Bytes of a page.
const PAGE: u64 = 4096;
/// Entries of each cache; a full one is emptied.
const CACHED: usize = 50_000;

/// Answers a waiting caller once the transaction is durable or has failed.
type Completion = Box<dyn FnOnce(Option<&StoreError>) + Send>;

type Work = Box<dyn FnOnce(&mut Writer) -> Completion + Send>;

/// The writer's connection, and what it remembers of the tables.
pub(crate) struct Writer {
    pub(crate) conn: Connection,
    pub(super) options: StoreOptions,
    pub(super) texts: HashMap<String, i64>,
    pub(super) sources: HashMap<[u8; 32], SourceId>,
    pub(super) facets: HashSet<(i64, Facet, i64)>,
    /// Known rows of the table that links traces and sources.
    pub(super) origins: HashSet<(i64, i64)>,
    /// Traces of this piece of work. Not cached longer, because other processes write between transactions.
    pub(super) open: HashMap<(String, [u8; 16]), TraceEntry>,
    /// Of those traces, how much each reporter has stored.
    pub(super) totals: HashMap<(i64, i64), ReporterTotals>,
    /// Pages of the log at which the next checkpoint is tried.
    pub(super) checkpoint: u64,
}

impl Writer {
    /// Empties the caches, because their entries may not be in the tables.
    pub(super) fn forget(&mut self) {
        self.texts.clear();
        self.sources.clear();
        self.facets.clear();
        self.origins.clear();
        self.open.clear();
        self.totals.clear();
    }

    /// Empties caches that are full.
    fn trim(&mut self) {
        if self.texts.len() > CACHED {
            self.texts.clear();
        }
        if self.sources.len() > CACHED {
            self.sources.clear();
        }
        if self.facets.len() > 4 * CACHED {
            self.facets.clear();
        }
        if self.origins.len() > CACHED {
            self.origins.clear();
        }
    }

    pub(crate) fn failed(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.options.path, error)
    }

    /// Checks the quota.
    pub(super) fn room(&self) -> Result<(), StoreError> {
        let pragma = |name| {
            self.conn
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                .map(super::nat)
                .map_err(|e| self.failed(&e))
        };
        let used = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
        match used.saturating_mul(pragma("page_size")?) >= self.options.quota {
            true => Err(StoreError::Full(self.options.quota)),
            false => Ok(()),
        }
    }

    /// Does all of `works` in one transaction, then reports the result of each.
    fn commit(&mut self, works: Vec<Work>) {
        let begun = self.conn.execute_batch("BEGIN IMMEDIATE");
        let mut tells = Vec::with_capacity(works.len());
        let mut failed = begun.err();
        if failed.is_none() {
            for work in works {
                tells.push(work(self));
            }
            failed = self.conn.execute_batch("COMMIT").err();
        } else {
            // Every caller gets an error, because its channel closes.
            drop(works);
        }
        let error = failed.map(|e| self.failed(&e));
        if error.is_some() {
            if !self.conn.is_autocommit() {
                // It was not committed; where this fails too, the connection's end undoes it.
                let _ = self.conn.execute_batch("ROLLBACK");
            }
            self.forget();
        }
        self.trim();
        for tell in tells {
            tell(error.as_ref());
        }
        self.write_log_back();
    }

    /// Checkpoints the write-ahead log when it has grown. It is done on this thread, so that a failing sync is
    /// noticed. If a reader prevents it, the writer does not wait: it tries again after as many pages more.
    fn write_log_back(&mut self) {
        let log = PathBuf::from(format!("{}-wal", self.options.path.display()));
        let pages = || std::fs::metadata(&log).map_or(0, |m| m.len() / PAGE);
        if pages() < self.checkpoint {
            return;
        }
        let _ = self.conn.busy_timeout(Duration::ZERO);
        let _ = self.conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        let _ = self.conn.busy_timeout(BUSY);
        self.checkpoint = pages().saturating_add(CHECKPOINT);
    }
}

/// The writer's queue and thread.
pub(super) struct Queue {
    works: Mutex<Option<mpsc::Sender<Work>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

impl Queue {
    pub(super) fn start(conn: Connection, options: StoreOptions) -> Result<Self, StoreError> {
        let (sender, mut receiver) = mpsc::channel::<Work>(QUEUE);
        let path = options.path.clone();
        let mut writer = Writer {
            conn,
            options,
            texts: HashMap::new(),
            sources: HashMap::new(),
            facets: HashSet::new(),
            origins: HashSet::new(),
            open: HashMap::new(),
            totals: HashMap::new(),
            checkpoint: CHECKPOINT,
        };
        let thread = thread::Builder::new()
            .name("trace".into())
            .spawn(move || {
                lower_thread_priority();
                let mut works = Vec::with_capacity(GROUP);
                while receiver.blocking_recv_many(&mut works, GROUP) > 0 {
                    writer.commit(std::mem::take(&mut works));
                }
            })
            .map_err(|e| StoreError::File {
                path: path.display().to_string(),
                reason: e.to_string(),
            })?;
        Ok(Self {
            works: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    fn sender(&self) -> Result<mpsc::Sender<Work>, StoreError> {
        let works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        works.clone().ok_or(StoreError::Closed)
    }

    pub(super) async fn close(&self) {
        let works = self
            .works
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(works);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic of the thread has closed the channels of its callers already.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Store {
    /// Lets the writer do `work`, alone or in one transaction with others' work. Failed work is rolled back; an
    /// `Ok` means that the work is durable.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |writer| {
            let done = savepoint(writer, work);
            Box::new(move |failed| {
                let answer = match failed {
                    None => done,
                    Some(error) => Err(error.clone()),
                };
                // The caller may be gone.
                let _ = reply.send(answer);
            })
        });
        match self.0.queue.sender()?.try_send(work) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(StoreError::Busy),
            Err(TrySendError::Closed(_)) => return Err(StoreError::Closed),
        }
        answer.await.unwrap_or(Err(StoreError::Busy))
    }
}

/// Does `work` in a savepoint, which is rolled back if the work fails.
fn savepoint<T>(
    writer: &mut Writer,
    work: impl FnOnce(&mut Writer) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let begun = writer.conn.execute_batch("SAVEPOINT work");
    begun.map_err(|e| writer.failed(&e))?;
    let done = work(writer).and_then(|done| {
        let written = writer.write_back();
        written.map(|()| done).map_err(|e| writer.failed(&e))
    });
    let end = match &done {
        Ok(_) => "RELEASE work",
        Err(_) => "ROLLBACK TO work; RELEASE work",
    };
    if done.is_err() {
        writer.forget();
    }
    let ended = writer.conn.execute_batch(end);
    ended.map_err(|e| writer.failed(&e)).and(done)
}

#[cfg(test)]
mod tests;
