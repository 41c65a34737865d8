//! What agents report about tokens and cost, as facts of decisions: it may only tighten.
//!
//! Kept in memory, so that no decision waits for it. Whoever takes reports in says the sums again after a
//! restart.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Mutex, PoisonError},
};

use tollgate_core::{entity::Uid, ids::RunId, request::Reported, time::Timestamp};

/// Principals, and runs of each, whose reports are kept.
const MOST: usize = 10_000;
/// Billionths in the smallest part that a policy sees.
const NANO: u64 = 100_000;

/// What was reported about a run so far, in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunUsage {
    /// Tokens, in and out.
    pub tokens: u64,
    /// Cost, in billionths of the configured currency.
    pub cost_nano: u64,
    /// Whether every model call is known to have been reported, and priced.
    pub complete: bool,
}

impl RunUsage {
    fn reported(self) -> Reported {
        // Rounded up: it may only tighten.
        let parts = self.cost_nano.div_ceil(NANO);
        Reported {
            complete: self.complete,
            cost: format!("{}.{:04}", parts / 10_000, parts % 10_000),
            tokens: self.tokens,
        }
    }
}

type Runs = BTreeMap<RunId, (Timestamp, RunUsage)>;

/// What was reported about everybody.
#[derive(Default)]
pub struct Usage(Mutex<HashMap<Uid, Runs>>);

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Usage")
    }
}

impl Usage {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<Uid, Runs>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Say what was reported about a run of `principal` in all, at `at`.
    pub fn set(&self, principal: &Uid, run: RunId, at: Timestamp, usage: RunUsage) {
        self.with(|all| {
            if all.len() >= MOST && !all.contains_key(principal) {
                return;
            }
            let runs = all.entry(principal.clone()).or_default();
            if runs.len() >= MOST {
                let oldest = runs
                    .iter()
                    .min_by_key(|(_, (at, _))| *at)
                    .map(|(run, _)| *run);
                oldest.map(|run| runs.remove(&run));
            }
            runs.insert(run, (at, usage));
        });
    }

    /// What was reported about this run, and about all of the principal's since then.
    pub(crate) fn of(&self, principal: &Uid, run: RunId, since: Timestamp) -> (Reported, Reported) {
        self.with(|all| {
            let Some(runs) = all.get(principal) else {
                return Default::default();
            };
            let own = runs.get(&run).map(|(_, usage)| usage.reported());
            let mut sum = RunUsage {
                complete: true,
                ..RunUsage::default()
            };
            for (_, usage) in runs.values().filter(|(at, _)| *at >= since) {
                sum.tokens = sum.tokens.saturating_add(usage.tokens);
                sum.cost_nano = sum.cost_nano.saturating_add(usage.cost_nano);
                sum.complete &= usage.complete;
            }
            (own.unwrap_or_default(), sum.reported())
        })
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::entity::Kind;

    use super::*;

    #[test]
    fn sums_are_those_of_the_window_and_rounded_up() {
        let (usage, agent) = (Usage::default(), Uid::new(Kind::Agent, "support"));
        let run = |n: u8| RunId::from_bytes([n; 16]);
        let of = |tokens, cost_nano| RunUsage {
            tokens,
            cost_nano,
            complete: true,
        };
        usage.set(&agent, run(1), Timestamp(10), of(100, 1));
        usage.set(&agent, run(2), Timestamp(20), of(7, 2_500_000_000));
        usage.set(&agent, run(2), Timestamp(20), of(8, 2_500_000_000));
        let (own, all) = usage.of(&agent, run(2), Timestamp(0));
        assert_eq!((own.tokens, own.cost.as_str()), (8, "2.5000"));
        assert_eq!((all.tokens, all.cost.as_str()), (108, "2.5001"));
        assert_eq!(usage.of(&agent, run(1), Timestamp(15)).1.tokens, 8);
        assert_eq!(
            usage
                .of(&Uid::new(Kind::Agent, "x"), run(1), Timestamp(0))
                .0,
            Reported::default()
        );
    }
}
