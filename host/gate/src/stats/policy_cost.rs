//! What policies cost people: the questions that each of them asked, how they were answered, and what was approved
//! in advance.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::ControlFlow,
};

use serde::{Deserialize, Serialize};
use tollgate_ledger::{LedgerError, LedgerReader, Order, RecordFilter};
use tollgate_model::{
    decision::{Outcome, Requirement},
    ids::{ApprovalId, RunId, StandingId},
    life::ApprovalState,
    record::{
        ApprovalAnswered, ApprovalRequested, ApprovalResolved, DecisionRecord, Event, Record,
    },
    time::Timestamp,
};

use super::{MOST, Quantiles, ratio, summary::Times};

/// What one policy cost people. An approval that lifts several policies counts for each of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyCost {
    /// The policy's `@id`.
    pub policy: String,
    /// Questions: calls of a run that wait for the same reason are one.
    pub questions: u64,
    /// Calls and effects that waited.
    pub calls: u64,
    /// Answers of people that counted.
    pub answers: u64,
    /// Approved.
    pub approved: u64,
    /// Approved with arguments that the approver changed.
    pub edited: u64,
    /// Rejected.
    pub rejected: u64,
    /// Not answered in time.
    pub expired: u64,
    /// Not needed any more before they were answered.
    pub cancelled: u64,
    /// Share of the approved among those that were approved or rejected; absent if there are none.
    pub approved_ratio: Option<f64>,
    /// Calls that a standing approval let through without a question.
    pub in_advance: u64,
    /// Times from the request to the end of the wait.
    pub wait: Quantiles,
}

#[derive(Debug, Default)]
struct Cost {
    questions: u64,
    calls: u64,
    answers: u64,
    states: BTreeMap<ApprovalState, u64>,
    edited: u64,
    in_advance: u64,
    wait: Times,
}

/// An approval that is not resolved yet.
#[derive(Debug)]
struct OpenApproval {
    policies: BTreeSet<String>,
    since: Timestamp,
}

/// Reads records in order.
#[derive(Debug, Default)]
pub struct CostWatcher {
    open: HashMap<ApprovalId, OpenApproval>,
    standing: HashMap<StandingId, BTreeSet<String>>,
    costs: BTreeMap<String, Cost>,
    /// Only calls of this tool.
    tool: Option<String>,
}

/// The records that count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CostFilter {
    /// Only those made at or after this time.
    pub since: Option<Timestamp>,
    /// Only those made before this time.
    pub until: Option<Timestamp>,
    /// Only calls of this tool.
    pub tool: Option<String>,
    /// The most records to read; all of them if absent.
    pub most: Option<u64>,
}

/// What each policy cost, the most questions first, of the runs for which `is_visible` is true. `None` if there are
/// more records than may be read.
///
/// # Errors
/// [`LedgerError`] if the store cannot be read.
pub fn policy_costs(
    reader: &LedgerReader,
    filter: &CostFilter,
    mut is_visible: impl FnMut(RunId, &str) -> bool,
) -> Result<Option<Vec<PolicyCost>>, LedgerError> {
    let mut watcher = CostWatcher::of(filter.tool.clone());
    let records = RecordFilter {
        since: filter.since,
        until: filter.until,
        order: Order::OldestFirst,
        ..RecordFilter::default()
    };
    let (mut looked, mut failure) = (0, None);
    reader.records(&records, |_, record| {
        looked += 1;
        if filter.most.is_some_and(|most| looked > most) {
            return ControlFlow::Break(());
        }
        let seen = record
            .run
            .is_some_and(|run| is_visible(run, &record.tenant));
        if seen {
            if let Err(error) = watcher.learn(reader, &record) {
                failure = Some(error);
                return ControlFlow::Break(());
            }
            watcher.watch(&record);
        }
        ControlFlow::Continue(())
    })?;
    match failure {
        Some(error) => Err(error),
        None if filter.most.is_some_and(|most| looked > most) => Ok(None),
        None => Ok(Some(watcher.costs())),
    }
}

fn policies_of(requirement: &Requirement) -> BTreeSet<String> {
    let lifted = requirement.lifts.iter();
    lifted.map(|policy| policy.id.clone()).collect()
}

impl CostWatcher {
    /// For the calls of one tool, or of all.
    #[must_use]
    pub fn of(tool: Option<String>) -> Self {
        Self {
            tool,
            ..Self::default()
        }
    }

    /// Whether it is known which policies a standing approval lifts.
    fn knows(&self, id: StandingId) -> bool {
        self.standing.contains_key(&id)
    }

    /// Adds a standing approval that was given before the first record.
    pub fn add_standing(&mut self, id: StandingId, requirement: &Requirement) {
        self.standing.insert(id, policies_of(requirement));
    }

    /// Reads the standing approvals that a decision used and that were given before the first record.
    fn learn(&mut self, reader: &LedgerReader, record: &Record) -> Result<(), LedgerError> {
        let Event::Decision(decision) = &record.event else {
            return Ok(());
        };
        for id in &decision.standing {
            if !self.knows(*id)
                && let Some(row) = reader.standing_approval(*id)?
            {
                self.add_standing(*id, &row.granted.requirement);
            }
        }
        Ok(())
    }

    /// Adds a record.
    pub fn watch(&mut self, record: &Record) {
        match &record.event {
            Event::ApprovalRequested(asked) => self.requested(record.time, asked),
            Event::ApprovalAnswered(answer) => self.answered(answer),
            Event::ApprovalResolved(resolved) => self.resolved(record.time, resolved),
            Event::StandingGranted(granted) => self.add_standing(granted.id, &granted.requirement),
            Event::Decision(decision) => self.decided(decision),
            _ => {}
        }
    }

    /// What each policy cost, the most questions first.
    #[must_use]
    pub fn costs(&self) -> Vec<PolicyCost> {
        let mut costs: Vec<PolicyCost> = self.costs.iter().map(summed).collect();
        costs.sort_by_key(|cost| std::cmp::Reverse(cost.questions));
        costs
    }

    fn is_watched(&self, tool: &str) -> bool {
        self.tool.as_deref().is_none_or(|watched| watched == tool)
    }

    fn add(&mut self, policies: &BTreeSet<String>, change: impl Fn(&mut Cost)) {
        for policy in policies {
            change(self.costs.entry(policy.clone()).or_default());
        }
    }

    fn requested(&mut self, at: Timestamp, asked: &ApprovalRequested) {
        if asked.elicitation.is_some() || !self.is_watched(&asked.tool) {
            return;
        }
        let policies = policies_of(&asked.requirement);
        let joins = asked.question.is_some();
        self.add(&policies, |cost| {
            cost.calls += 1;
            cost.questions += u64::from(!joins);
        });
        if self.open.len() < MOST {
            let since = at;
            self.open.insert(asked.id, OpenApproval { policies, since });
        }
    }

    fn answered(&mut self, answer: &ApprovalAnswered) {
        let Some(open) = self.open.get(&answer.id).filter(|_| answer.took_effect) else {
            return;
        };
        let policies = open.policies.clone();
        self.add(&policies, |cost| {
            cost.answers += 1;
            cost.edited += u64::from(answer.edited.is_some());
        });
    }

    fn resolved(&mut self, at: Timestamp, resolved: &ApprovalResolved) {
        // Only its first new state is an answer.
        let Some(open) = self.open.remove(&resolved.id) else {
            return;
        };
        let waited = at.since(open.since);
        self.add(&open.policies, |cost| {
            *cost.states.entry(resolved.state).or_default() += 1;
            cost.wait.add(waited);
        });
    }

    fn decided(&mut self, decision: &DecisionRecord) {
        let called = decision.called();
        let is_use = decision.outcome == Outcome::Allow
            && !decision.is_secondary
            && called.is_some_and(|tool| self.is_watched(&tool));
        if !is_use {
            return;
        }
        let used = decision.standing.iter();
        let policies = used.filter_map(|id| self.standing.get(id)).flatten();
        let policies: BTreeSet<String> = policies.cloned().collect();
        self.add(&policies, |cost| cost.in_advance += 1);
    }
}

fn summed((policy, cost): (&String, &Cost)) -> PolicyCost {
    let of = |state: ApprovalState| cost.states.get(&state).copied().unwrap_or(0);
    let (approved, rejected) = (of(ApprovalState::Approved), of(ApprovalState::Rejected));
    PolicyCost {
        policy: policy.clone(),
        questions: cost.questions,
        calls: cost.calls,
        answers: cost.answers,
        approved,
        edited: cost.edited,
        rejected,
        expired: of(ApprovalState::Expired),
        cancelled: of(ApprovalState::Cancelled),
        approved_ratio: ratio(approved, rejected),
        in_advance: cost.in_advance,
        wait: cost.wait.quantiles(),
    }
}

#[cfg(test)]
mod tests;
