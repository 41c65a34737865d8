//! The clock on which busy guests yield and their time is checked.
//!
//! It runs only while a guest runs: an idle gate does not wake up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use wasmtime::{Engine, EngineWeak};

/// How often a busy guest yields its thread, which is also the resolution of its time limit.
const TICK: Duration = Duration::from_millis(1);

/// Advances the engine's epoch while something runs, and sleeps otherwise.
pub(crate) struct Ticker {
    shared: Arc<TickerThread>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct TickerThread {
    running: AtomicUsize,
    stopped: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(TickerThread::default());
        let (ticking, engine) = (Arc::clone(&shared), engine.weak());
        let thread = thread::Builder::new()
            .name("tollgate-ticker".into())
            .spawn(move || tick(&ticking, &engine))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    pub(crate) fn begin(&self) {
        if self.shared.running.fetch_add(1, Ordering::SeqCst) == 0 {
            self.wake();
        }
    }

    pub(crate) fn end(&self) {
        self.shared.running.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It ends within a tick, and it cannot panic.
            let _ = thread.join();
        }
    }
}

fn tick(ticking: &TickerThread, engine: &EngineWeak) {
    while !ticking.stopped.load(Ordering::SeqCst) {
        if ticking.running.load(Ordering::SeqCst) == 0 {
            // An `unpark` before `park` is not lost.
            thread::park();
            continue;
        }
        thread::sleep(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}
