//! Group commit: a lone caller commits on its own thread; where several wait, the writer's thread commits them
//! together.
//!
//! Handing a small commit to another thread and being woken by it costs more than the commit. A caller's
//! own thread is only used while commits are short, so that a slow disk never blocks a runtime.

use std::{
    io,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::{
    mpsc,
    oneshot::{self, error::TryRecvError},
};

use crate::{
    CommitError, Receipt,
    batch::{EncodedBatch, QueuedBatch, answer_all},
    cache::SharedState,
    sync::lock,
    writer::{Maintenance, Writer},
};

/// Messages that may wait for the writer; further callers wait asynchronously.
const QUEUE: usize = 1024;
/// The most batches in one transaction, so that the first does not wait for too many others.
const GROUP: usize = 256;
/// Commits shorter than this may run on the caller's own thread.
const SHORT: Duration = Duration::from_micros(500);
/// Commits shorter than this are awaited by spinning.
const SOON: Duration = Duration::from_micros(25);
/// How long the thread spins for work before it sleeps; waking it costs more than a small commit.
const SPIN: Duration = Duration::from_micros(50);
/// Commits longer than this wait for others to join them.
const SLOW: Duration = Duration::from_millis(1);
/// How long a group waits for others at most, and the interval between two checks.
const PATIENCE: Duration = Duration::from_millis(2);
const NAP: Duration = Duration::from_micros(50);

/// Work on the writer between two commits.
type Task = Box<dyn FnOnce(&mut Writer) + Send>;

enum Message {
    Commit(QueuedBatch),
    Task(Task),
    Close(oneshot::Sender<()>),
}

type Answer = oneshot::Receiver<Result<Receipt, CommitError>>;

/// The writer's thread and its queue.
pub(crate) struct GroupCommit {
    messages: Mutex<Option<mpsc::Sender<Message>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    scheduler: CommitScheduler,
}

impl GroupCommit {
    /// Messages that wait for the writer.
    pub(crate) fn depth(&self) -> usize {
        let messages = lock(&self.messages);
        messages
            .as_ref()
            .map_or(0, |sender| sender.max_capacity() - sender.capacity())
    }

    /// Start the writer's thread.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub(crate) fn start(writer: Writer, shared: Arc<SharedState>) -> io::Result<Self> {
        let scheduler = CommitScheduler {
            writer: Arc::new(Mutex::new(Some(writer))),
            shared,
        };
        let (sender, receiver) = mpsc::channel(QUEUE);
        let served = scheduler.clone();
        let thread = thread::Builder::new()
            .name("ledger".into())
            .spawn(move || served.serve(receiver))?;
        Ok(Self {
            messages: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            scheduler,
        })
    }

    /// Commit a batch. A caller that goes away does not take it back.
    ///
    /// # Errors
    /// [`CommitError`]: nothing of it was committed. After [`CommitError::Poisoned`] that is not known.
    pub(crate) async fn commit(&self, batch: EncodedBatch) -> Result<Receipt, CommitError> {
        if let Some(time) = batch.time() {
            self.scheduler.shared.monotonic_now(time);
        }
        if batch.requests_approval() {
            self.scheduler.shared.set_has_requested();
        }
        batch
            .suspends()
            .for_each(|run| self.scheduler.shared.suspend(run));
        let (reply, mut answer) = oneshot::channel();
        let waiting = QueuedBatch { batch, reply };
        let queue = self.messages()?;
        let alone = queue.capacity() == QUEUE;
        let waiting = match alone {
            true => self.commit_inline(waiting, &queue)?,
            false => Some(waiting),
        };
        if let Some(waiting) = waiting {
            let sent = queue.send(Message::Commit(waiting)).await;
            sent.map_err(|_| CommitError::Closed)?;
        }
        if alone && let Some(answer) = self.spin_for_reply(&mut answer) {
            return answer;
        }
        // The writer's thread died, so it is unknown whether the batch was committed.
        answer.await.unwrap_or(Err(CommitError::Poisoned))
    }

    /// Commits on this thread, or returns the batch if others are committing or commits are slow.
    fn commit_inline(
        &self,
        waiting: QueuedBatch,
        queue: &mpsc::Sender<Message>,
    ) -> Result<Option<QueuedBatch>, CommitError> {
        if self.scheduler.shared.recent_group_size() > 1
            || self.scheduler.shared.commit_latency().recent_mean() > SHORT
        {
            return Ok(Some(waiting));
        }
        let mut writer = match self.scheduler.writer.try_lock() {
            Ok(writer) => writer,
            Err(std::sync::TryLockError::WouldBlock) => return Ok(Some(waiting)),
            Err(std::sync::TryLockError::Poisoned(_)) => return Err(CommitError::Poisoned),
        };
        let writer = writer.as_mut().ok_or(CommitError::Closed)?;
        self.scheduler.group(writer, &mut vec![waiting]);
        if writer.needs_maintenance() {
            // If the queue is full, one of the waiting commits does it.
            let _ = queue.try_send(Message::Task(Box::new(|writer| {
                writer.run_maintenance(Maintenance::Due)
            })));
        }
        Ok(None)
    }

    /// The answer, if it arrives sooner than a thread could sleep and wake up.
    fn spin_for_reply(&self, answer: &mut Answer) -> Option<Result<Receipt, CommitError>> {
        let begun = Instant::now();
        let patience = match self.scheduler.shared.commit_latency().recent_mean() <= SOON {
            true => 2 * SOON,
            false => Duration::ZERO,
        };
        loop {
            match answer.try_recv() {
                Err(TryRecvError::Empty) if begun.elapsed() >= patience => return None,
                Err(TryRecvError::Empty) => std::hint::spin_loop(),
                Err(TryRecvError::Closed) => return Some(Err(CommitError::Poisoned)),
                Ok(answer) => return Some(answer),
            }
        }
    }

    /// Run a task on the writer between two commits.
    ///
    /// # Errors
    /// [`CommitError::Closed`], or [`CommitError::Poisoned`] if the writer panicked.
    pub(crate) async fn task<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Result<T, CommitError> {
        let (done, answer) = oneshot::channel();
        let task: Task = Box::new(move |writer| drop(done.send(task(writer))));
        let sent = self.messages()?.send(Message::Task(task)).await;
        sent.map_err(|_| CommitError::Closed)?;
        answer.await.map_err(|_| CommitError::Poisoned)
    }

    /// Finishes everything that was sent before, and releases the store. Later commits are refused.
    pub(crate) async fn close(&self) {
        let queue = lock(&self.messages).take();
        if let Some(queue) = queue {
            let (done, closed) = oneshot::channel();
            if queue.send(Message::Close(done)).await.is_ok() {
                // This fails only if the thread is gone, which closes the ledger as well.
                let _ = closed.await;
            }
        }
    }

    fn messages(&self) -> Result<mpsc::Sender<Message>, CommitError> {
        lock(&self.messages).clone().ok_or(CommitError::Closed)
    }
}

impl Drop for GroupCommit {
    fn drop(&mut self) {
        // Without a sender the thread ends, once it has done what is queued.
        lock(&self.messages).take();
        if let Some(thread) = lock(&self.thread).take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic there was reported to the waiting callers.
            let _ = thread.join();
        }
    }
}

/// Exclusive access to the writer. It is `None` once the ledger is closed. The lock is poisoned if, after a
/// panic, it is unknown what was written.
#[derive(Clone)]
struct CommitScheduler {
    writer: Arc<Mutex<Option<Writer>>>,
    shared: Arc<SharedState>,
}

impl CommitScheduler {
    /// Serves until closed, or until every sender is gone.
    fn serve(self, mut queue: mpsc::Receiver<Message>) {
        let mut group = Vec::with_capacity(GROUP);
        let mut spins = false;
        while let Some(message) = wait(&mut queue, &mut spins) {
            let other = match message {
                Message::Commit(waiting) => {
                    group.push(waiting);
                    self.gather(&mut group, &mut queue)
                }
                message => Some(message),
            };
            // When this thread ends, all waiting callers get an answer.
            let Ok(mut locked) = self.writer.lock() else {
                return;
            };
            let Some(writer) = locked.as_mut() else {
                return;
            };
            if !group.is_empty() {
                self.group(writer, &mut group);
                writer.run_maintenance(Maintenance::Due);
            }
            match other {
                Some(Message::Task(task)) => task(writer),
                Some(Message::Close(done)) => {
                    queue.close();
                    while let Ok(message) = queue.try_recv() {
                        if let Message::Commit(waiting) = message {
                            group.push(waiting);
                        }
                    }
                    answer_all(&mut group, &CommitError::Closed);
                    writer.run_maintenance(Maintenance::Last);
                    locked.take();
                    // The caller may reopen the store as soon as it is answered.
                    let _ = done.send(());
                    return;
                }
                Some(Message::Commit(_)) | None => {}
            }
        }
        if let Ok(mut locked) = self.writer.lock()
            && let Some(mut writer) = locked.take()
        {
            writer.run_maintenance(Maintenance::Last);
        }
    }

    /// Commits a group, and records its size and duration.
    fn group(&self, writer: &mut Writer, group: &mut Vec<QueuedBatch>) {
        self.shared.note_group_size(group.len());
        self.shared.commit_latency().timed(|| writer.group(group));
    }

    /// Takes the other queued messages. On a slow disk, waits a moment for as many as last time: otherwise
    /// the first to return would commit alone while the others wait behind it.
    fn gather(
        &self,
        group: &mut Vec<QueuedBatch>,
        queue: &mut mpsc::Receiver<Message>,
    ) -> Option<Message> {
        let pace = self.shared.commit_latency();
        let patience = if pace.is_unknown() || pace.recent_mean() < SLOW {
            Duration::ZERO
        } else {
            (pace.recent_mean() / 4).min(PATIENCE)
        };
        let begun = Instant::now();
        loop {
            while group.len() < GROUP {
                match queue.try_recv() {
                    Ok(Message::Commit(waiting)) => group.push(waiting),
                    Ok(message) => return Some(message),
                    Err(_) => break,
                }
            }
            if group.len() >= self.shared.recent_group_size().min(GROUP)
                || begun.elapsed() >= patience
            {
                return None;
            }
            thread::sleep(NAP);
        }
    }
}

/// The next message. Spins first if the last wait was short.
fn wait(queue: &mut mpsc::Receiver<Message>, spins: &mut bool) -> Option<Message> {
    if let Ok(message) = queue.try_recv() {
        return Some(message);
    }
    let begun = Instant::now();
    while *spins && begun.elapsed() <= SPIN {
        for _ in 0..64 {
            if let Ok(message) = queue.try_recv() {
                return Some(message);
            }
            std::hint::spin_loop();
        }
    }
    let message = queue.blocking_recv();
    *spins = begun.elapsed() < 2 * SPIN;
    message
}
