//! The gate's own clock, in whole milliseconds: `clock::now()`.
//!
//! It is the clock that policies see. Tests set it with [`testing::at`](crate::testing::at).

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(target_family = "wasm")]
use crate::bindings::tollgate::adapter::clock as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::clock as host;

/// The time now. The standard library's own `SystemTime::now` panics in a component.
#[must_use]
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(unix_millis())
}

/// Milliseconds since 1970-01-01 00:00 UTC.
#[must_use]
pub fn unix_millis() -> u64 {
    host::now()
}

/// The time since this call began. Never goes back.
#[must_use]
pub fn elapsed() -> Duration {
    Duration::from_millis(host::elapsed())
}
