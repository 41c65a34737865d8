//! What policies cost people: the questions that each of them asked, how they were answered, and what was approved
//! in advance.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use tollgate_model::{
    decision::{Outcome, Requirement},
    ids::{ApprovalId, StandingId},
    life::ApprovalState,
    record::{
        ApprovalAnswered, ApprovalRequested, ApprovalResolved, DecisionRecord, Event, Record,
    },
    time::Timestamp,
};

use super::{MOST, Quantiles, ratio, summary::Times};

/// What one policy cost people. An approval that lifts several policies counts for each of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
struct Waiting {
    policies: BTreeSet<String>,
    since: Timestamp,
}

/// Reads records in order.
#[derive(Debug, Default)]
pub struct CostWatcher {
    waiting: HashMap<ApprovalId, Waiting>,
    standing: HashMap<StandingId, BTreeSet<String>>,
    costs: BTreeMap<String, Cost>,
    /// Only calls of this tool.
    tool: Option<String>,
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

    /// Adds a standing approval that was given before the first record.
    pub fn add_standing(&mut self, id: StandingId, requirement: &Requirement) {
        self.standing.insert(id, policies_of(requirement));
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
        if self.waiting.len() < MOST {
            let since = at;
            self.waiting.insert(asked.id, Waiting { policies, since });
        }
    }

    fn answered(&mut self, answer: &ApprovalAnswered) {
        let Some(waiting) = self.waiting.get(&answer.id).filter(|_| answer.took_effect) else {
            return;
        };
        let policies = waiting.policies.clone();
        self.add(&policies, |cost| {
            cost.answers += 1;
            cost.edited += u64::from(answer.edited.is_some());
        });
    }

    fn resolved(&mut self, at: Timestamp, resolved: &ApprovalResolved) {
        // Only its first new state is an answer.
        let Some(waiting) = self.waiting.remove(&resolved.id) else {
            return;
        };
        let waited = at.since(waiting.since);
        self.add(&waiting.policies, |cost| {
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
