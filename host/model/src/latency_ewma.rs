//! How long something takes lately, on which it depends where it is done.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A mean that forgets: a quarter of it is the last time.
#[derive(Debug)]
pub struct LatencyEwma(AtomicU64);

impl Default for LatencyEwma {
    /// Nothing is known, so it may take without end.
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl LatencyEwma {
    /// How long it takes lately; [`Duration::MAX`], nearly, before the first time.
    pub fn lately(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// Whether it was never done.
    pub fn is_unknown(&self) -> bool {
        self.0.load(Ordering::Relaxed) == u64::MAX
    }

    /// It took so long.
    pub fn took(&self, time: Duration) {
        let new = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let mean = match self.0.load(Ordering::Relaxed) {
            u64::MAX => new,
            old => old - old / 4 + new / 4,
        };
        self.0.store(mean, Ordering::Relaxed);
    }

    /// Do it, and remember how long it took.
    pub fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        self.took(begun.elapsed());
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_begins_with_the_first_and_forgets() {
        let pace = LatencyEwma::default();
        assert!(pace.is_unknown());
        pace.took(Duration::from_nanos(400));
        assert_eq!(pace.lately(), Duration::from_nanos(400));
        pace.took(Duration::from_nanos(800));
        assert_eq!(pace.lately(), Duration::from_nanos(500));
        for _ in 0..40 {
            pace.took(Duration::ZERO);
        }
        assert!(pace.lately() < Duration::from_nanos(5));
    }
}
