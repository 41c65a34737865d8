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
mod tests;
