//! Threads that give way to decisions: what is traced may come later, and no call waits for it.

use std::{io, sync::mpsc, thread};

use tokio::sync::oneshot;

/// Below what decides, and above guests that compute for long.
const NICE: i32 = 10;

type Work = Box<dyn FnOnce() + Send>;

/// Have this thread give way from now on: on Linux a priority is a thread's own. Without it a busy gate is
/// merely slower.
pub(crate) fn lower_thread_priority() {
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// A thread that gives way, for work that blocks. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct BackgroundThread(mpsc::Sender<Work>);

impl BackgroundThread {
    /// Start one.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<Work>();
        thread::Builder::new().name(name.into()).spawn(move || {
            lower_thread_priority();
            receiver.into_iter().for_each(|work| work());
        })?;
        Ok(Self(sender))
    }

    /// Do `work` there. Nothing if it panicked.
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
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_on_a_thread_that_gives_way() {
        let aside = BackgroundThread::start("aside").unwrap();
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let before = priority();
        assert_eq!(aside.run(priority).await, Some(before.max(NICE)));
        assert_eq!(
            priority(),
            before,
            "the priority of this thread has not changed"
        );
    }
}
