//! Rate limit per caller. Every denial costs a commit of the ledger, so requests must be limited before they
//! are decided.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tollgate::{config::RateConfig, gate::Gate, identity::Caller};
use tollgate_model::{entity::Uid, time::Timestamp};

use crate::problem::Problem;

/// A caller asks more often than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; wait {} s before the next", .retry_after.as_secs())]
pub struct RateExceeded {
    /// The time until the next request is accepted: whole seconds, at least one.
    pub retry_after: Duration,
}

impl From<RateExceeded> for Problem {
    fn from(busy: RateExceeded) -> Self {
        Self::too_many_requests(busy.to_string(), busy.retry_after.as_secs())
    }
}

/// How often each principal has asked. There are as many as the configuration has names.
#[derive(Debug, Default)]
pub struct Rate(Mutex<HashMap<Uid, Bucket>>);

#[derive(Debug)]
struct Bucket {
    /// Remaining requests, in millionths; negative for what was charged beyond them.
    left: i64,
    at: Timestamp,
}

const REQUEST: i64 = 1_000_000;

impl Rate {
    /// Counts a request that may add a record to the ledger of `gate`.
    ///
    /// # Errors
    /// [`RateExceeded`] if the caller exceeds its rate. Nothing was recorded.
    pub fn count(&self, gate: &Gate, caller: &Caller) -> Result<(), RateExceeded> {
        self.count_many(gate, caller, 1)
    }

    /// As [`Rate::count`], for a request that costs as much as `requests`. It is let in if one would be; the
    /// rest is charged, and the caller waits for it before the next one.
    ///
    /// # Errors
    /// [`RateExceeded`].
    pub fn count_many(
        &self,
        gate: &Gate,
        caller: &Caller,
        requests: usize,
    ) -> Result<(), RateExceeded> {
        let config = gate.ruleset().config.serve.rate;
        self.admit(&caller.principal(), config, gate.now(), requests)
    }

    fn admit(
        &self,
        principal: &Uid,
        config: RateConfig,
        now: Timestamp,
        requests: usize,
    ) -> Result<(), RateExceeded> {
        let (per_second, burst) = (i64::from(config.per_second), i64::from(config.burst));
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = burst.saturating_mul(REQUEST);
        let bucket = buckets.entry(principal.clone()).or_insert(Bucket {
            left: full,
            at: now,
        });
        // Each microsecond adds `per_second` millionths.
        let passed = i64::try_from(now.since(bucket.at)).unwrap_or(i64::MAX);
        let passed = passed.saturating_mul(per_second);
        bucket.left = bucket.left.saturating_add(passed).min(full);
        bucket.at = bucket.at.max(now);
        if bucket.left >= REQUEST {
            let cost = i64::try_from(requests).unwrap_or(i64::MAX);
            bucket.left = bucket.left.saturating_sub(cost.saturating_mul(REQUEST));
            return Ok(());
        }
        let lacking = REQUEST.saturating_sub(bucket.left).unsigned_abs();
        let micros = lacking.div_ceil(per_second.max(1).unsigned_abs());
        Err(RateExceeded {
            retry_after: Duration::from_secs(micros.div_ceil(1_000_000).max(1)),
        })
    }
}

#[cfg(test)]
mod tests;
