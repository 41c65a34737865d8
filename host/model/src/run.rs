//! A run's counts, derived from its records.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    decision::Outcome,
    record::{Event, KeyedDigest, Record, Status},
    request::{Action, RunFacts, SelfReport, WindowFacts},
    time::Timestamp,
};

/// What one record adds to its run's counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunDelta {
    /// The tool and arguments of a new call.
    pub arguments: Option<KeyedDigest>,
    /// New calls.
    pub calls: u64,
    /// Denied calls.
    pub denials: u64,
    /// Calls that ended in an error.
    pub errors: u64,
    /// Labels that are added.
    pub labels: BTreeSet<String>,
    /// The tool of a new call.
    pub tool: Option<String>,
}

impl RunDelta {
    /// What `record` adds to its run.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        match &record.event {
            Event::RunStarted(run) => Self {
                labels: run.inherited.clone(),
                ..Self::default()
            },
            Event::CallInvalid(_) => Self {
                errors: 1,
                ..Self::default()
            },
            Event::Decision(d) => {
                if !d.action.is_call() || d.is_secondary {
                    return Self::default();
                }
                let new = !d.resumption;
                let tool = match &d.action {
                    Action::Call(tool) => Some(tool.clone()),
                    // Policies see the tools that were called.
                    _ => None,
                };
                Self {
                    arguments: d.arguments.clone().filter(|_| new),
                    calls: u64::from(new),
                    denials: u64::from(matches!(d.outcome, Outcome::Deny | Outcome::Error)),
                    tool: tool.filter(|_| new),
                    ..Self::default()
                }
            }
            Event::Outcome(outcome) => Self {
                errors: u64::from(!matches!(outcome.status, Status::Ok | Status::Pending)),
                labels: outcome.labels.clone(),
                ..Self::default()
            },
            Event::Start(start) if start.executed_by_caller => Self {
                labels: start.labels.clone(),
                ..Self::default()
            },
            Event::LabelsJoined(joined) => Self {
                labels: joined.labels.clone(),
                ..Self::default()
            },
            Event::ComponentLog(log) => Self {
                labels: log.labels.clone(),
                ..Self::default()
            },
            Event::Start(_)
            | Event::BundleActivated(_)
            | Event::RunEnded(_)
            | Event::Effect(_)
            | Event::ApprovalRequested(_)
            | Event::ApprovalAnswered(_)
            | Event::ApprovalResolved(_)
            | Event::ApprovalEscalated(_)
            | Event::ApprovalLinkIssued(_)
            | Event::ApprovalLinkRevoked(_)
            | Event::ApprovalAnswerRefused(_)
            | Event::StandingGranted(_)
            | Event::StandingEnded(_)
            | Event::Halted(_)
            | Event::Resumed(_)
            | Event::Administered(_) => Self::default(),
        }
    }

    /// Whether it adds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A run's counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    /// Calls.
    pub calls: u64,
    /// Denied calls.
    pub denials: u64,
    /// Calls that ended in an error.
    pub errors: u64,
    /// Labels of everything whose content was returned.
    pub labels: BTreeSet<String>,
    /// How often each call was made, by keyed digest of tool and arguments.
    pub repeats: BTreeMap<KeyedDigest, u64>,
    /// When it began.
    pub started: Timestamp,
    /// Tools that were called.
    pub tools: BTreeSet<String>,
    /// Changes with every record that changes a count.
    pub version: u64,
}

impl RunState {
    /// A run that has just begun.
    #[must_use]
    pub fn new(started: Timestamp) -> Self {
        Self {
            calls: 0,
            denials: 0,
            errors: 0,
            labels: BTreeSet::new(),
            repeats: BTreeMap::new(),
            started,
            tools: BTreeSet::new(),
            version: 0,
        }
    }

    /// Count a record.
    pub fn apply(&mut self, delta: &RunDelta) {
        if delta.is_empty() {
            return;
        }
        self.calls += delta.calls;
        self.denials += delta.denials;
        self.errors += delta.errors;
        self.labels.extend(delta.labels.iter().cloned());
        self.tools.extend(delta.tool.clone());
        if let Some(arguments) = &delta.arguments {
            *self.repeats.entry(arguments.clone()).or_default() += 1;
        }
        self.version += 1;
    }

    /// The facts for a call with these arguments. `own` means that the call itself is already counted,
    /// because it waited for an approval.
    #[must_use]
    pub fn facts(&self, arguments: Option<&KeyedDigest>, own: bool, now: Timestamp) -> RunFacts {
        let own = u64::from(own);
        let repeats = arguments
            .and_then(|a| self.repeats.get(a))
            .copied()
            .unwrap_or(0);
        RunFacts {
            calls: self.calls.saturating_sub(own),
            denials: self.denials,
            elapsed: now.since(self.started),
            errors: self.errors,
            labels: self.labels.clone(),
            repeats: repeats.saturating_sub(own),
            reported: SelfReport::default(),
            tools: self.tools.clone(),
            window: WindowFacts::default(),
        }
    }
}
