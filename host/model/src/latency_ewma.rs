//! Recent latency of an operation, which determines on which thread it runs.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// An exponentially weighted moving average: the latest value has weight 1/4.
#[derive(Debug)]
pub struct LatencyEwma(AtomicU64);

impl Default for LatencyEwma {
    /// Nothing is known yet, so the operation counts as slow.
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl LatencyEwma {
    /// The mean of recent latencies; 584 years before the first measurement, so that the operation counts as slow.
    pub fn recent_mean(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// Whether nothing was measured yet.
    pub fn is_unknown(&self) -> bool {
        self.0.load(Ordering::Relaxed) == u64::MAX
    }

    /// Adds a measurement.
    pub fn took(&self, time: Duration) {
        let new = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let mean = match self.0.load(Ordering::Relaxed) {
            u64::MAX => new,
            old => old - old / 4 + new / 4,
        };
        self.0.store(mean, Ordering::Relaxed);
    }

    /// Runs the operation and measures it.
    pub fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        self.took(begun.elapsed());
        done
    }
}

#[cfg(test)]
mod tests;
