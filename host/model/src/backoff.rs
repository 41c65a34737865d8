//! Exponential backoff: pauses that double from failure to failure, up to a limit.
//!
//! Clocks and randomness are the caller's.

use std::time::Duration;

use crate::time::micros;

/// The pauses after failures in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses that begin with `first` and never exceed `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// Failures since the last success.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Count a success: the next pause is the first one again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Count a failure. How long to wait after it.
    #[must_use]
    pub fn fail(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// As [`Self::fail`], with jitter, so that many clients do not come back at once: between half of the pause
    /// and all of it. `random` is uniform over all numbers.
    #[must_use]
    pub fn fail_with_jitter(&mut self, random: u64) -> Duration {
        let half = self.fail() / 2;
        let jitter = random % micros(half).saturating_add(1);
        half.saturating_add(Duration::from_micros(jitter))
    }
}

#[cfg(test)]
mod tests;
