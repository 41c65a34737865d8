//! Threads of low priority for traces, so that they do not delay decisions.

use std::{io, sync::mpsc, thread};

use tokio::sync::oneshot;

/// Lower than threads that decide, higher than guests that compute for long.
const NICE: i32 = 10;

type Work = Box<dyn FnOnce() + Send>;

/// Lowers the priority of this thread; on Linux each thread has its own. Errors are ignored, because a busy gate is
/// then only slower.
pub(crate) fn lower_thread_priority() {
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// A thread of low priority for blocking work. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct BackgroundThread(mpsc::Sender<Work>);

impl BackgroundThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// The thread cannot be created.
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<Work>();
        thread::Builder::new().name(name.into()).spawn(move || {
            lower_thread_priority();
            receiver.into_iter().for_each(|work| work());
        })?;
        Ok(Self(sender))
    }

    /// Does `work` on the thread. `None` if it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, answer) = oneshot::channel();
        let work: Work = Box::new(move || drop(done.send(work())));
        self.0.send(work).ok()?;
        answer.await.ok()
    }
}

#[cfg(test)]
mod tests;
