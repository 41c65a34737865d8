//! Time that passes only when a test says so.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use tollgate::ids::Clock;
use tollgate_model::time::Timestamp;

/// Monday, 2026-11-23, 10:00 UTC: when the time of a world begins.
pub const BEGIN: Timestamp = Timestamp(1_795_428_000_000_000);

/// A clock that a test moves. Clones show the same time.
#[derive(Debug, Clone)]
pub struct TestClock {
    micros: Arc<AtomicI64>,
}

impl Default for TestClock {
    /// At [`BEGIN`].
    fn default() -> Self {
        Self {
            micros: Arc::new(AtomicI64::new(BEGIN.0)),
        }
    }
}

impl TestClock {
    /// The clock for a gate.
    pub fn clock(&self) -> Clock {
        let micros = Arc::clone(&self.micros);
        Clock::new(move || Timestamp(micros.load(Ordering::SeqCst)))
    }

    /// Moves it forward.
    pub fn advance(&self, seconds: i64) {
        self.micros.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}
