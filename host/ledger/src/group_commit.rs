//! Who commits when: a caller that is alone does it itself, and where several wait, the writer's thread
//! commits them together.
//!
//! Handing a small commit to another thread and being woken by it costs more than the commit. A caller's
//! own thread is only used while commits are short, so that a slow disk never holds up a runtime.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::{
    mpsc,
    oneshot::{self, error::TryRecvError},
};

use super::{
    CommitError, Receipt,
    batch::{Prepared, Waiting, answer_all},
    cache::Shared,
    writer::Writer,
};

/// Messages that may wait for the writer; more callers wait for a place, without blocking a thread.
const QUEUE: usize = 1024;
/// Batches in one transaction at most: more would let the first wait for the last.
const GROUP: usize = 256;
/// A commit that takes less than this may be made on the caller's own thread.
const SHORT: Duration = Duration::from_micros(500);
/// A commit that takes less than this is waited for without going to sleep.
const SOON: Duration = Duration::from_micros(25);
/// How long the thread looks for work before it sleeps: waking it costs more than a small commit.
const SPIN: Duration = Duration::from_micros(50);
/// A commit that takes longer is worth filling.
const SLOW: Duration = Duration::from_millis(1);
/// How long a group is filled at most, and how long between two looks.
const PATIENCE: Duration = Duration::from_millis(2);
const NAP: Duration = Duration::from_micros(50);

/// Something else that is done with the writer between commits.
type Task = Box<dyn FnOnce(&mut Writer) + Send>;

enum Message {
    Commit(Waiting),
    Task(Task),
    Close(oneshot::Sender<()>),
}

type Answer = oneshot::Receiver<Result<Receipt, CommitError>>;

/// The writer, and the ways to it.
pub(crate) struct Queue {
    messages: Mutex<Option<mpsc::Sender<Message>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    desk: Desk,
}

impl Queue {
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
    /// The system has no thread to give.
    pub(crate) fn start(writer: Writer, shared: Arc<Shared>) -> io::Result<Self> {
        let desk = Desk {
            writer: Arc::new(Mutex::new(Some(writer))),
            shared,
        };
        let (sender, receiver) = mpsc::channel(QUEUE);
        let served = desk.clone();
        let thread = thread::Builder::new()
            .name("ledger".into())
            .spawn(move || served.serve(receiver))?;
        Ok(Self {
            messages: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            desk,
        })
    }

    /// Commit a batch. A caller that goes away does not take it back.
    ///
    /// # Errors
    /// [`CommitError`]: nothing of it was committed. After [`CommitError::Poisoned`] that is not known.
    pub(crate) async fn commit(&self, batch: Prepared) -> Result<Receipt, CommitError> {
        if let Some(time) = batch.time() {
            self.desk.shared.floor(time);
        }
        if batch.asks() {
            self.desk.shared.set_asked();
        }
        batch
            .suspends()
            .for_each(|run| self.desk.shared.suspend(run));
        let (reply, mut answer) = oneshot::channel();
        let waiting = Waiting { batch, reply };
        let queue = self.messages()?;
        let alone = queue.capacity() == QUEUE;
        let waiting = match alone {
            true => self.at_once(waiting, &queue)?,
            false => Some(waiting),
        };
        if let Some(waiting) = waiting {
            let sent = queue.send(Message::Commit(waiting)).await;
            sent.map_err(|_| CommitError::Closed)?;
        }
        if alone && let Some(answer) = self.soon(&mut answer) {
            return answer;
        }
        // The thread that would have answered is gone, and with it the knowledge of what it did.
        answer.await.unwrap_or(Err(CommitError::Poisoned))
    }

    /// Commit it here and now, or give it back: others are at it, or it may take long.
    fn at_once(
        &self,
        waiting: Waiting,
        queue: &mpsc::Sender<Message>,
    ) -> Result<Option<Waiting>, CommitError> {
        if self.desk.shared.crowd() > 1 || self.desk.shared.pace().lately() > SHORT {
            return Ok(Some(waiting));
        }
        let mut desk = match self.desk.writer.try_lock() {
            Ok(desk) => desk,
            Err(std::sync::TryLockError::WouldBlock) => return Ok(Some(waiting)),
            Err(std::sync::TryLockError::Poisoned(_)) => return Err(CommitError::Poisoned),
        };
        let writer = desk.as_mut().ok_or(CommitError::Closed)?;
        self.desk.group(writer, &mut vec![waiting]);
        if writer.is_untidy() {
            // If there is no place, somebody else comes by soon.
            let _ = queue.try_send(Message::Task(Box::new(|writer| writer.tidy(false))));
        }
        Ok(None)
    }

    /// The answer, if it comes so soon that going to sleep and being woken would take longer.
    fn soon(&self, answer: &mut Answer) -> Option<Result<Receipt, CommitError>> {
        let begun = Instant::now();
        let patience = match self.desk.shared.pace().lately() <= SOON {
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

    /// Let the writer do something between two commits.
    ///
    /// # Errors
    /// [`CommitError::Closed`], or [`CommitError::Poisoned`] if it did not survive that.
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

    /// Finish what was sent before, and give the store up. Later commits are refused.
    pub(crate) async fn close(&self) {
        let queue = lock(&self.messages).take();
        if let Some(queue) = queue {
            let (done, closed) = oneshot::channel();
            if queue.send(Message::Close(done)).await.is_ok() {
                // It fails only if the thread is gone, and then it is closed.
                let _ = closed.await;
            }
        }
    }

    fn messages(&self) -> Result<mpsc::Sender<Message>, CommitError> {
        lock(&self.messages).clone().ok_or(CommitError::Closed)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Without a sender the thread ends, once it has done what is queued.
        lock(&self.messages).take();
        if let Some(thread) = lock(&self.thread).take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic there has shown itself to whoever waited for an answer.
            let _ = thread.join();
        }
    }
}

/// The writer, one at a time. It is gone when the ledger is closed, and the lock is poisoned when a
/// panic left nobody who knows what was written.
#[derive(Clone)]
struct Desk {
    writer: Arc<Mutex<Option<Writer>>>,
    shared: Arc<Shared>,
}

impl Desk {
    /// Serve until told to close, or until nobody can send any more.
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
            // Whoever waits is told by the end of this thread.
            let Ok(mut desk) = self.writer.lock() else {
                return;
            };
            let Some(writer) = desk.as_mut() else { return };
            if !group.is_empty() {
                self.group(writer, &mut group);
                writer.tidy(false);
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
                    writer.tidy(true);
                    desk.take();
                    // Whoever waits for the answer may open the same store at once.
                    let _ = done.send(());
                    return;
                }
                Some(Message::Commit(_)) | None => {}
            }
        }
        if let Ok(mut desk) = self.writer.lock()
            && let Some(mut writer) = desk.take()
        {
            writer.tidy(true);
        }
    }

    /// Commit what waits, and remember how long that took and how many they were.
    fn group(&self, writer: &mut Writer, group: &mut Vec<Waiting>) {
        self.shared.came(group.len());
        self.shared.pace().timed(|| writer.group(group));
    }

    /// Take what else has come. On a slow disk it pays to wait a moment for those who were here the last
    /// time: without that, the first to come back would be alone, and all others behind them.
    fn gather(
        &self,
        group: &mut Vec<Waiting>,
        queue: &mut mpsc::Receiver<Message>,
    ) -> Option<Message> {
        let pace = self.shared.pace();
        let patience = if pace.is_unknown() || pace.lately() < SLOW {
            Duration::ZERO
        } else {
            (pace.lately() / 4).min(PATIENCE)
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
            if group.len() >= self.shared.crowd().min(GROUP) || begun.elapsed() >= patience {
                return None;
            }
            thread::sleep(NAP);
        }
    }
}

/// The next message. Spins for a moment first where that has paid lately: where the last wait ended
/// soon.
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

/// What is behind it is whole after a panic, too: each change of it is a single step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
