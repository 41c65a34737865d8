//! Sums for metrics: of all records, so that a restart does not reset them.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_model::{decision::Outcome, life::ApprovalState, record::RunOutcome};

use super::{CallEnd, StatEvent, StatScope};

/// The name for all further tools or policies.
pub const OTHER: &str = "other";

/// The most tools, and policies, with separate sums: names come from configurations, of which there may
/// have been many.
const NAMES: usize = 300;

/// Upper bounds of durations in microseconds; the last bucket has none.
const BOUNDS: [u64; 14] = [
    50,
    100,
    250,
    500,
    1_000,
    5_000,
    10_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    30_000_000,
    120_000_000,
];

/// A histogram of durations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    bars: [u64; BOUNDS.len() + 1],
    /// The number of durations.
    pub count: u64,
    /// The sum, in microseconds.
    pub sum: u64,
}

impl Histogram {
    fn add(&mut self, micros: u64) {
        let which = BOUNDS.iter().position(|bound| micros <= *bound);
        if let Some(bar) = self.bars.get_mut(which.unwrap_or(BOUNDS.len())) {
            *bar += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(micros);
    }

    /// Upper bound in seconds and count of each bucket; the last has no bound.
    pub fn bars(&self) -> impl Iterator<Item = (f64, u64)> {
        #[expect(clippy::cast_precision_loss, reason = "the bounds are small")]
        let bounds = BOUNDS.iter().map(|micros| *micros as f64 / 1e6);
        bounds.chain([f64::INFINITY]).zip(self.bars)
    }
}

/// Key of a decision: outcome, mode, tool and policy.
pub type DecidedAs = (Outcome, bool, String, String);

/// The sums.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    tools: BTreeSet<String>,
    policies: BTreeSet<String>,
    /// Decisions.
    pub decisions: BTreeMap<DecidedAs, u64>,
    /// Durations of decisions.
    pub deciding: Histogram,
    /// Ended calls, by tool and outcome.
    pub calls: BTreeMap<(String, CallEnd), u64>,
    /// Durations of executions, by tool and outcome.
    pub executions: BTreeMap<(String, CallEnd), Histogram>,
    /// Approvals, by the states that they reached.
    pub approvals: BTreeMap<ApprovalState, u64>,
    /// Questions of upstream servers to people, by the states that they reached.
    pub elicitations: BTreeMap<&'static str, u64>,
    /// How long approvals were waited for.
    pub waits: Histogram,
    /// Executions after the first one of a call.
    pub retries: u64,
    /// Repeated calls within a run.
    pub repeated: u64,
    /// Successes after failures.
    pub recovered: u64,
    /// Exhausted budgets, by budget.
    pub exhausted: BTreeMap<String, u64>,
    /// Denials without asking for an approval, by tool.
    pub unsafe_attempts: BTreeMap<String, u64>,
    /// Effects, by operation and whether they failed.
    pub effects: BTreeMap<(String, bool), u64>,
    /// Started runs.
    pub runs: u64,
    /// Ended runs, by outcome.
    pub ended: BTreeMap<RunOutcome, u64>,
}

/// `name`, or the common name if there are too many.
fn bounded_name(names: &mut BTreeSet<String>, name: &str) -> String {
    if !names.contains(name) {
        if names.len() >= NAMES {
            return OTHER.into();
        }
        names.insert(name.to_owned());
    }
    name.to_owned()
}

impl Totals {
    /// Adds a fact.
    pub fn add(&mut self, at: StatScope<'_>, fact: StatEvent<'_>) {
        let tool = bounded_name(&mut self.tools, at.tool);
        match fact {
            StatEvent::Decided {
                outcome,
                enforced,
                policy,
                micros,
            } => {
                let policy = bounded_name(&mut self.policies, policy);
                let key = (outcome, enforced, tool, policy);
                *self.decisions.entry(key).or_default() += 1;
                if enforced {
                    self.deciding.add(micros);
                }
            }
            StatEvent::Unsafe => *self.unsafe_attempts.entry(tool).or_default() += 1,
            StatEvent::Exhausted(budget) => {
                *self.exhausted.entry(budget.to_owned()).or_default() += 1;
            }
            StatEvent::Repeated => self.repeated += 1,
            StatEvent::Retried => self.retries += 1,
            StatEvent::Ended { end, micros, .. } => {
                let key = (tool, end);
                if let Some(micros) = micros {
                    self.executions.entry(key.clone()).or_default().add(micros);
                }
                *self.calls.entry(key).or_default() += 1;
            }
            StatEvent::Recovered => self.recovered += 1,
            StatEvent::Effect { operation, failed } => {
                let key = (operation.to_owned(), failed);
                *self.effects.entry(key).or_default() += 1;
            }
            StatEvent::Elicitation(state) => {
                *self.elicitations.entry(state.as_str()).or_default() += 1;
            }
            StatEvent::Asked => {
                *self.approvals.entry(ApprovalState::Pending).or_default() += 1;
            }
            StatEvent::Answered { state, wait } => {
                *self.approvals.entry(state).or_default() += 1;
                wait.into_iter().for_each(|wait| self.waits.add(wait));
            }
            StatEvent::Began => self.runs += 1,
            StatEvent::Finished(outcome) => *self.ended.entry(outcome).or_default() += 1,
        }
    }

    /// Share of rejections among answered approvals; `None` if there are none.
    #[must_use]
    pub fn rejection_ratio(&self) -> Option<f64> {
        let of = |state: ApprovalState| self.approvals.get(&state).copied().unwrap_or(0);
        ratio(of(ApprovalState::Rejected), of(ApprovalState::Approved))
    }
}

/// The ratio of `part` to the sum of `part` and `rest`; `None` if both are 0.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a ratio needs no more")]
pub fn ratio(part: u64, rest: u64) -> Option<f64> {
    let all = part + rest;
    (all > 0).then(|| part as f64 / all as f64)
}
