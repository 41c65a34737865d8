//! Statistics of a part of the ledger, with every single duration, so that percentiles are exact.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tollgate_model::{
    decision::Outcome, ids::RunId, life::ApprovalState, record::RunOutcome, time::Timestamp,
};

use super::{StatEvent, StatScope, totals::ratio};

/// Durations of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Times(Vec<u64>);

/// Nearest-rank percentiles of durations, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The number of durations.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// The 95th percentile.
    pub p95: u64,
    /// The 99th percentile.
    pub p99: u64,
}

impl Times {
    pub(super) fn add(&mut self, micros: u64) {
        self.0.push(micros);
    }

    pub(super) fn quantiles(&self) -> Quantiles {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100);
            sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
        };
        Quantiles {
            count: sorted.len() as u64,
            p50: rank(50),
            p95: rank(95),
            p99: rank(99),
        }
    }
}

/// Numbers of approvals by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Approvals {
    /// Requested.
    pub asked: u64,
    /// Approved.
    pub approved: u64,
    /// Rejected.
    pub rejected: u64,
    /// Expired.
    pub expired: u64,
    /// Share of rejections among answered approvals.
    pub rejection_ratio: Option<f64>,
    /// How long they were waited for.
    pub wait: Quantiles,
}

/// Calls of one tool.
#[derive(Debug, Clone, Default, PartialEq)]
struct Tool {
    ended: u64,
    failed: u64,
    denied: u64,
    times: Times,
}

/// Calls of one tool, for output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolSummary {
    /// The tool.
    pub tool: String,
    /// Ended calls, with any outcome.
    pub calls: u64,
    /// Failed calls.
    pub failed: u64,
    /// Denials of the calls, or of effects in them.
    pub denied: u64,
    /// Durations of executions.
    pub time: Quantiles,
}

/// The statistics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    tools: BTreeMap<String, Tool>,
    decisions: BTreeMap<Outcome, Times>,
    waits: Times,
    approvals: BTreeMap<ApprovalState, u64>,
    asked: u64,
    runs: BTreeSet<RunId>,
    /// Ended runs, by outcome.
    pub ended: BTreeMap<RunOutcome, u64>,
    /// Runs that ended with success.
    pub succeeded: BTreeSet<RunId>,
    /// Repeated calls within a run.
    pub repeated: u64,
    /// Executions after the first one of a call.
    pub retried: u64,
    /// Successes after failures.
    pub recovered: u64,
    /// Denials without asking for an approval.
    pub unsafe_attempts: u64,
    /// Denials because a budget was used up.
    pub exhausted: u64,
    /// The time of the first fact.
    pub first: Option<Timestamp>,
}

impl Summary {
    /// Adds a fact.
    pub fn add(&mut self, at: StatScope<'_>, fact: &StatEvent<'_>) {
        self.first = Some(self.first.map_or(at.time, |first| first.min(at.time)));
        self.runs.extend(at.run);
        match fact {
            StatEvent::Decided {
                outcome,
                enforced: true,
                micros,
                ..
            } => {
                self.decisions.entry(*outcome).or_default().add(*micros);
                if *outcome == Outcome::Deny && !at.tool.is_empty() {
                    self.tools.entry(at.tool.to_owned()).or_default().denied += 1;
                }
            }
            StatEvent::Unsafe => self.unsafe_attempts += 1,
            StatEvent::Exhausted(_) => self.exhausted += 1,
            StatEvent::Repeated => self.repeated += 1,
            StatEvent::Retried => self.retried += 1,
            StatEvent::Recovered => self.recovered += 1,
            StatEvent::Ended { failed, micros, .. } => {
                let tool = self.tools.entry(at.tool.to_owned()).or_default();
                tool.ended += 1;
                tool.failed += u64::from(*failed);
                micros.iter().for_each(|micros| tool.times.add(*micros));
            }
            StatEvent::Asked => self.asked += 1,
            StatEvent::Answered { state, wait } => {
                *self.approvals.entry(*state).or_default() += 1;
                wait.iter().for_each(|wait| self.waits.add(*wait));
            }
            StatEvent::Finished(outcome) => {
                *self.ended.entry(*outcome).or_default() += 1;
                if *outcome == RunOutcome::Success {
                    self.succeeded.extend(at.run);
                }
            }
            StatEvent::Decided { .. }
            | StatEvent::Effect { .. }
            | StatEvent::Elicitation(_)
            | StatEvent::Began => {}
        }
    }

    /// Runs with any activity.
    #[must_use]
    pub fn runs(&self) -> &BTreeSet<RunId> {
        &self.runs
    }

    /// Calls by tool, the most frequent first.
    #[must_use]
    pub fn tools(&self) -> Vec<ToolSummary> {
        let mut tools: Vec<ToolSummary> = self
            .tools
            .iter()
            .map(|(tool, of)| ToolSummary {
                tool: tool.clone(),
                calls: of.ended,
                failed: of.failed,
                denied: of.denied,
                time: of.times.quantiles(),
            })
            .collect();
        tools.sort_by_key(|tool| std::cmp::Reverse(tool.calls));
        tools
    }

    /// Durations of decisions, by outcome.
    #[must_use]
    pub fn decisions(&self) -> BTreeMap<Outcome, Quantiles> {
        let each = self.decisions.iter();
        each.map(|(outcome, times)| (*outcome, times.quantiles()))
            .collect()
    }

    /// Ended calls, and how many of them failed.
    #[must_use]
    pub fn calls(&self) -> (u64, u64) {
        let sum =
            |(calls, failed): (u64, u64), tool: &Tool| (calls + tool.ended, failed + tool.failed);
        self.tools.values().fold((0, 0), sum)
    }

    /// Durations of executions of all tools.
    #[must_use]
    pub fn times(&self) -> Quantiles {
        let all = self
            .tools
            .values()
            .flat_map(|tool| tool.times.0.iter().copied());
        Times(all.collect()).quantiles()
    }

    /// Numbers of approvals by state.
    #[must_use]
    pub fn approvals(&self) -> Approvals {
        let of = |state: ApprovalState| self.approvals.get(&state).copied().unwrap_or(0);
        let (approved, rejected) = (of(ApprovalState::Approved), of(ApprovalState::Rejected));
        Approvals {
            asked: self.asked,
            approved,
            rejected,
            expired: of(ApprovalState::Expired),
            rejection_ratio: ratio(rejected, approved),
            wait: self.waits.quantiles(),
        }
    }
}
