//! Reported tokens and cost, as facts of decisions. Policies may use them only to become stricter.
//!
//! Kept in memory, so that no decision waits for it: the sum of each run, and the hourly increments of each
//! principal, by the gate's own clock. A report counts when it arrives, however long its run has lasted.
//! After a restart, the intake of reports restores everything.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Mutex, PoisonError},
};

use tollgate_model::{entity::Uid, ids::RunId, request::SelfReport, time::Timestamp};

use tollgate_model::two_generation_cache::TwoGenerationCache;

/// The most principals whose reports are kept.
const MOST: usize = 10_000;
/// The least number of runs per principal whose sums are kept; at most twice that.
const RUNS: usize = 5_000;
/// Hours that are kept: the longest window of a budget, and the current hour.
const HOURS: i64 = 721;
const HOUR: i64 = 3_600_000_000;
/// Billionths in the smallest unit that a policy sees.
const NANO: u64 = 100_000;

/// Reported usage of a run so far, or within an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunUsage {
    /// Input and output tokens.
    pub tokens: u64,
    /// Cost, in billionths of the configured currency.
    pub cost_nano: u64,
    /// Whether every model call is known to have been reported and priced.
    pub complete: bool,
}

impl Default for RunUsage {
    /// No usage.
    fn default() -> Self {
        Self {
            tokens: 0,
            cost_nano: 0,
            complete: true,
        }
    }
}

impl RunUsage {
    fn reported(self) -> SelfReport {
        // Rounded up, which can only make a policy stricter.
        let parts = self.cost_nano.div_ceil(NANO);
        SelfReport {
            complete: self.complete,
            cost: format!("{}.{:04}", parts / 10_000, parts % 10_000),
            tokens: self.tokens,
        }
    }

    fn add(&mut self, more: Self) {
        self.tokens = self.tokens.saturating_add(more.tokens);
        self.cost_nano = self.cost_nano.saturating_add(more.cost_nano);
        self.complete &= more.complete;
    }

    /// The increase since the sum was `before`.
    fn since(self, before: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(before.tokens),
            cost_nano: self.cost_nano.saturating_sub(before.cost_nano),
            complete: self.complete,
        }
    }
}

/// Reported usage of one principal.
struct Principal {
    /// Sums of runs.
    runs: TwoGenerationCache<RunId, RunUsage>,
    /// By hours since 1970.
    hours: BTreeMap<i64, RunUsage>,
}

impl Default for Principal {
    fn default() -> Self {
        Self {
            runs: TwoGenerationCache::new(RUNS),
            hours: BTreeMap::new(),
        }
    }
}

impl Principal {
    fn count(&mut self, at: Timestamp, more: RunUsage) {
        let hour = at.0.div_euclid(HOUR);
        self.hours.entry(hour).or_default().add(more);
        let newest = self.hours.last_key_value().map_or(hour, |(hour, _)| *hour);
        self.hours = self.hours.split_off(&newest.saturating_sub(HOURS));
    }
}

/// Reported usage of all principals.
#[derive(Default)]
pub struct Usage(Mutex<HashMap<Uid, Principal>>);

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Usage")
    }
}

impl Usage {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<Uid, Principal>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets, at `now`, the total reported for a run of `principal`: the increase counts now.
    pub fn set(&self, principal: &Uid, run: RunId, now: Timestamp, usage: RunUsage) {
        self.with(|all| {
            if all.len() >= MOST && !all.contains_key(principal) {
                return;
            }
            let principal = all.entry(principal.clone()).or_default();
            let before = principal.runs.peek(&run).copied();
            if before == Some(usage) {
                return;
            }
            let before = before.unwrap_or_default();
            principal.count(now, usage.since(before));
            // Two concurrent reports may set their sums in either order.
            let most = RunUsage {
                tokens: usage.tokens.max(before.tokens),
                cost_nano: usage.cost_nano.max(before.cost_nano),
                complete: usage.complete,
            };
            principal.runs.insert(run, most);
        });
    }

    /// Restores what was reported about `principal` before the gate started: the total of each run, and the
    /// usage within each hour, which any time in it identifies.
    pub fn recall(
        &self,
        principal: &Uid,
        runs: impl IntoIterator<Item = (RunId, RunUsage)>,
        hours: impl IntoIterator<Item = (Timestamp, RunUsage)>,
    ) {
        let mut recalled = Principal::default();
        for (run, usage) in runs {
            recalled.runs.insert(run, usage);
        }
        for (at, usage) in hours {
            recalled.count(at, usage);
        }
        self.with(|all| {
            if all.len() < MOST || all.contains_key(principal) {
                all.insert(principal.clone(), recalled);
            }
        });
    }

    /// The reported usage of this run, and of all runs of the principal since then, to the hour.
    pub(crate) fn of(
        &self,
        principal: &Uid,
        run: RunId,
        since: Timestamp,
    ) -> (SelfReport, SelfReport) {
        self.with(|all| {
            let Some(known) = all.get(principal) else {
                return Default::default();
            };
            let own = known.runs.peek(&run).map(|usage| usage.reported());
            let mut sum = RunUsage::default();
            for (_, usage) in known.hours.range(since.0.div_euclid(HOUR)..) {
                sum.add(*usage);
            }
            (own.unwrap_or_default(), sum.reported())
        })
    }
}

#[cfg(test)]
mod tests;
