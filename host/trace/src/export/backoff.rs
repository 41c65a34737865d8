//! Exponential backoff, and not earlier than `Retry-After` of the collector.

use std::time::Duration;

use tollgate_model::{backoff::Backoff as Pauses, time::Timestamp};

/// The first pause.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// The time of the next attempt.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    pauses: Pauses,
    not_before: Timestamp,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self {
            pauses: Pauses::new(FIRST, LONGEST),
            not_before: Timestamp(i64::MIN),
        }
    }

    /// Whether the next attempt is due.
    pub(super) fn allows(&self, now: Timestamp) -> bool {
        now >= self.not_before
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::new();
    }

    /// Notes a failure. `random` is for jitter; `retry_after` is the pause that the collector requested.
    pub(super) fn failed(&mut self, now: Timestamp, random: u64, retry_after: Option<Duration>) {
        let pause = self.pauses.fail_with_jitter(random);
        let least = retry_after.unwrap_or_default().min(LONGEST);
        self.not_before = now.after(pause.max(least));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_end_with_a_success() {
        let now = Timestamp(1_000_000_000);
        let mut backoff = Backoff::new();
        assert!(backoff.allows(now));
        for _ in 0..20 {
            backoff.failed(now, u64::MAX, None);
            assert!(!backoff.allows(now));
        }
        assert!(!backoff.allows(now.after(LONGEST / 2 - Duration::from_micros(1))));
        assert!(backoff.allows(now.after(LONGEST)));
        backoff.succeeded();
        assert!(backoff.allows(now));
        backoff.failed(now, 0, Some(Duration::from_secs(30)));
        assert_eq!(backoff.not_before, now.plus(30_000_000));
        backoff.failed(now, 0, Some(Duration::from_secs(86_400)));
        assert_eq!(backoff.not_before, now.after(LONGEST));
    }
}
