//! Timestamps of the ledger.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z, without leap seconds. Below 2^53 until 2255, so it is a JSON
/// integer (RFC 8785, section 3.2.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Microseconds from `earlier` to this time; 0 if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// This time and `micros` microseconds.
    #[must_use]
    pub fn plus(self, micros: u64) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(micros).unwrap_or(i64::MAX)),
        )
    }

    /// This time and `pause`.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        self.plus(micros(pause))
    }

    /// This time without `pause`.
    #[must_use]
    pub fn before(self, pause: Duration) -> Self {
        let pause = i64::try_from(micros(pause)).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(pause))
    }

    /// Milliseconds since 1970, 0 before that.
    #[must_use]
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.div_euclid(1000)).unwrap_or(0)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds, such as `2026-11-21T08:30:00.250Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// Microseconds of a duration; the largest number if it is longer.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Time in the gate's configured zone, as policies see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalTime {
    /// 0 to 1439.
    pub minute: u16,
    /// 1 (Monday) to 7.
    pub weekday: u8,
}

#[cfg(test)]
mod tests;
