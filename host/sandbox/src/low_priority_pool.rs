//! Selects the thread of a guest: the caller's while it is quick, and a thread of low priority once it has
//! computed for long.
//!
//! Long means without interruption: a guest that keeps calling its host spends most of its time waiting,
//! and would wait longer if each answer had to come from another thread.
//!
//! A computing guest yields once a tick, but a tick is long for a call that needs the processor only for
//! microseconds. The kernel preempts a thread of lower priority at once. Host functions always run on the
//! caller's threads, so that no one waits for a lock held by a thread of low priority.

use std::{
    future::poll_fn,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};

/// A guest that has computed for longer than this without calling its host is moved.
const LONG: Duration = Duration::from_millis(2);
/// A guest that has computed for longer than this in total is moved, even if it calls its host.
const LONG_IN_ALL: Duration = Duration::from_millis(20);
/// How many calls of a component start in the pool after one of them computed for long.
const WARY: u32 = 64;
/// The lowest priority of threads that share the processor fairly.
const NICE: i32 = 19;

/// Threads of low priority.
pub(crate) struct LowPriorityPool(Option<Runtime>);

impl LowPriorityPool {
    /// Starts as many threads as there are processors.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub(crate) fn start() -> io::Result<Self> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("tollgate-guests")
            .on_thread_start(|| {
                // For this thread only, on Linux. If it fails, guests only yield less quickly.
                let _ = rustix::process::setpriority_process(None, NICE);
            })
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Runs `work` here, or on the threads of low priority: from the beginning if `profile` expects a long
    /// computation, otherwise once it has computed for long. `None` if it panicked there.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        profile: CpuProfile,
    ) -> Option<T> {
        let Some(runtime) = &self.0 else {
            return Some(work.await);
        };
        let mut work = Box::pin(work);
        if !profile.is_expected_long() {
            let here = poll_fn(|cx| match work.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if profile.is_long() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            if let Some(output) = here.await {
                return Some(output);
            }
        }
        runtime.spawn(work).await.ok()
    }
}

impl Drop for LowPriorityPool {
    fn drop(&mut self) {
        // Guests in it belong to calls that have ended.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Recent computing times of a component's calls.
#[derive(Debug, Default)]
pub(crate) struct CpuHistory(AtomicU32);

/// The computing time of one call.
#[derive(Debug, Clone)]
pub(crate) struct CpuProfile(Arc<(Arc<CpuHistory>, AtomicBool)>);

impl CpuProfile {
    pub(crate) fn new(history: &Arc<CpuHistory>) -> Self {
        Self(Arc::new((Arc::clone(history), AtomicBool::new(false))))
    }

    /// It has computed for long.
    pub(crate) fn long(&self) {
        let (history, long) = &*self.0;
        long.store(true, Ordering::Relaxed);
        history.0.store(WARY, Ordering::Relaxed);
    }

    fn is_long(&self) -> bool {
        self.0.1.load(Ordering::Relaxed)
    }

    /// A function to be called regularly with the guest's computing time and its remaining operations; it
    /// detects when the computation becomes [long](Self::long).
    pub(crate) fn watch(self) -> impl FnMut(Duration, u64) {
        let (mut asked, mut since) = (None, Duration::ZERO);
        move |used, left| {
            if asked.replace(left).is_some_and(|before| before != left) {
                since = used;
            }
            if used.saturating_sub(since) >= LONG || used >= LONG_IN_ALL {
                self.long();
            }
        }
    }

    fn is_expected_long(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.0
            .0
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

#[cfg(test)]
mod tests;
