//! Time and randomness: the only places where the gate reads them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use sha2::{Digest as _, Sha256};
use tollgate_model::{
    ids::{ApprovalId, RunId, SpanId, StandingId},
    time::Timestamp,
};

/// A source of time: the system, or a test.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system's wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            Timestamp(0).after(since.unwrap_or_default())
        })
    }

    /// A clock that a test drives.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Random bytes from the operating system, if available.
#[must_use]
pub fn random(count: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes).ok().map(|()| bytes)
}

/// Unpredictable identifiers: SHA-256 of a secret seed and a counter. Creating one cannot fail.
#[derive(Clone)]
pub struct Ids {
    seed: [u8; 32],
    next: Arc<AtomicU64>,
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}

impl Ids {
    /// Seeded by the operating system.
    ///
    /// # Errors
    /// If the operating system has no randomness.
    pub fn from_system() -> Result<Self, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self::from_seed(seed))
    }

    /// For tests: the same seed gives the same identifiers.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self {
            seed,
            next: Arc::new(AtomicU64::new(0)),
        }
    }

    fn draw<const N: usize>(&self) -> [u8; N] {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut out = [0; N];
        out.iter_mut().zip(digest).for_each(|(o, d)| *o = d);
        out
    }

    /// A new span id.
    #[must_use]
    pub fn span(&self) -> SpanId {
        SpanId::from_bytes(self.draw())
    }

    /// A new run id that sorts by time.
    #[must_use]
    pub fn run(&self, now: Timestamp) -> RunId {
        RunId::at(now.millis(), self.draw())
    }

    /// A new secret.
    pub(crate) fn secret(&self) -> [u8; 32] {
        self.draw()
    }

    /// A new approval id.
    #[must_use]
    pub fn approval(&self) -> ApprovalId {
        ApprovalId::from_bytes(self.draw())
    }

    /// A new standing approval id.
    #[must_use]
    pub fn standing(&self) -> StandingId {
        StandingId::from_bytes(self.draw())
    }
}
