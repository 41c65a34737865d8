//! When to try again: exponentially later, with jitter, so that many gates do not come back at once.

use std::time::Duration;

use tollgate_model::time::Timestamp;

/// The first pause.
const FIRST: u64 = 500_000;
/// The longest, in microseconds.
const LONGEST: u64 = 60_000_000;

/// When to try again.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    failures: u32,
    not_before: Timestamp,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self {
            failures: 0,
            not_before: Timestamp(i64::MIN),
        }
    }

    /// Whether it is time.
    pub(super) fn allows(&self, now: Timestamp) -> bool {
        now >= self.not_before
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::new();
    }

    /// It failed. `random` is anything; `told` is how long the collector asks to be left alone.
    pub(super) fn failed(&mut self, now: Timestamp, random: u64, told: Option<Duration>) {
        let most = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Between half of it and all of it.
        let pause = most / 2 + random % (most / 2 + 1);
        let told = told.map_or(0, |told| {
            u64::try_from(told.as_micros()).unwrap_or(u64::MAX)
        });
        self.not_before = now.plus(pause.max(told.min(LONGEST)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_end_with_a_success() {
        let now = Timestamp(1_000_000_000);
        let mut pace = Backoff::new();
        assert!(pace.allows(now));
        let mut last = 0;
        for failure in 0..20 {
            pace.failed(now, u64::MAX, None);
            let pause = u64::try_from(pace.not_before.0 - now.0).unwrap();
            assert!(pause >= last / 2 && pause <= LONGEST, "{failure}: {pause}");
            assert!(!pace.allows(now));
            last = pause;
        }
        assert!(last >= LONGEST / 2);
        pace.succeeded();
        assert!(pace.allows(now));
        pace.failed(now, 0, Some(Duration::from_secs(30)));
        assert_eq!(pace.not_before, now.plus(30_000_000));
        pace.failed(now, 0, Some(Duration::from_secs(86_400)));
        assert_eq!(pace.not_before, now.plus(LONGEST));
    }
}
