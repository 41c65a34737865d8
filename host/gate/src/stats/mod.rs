//! Statistics across runs, computed from the ledger's records: the basis of metrics and `tollgate stats`.
//!
//! [`Watcher`] reads records in order and reports what each of them adds. [`Totals`] keeps sums for
//! metrics, [`Summary`] every single duration for percentiles. Nothing here decides or writes.

mod policy_cost;
mod summary;
mod totals;

use std::collections::{BTreeSet, HashMap, HashSet};

use tollgate_model::{
    decision::Outcome,
    entity::Uid,
    ids::{ApprovalId, RunId, SpanId},
    life::ApprovalState,
    record::{
        ApprovalRequested, ApprovalResolved, CallInvalid, DecisionRecord, Event, KeyedDigest,
        OutcomeRecord, Record, RunOutcome, Start, Status,
    },
    time::Timestamp,
    two_generation_cache::TwoGenerationCache,
};

pub use policy_cost::{CostFilter, CostWatcher, PolicyCost, policy_costs};
pub use summary::{Approvals, Quantiles, Summary, ToolSummary};
pub use totals::{DecidedAs, Histogram, OTHER, Totals, ratio};

/// The most runs, calls and approvals that are remembered; further ones are counted without context.
const MOST: usize = 100_000;

/// How a call came to its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallEnd {
    /// By its outcome.
    Outcome(Status),
    /// It was refused before anything was decided, for this reason, such as `unknown_tool`.
    Invalid(String),
}

impl CallEnd {
    /// The name in metrics.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Outcome(status) => (*status).as_str(),
            Self::Invalid(problem) => problem,
        }
    }
}

/// The contribution of one record.
#[derive(Debug, Clone, PartialEq)]
pub enum StatEvent<'a> {
    /// A request was decided.
    Decided {
        /// The outcome.
        outcome: Outcome,
        /// Enforced policies, or shadow policies.
        enforced: bool,
        /// The first determining policy; empty if there is none.
        policy: &'a str,
        /// Duration of the decision, in microseconds.
        micros: u64,
    },
    /// A policy denied it without asking for an approval: something that an agent or a component should not
    /// have tried.
    Unsafe,
    /// A budget was used up.
    Exhausted(&'a str),
    /// The run has made the same call before.
    Repeated,
    /// The gate executes a call again.
    Retried,
    /// A call ended.
    Ended {
        /// How.
        end: CallEnd,
        /// Whether it failed.
        failed: bool,
        /// Duration of its execution, in microseconds; absent if nothing ran.
        micros: Option<u64>,
    },
    /// The run used this tool successfully after it had failed in the same run.
    Recovered,
    /// An effect was carried out, or failed.
    Effect {
        /// Such as `read_file`.
        operation: &'a str,
        /// Whether it failed.
        failed: bool,
    },
    /// An approval was requested.
    Asked,
    /// An approval changed its state.
    Answered {
        /// The new state.
        state: ApprovalState,
        /// Microseconds since it was requested; absent if that was reported before.
        wait: Option<u64>,
    },
    /// What an upstream server asks a person changed its state; `pending` when it was asked.
    Elicitation(ApprovalState),
    /// A run began.
    Began,
    /// A run ended.
    Finished(RunOutcome),
}

/// The context of a fact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StatScope<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The run.
    pub run: Option<RunId>,
    /// The tool; empty outside a call.
    pub tool: &'a str,
    /// The component, with a prefix of its file's digest; empty if unknown.
    pub version: &'a str,
    /// When.
    pub time: Timestamp,
}

struct Call {
    tool: String,
    version: String,
    begun: Option<Timestamp>,
    /// Whether it was stopped in the middle, to wait for an approval.
    suspended: bool,
}

#[derive(Default)]
struct WatchedRun {
    calls: HashSet<KeyedDigest>,
    failed: BTreeSet<String>,
    principal: Option<Uid>,
}

/// Reads records in order.
pub struct Watcher {
    calls: HashMap<SpanId, Call>,
    /// Recently active runs: runs that never end are dropped.
    runs: TwoGenerationCache<RunId, WatchedRun>,
    approvals: HashMap<ApprovalId, Timestamp>,
    /// Open questions of upstream servers.
    elicitations: HashSet<ApprovalId>,
}

impl Default for Watcher {
    fn default() -> Self {
        Self {
            calls: HashMap::new(),
            runs: TwoGenerationCache::new(MOST / 2),
            approvals: HashMap::new(),
            elicitations: HashSet::new(),
        }
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher")
    }
}

impl Watcher {
    /// Calls `observe` with the contributions of a record.
    pub fn watch(
        &mut self,
        record: &Record,
        mut observe: impl FnMut(StatScope<'_>, StatEvent<'_>),
    ) {
        let at = StatScope {
            tenant: &record.tenant,
            run: record.run,
            tool: "",
            version: "",
            time: record.time,
        };
        match &record.event {
            Event::RunStarted(run) => {
                self.begin_run(record.run, &run.principal);
                observe(at, StatEvent::Began);
            }
            Event::RunEnded(ended) => {
                if let Some(run) = record.run {
                    self.runs.remove(&run);
                }
                observe(at, StatEvent::Finished(ended.outcome));
            }
            Event::CallInvalid(call) => refused(at, call, &mut observe),
            Event::Decision(decided) => self.decided(at, decided, &mut observe),
            Event::Start(start) => self.started(at, start, &mut observe),
            Event::Outcome(outcome) => self.ended(at, outcome, &mut observe),
            Event::Effect(effect) => {
                let call = self.calls.get(&effect.call);
                let fact = StatEvent::Effect {
                    operation: &effect.operation,
                    failed: effect.error.is_some(),
                };
                observe(within(at, call), fact);
            }
            Event::ApprovalRequested(asked) => self.requested(at, asked, &mut observe),
            Event::ApprovalResolved(resolved) => self.resolved(at, resolved, &mut observe),
            Event::BundleActivated(_)
            | Event::ComponentLog(_)
            | Event::LabelsJoined(_)
            | Event::ApprovalAnswered(_)
            | Event::ApprovalEscalated(_)
            | Event::ApprovalLinkIssued(_)
            | Event::ApprovalLinkRevoked(_)
            | Event::ApprovalAnswerRefused(_)
            | Event::StandingGranted(_)
            | Event::StandingEnded(_)
            | Event::Halted(_)
            | Event::Resumed(_)
            | Event::Administered(_) => {}
        }
    }

    /// The principal of a run that has not ended.
    #[must_use]
    pub fn principal(&self, run: RunId) -> Option<&Uid> {
        self.runs.peek(&run)?.principal.as_ref()
    }

    fn begin_run(&mut self, run: Option<RunId>, principal: &Uid) {
        let Some(run) = run else { return };
        let principal = Some(principal.clone());
        match self.runs.get(&run) {
            Some(known) => known.principal = principal,
            None => {
                let state = WatchedRun {
                    principal,
                    ..WatchedRun::default()
                };
                self.runs.insert(run, state);
            }
        }
    }

    fn requested(
        &mut self,
        at: StatScope<'_>,
        asked: &ApprovalRequested,
        observe: &mut impl FnMut(StatScope<'_>, StatEvent<'_>),
    ) {
        let at = StatScope {
            tool: &asked.tool,
            ..at
        };
        if asked.elicitation.is_some() {
            if self.elicitations.len() < MOST {
                self.elicitations.insert(asked.id);
            }
            observe(at, StatEvent::Elicitation(ApprovalState::Pending));
            return;
        }
        if self.approvals.len() < MOST {
            self.approvals.insert(asked.id, at.time);
        }
        observe(at, StatEvent::Asked);
    }

    fn resolved(
        &mut self,
        at: StatScope<'_>,
        resolved: &ApprovalResolved,
        observe: &mut impl FnMut(StatScope<'_>, StatEvent<'_>),
    ) {
        if self.elicitations.remove(&resolved.id) {
            let call = self.calls.get(&resolved.call);
            observe(within(at, call), StatEvent::Elicitation(resolved.state));
            return;
        }
        let asked = self.approvals.remove(&resolved.id);
        let call = self.calls.get(&resolved.call);
        let fact = StatEvent::Answered {
            state: resolved.state,
            wait: asked.map(|asked| at.time.since(asked)),
        };
        observe(within(at, call), fact);
        let refused = match resolved.state {
            ApprovalState::Pending | ApprovalState::Approved | ApprovalState::Consumed => false,
            ApprovalState::Rejected | ApprovalState::Expired | ApprovalState::Cancelled => true,
        };
        if refused && call.is_some_and(|call| call.begun.is_none() || call.suspended) {
            self.calls.remove(&resolved.call);
        }
    }

    fn decided(
        &mut self,
        at: StatScope<'_>,
        decided: &DecisionRecord,
        observe: &mut impl FnMut(StatScope<'_>, StatEvent<'_>),
    ) {
        let is_repeated = self.is_repeated(at.run, decided);
        self.remember(decided);
        let known = decided.call.and_then(|call| self.calls.get(&call));
        let called = decided.called();
        let at = match (&called, known) {
            (Some(tool), None) => StatScope { tool, ..at },
            (_, known) => within(at, known),
        };
        for fact in facts_of(decided) {
            observe(at, fact);
        }
        if is_repeated {
            observe(at, StatEvent::Repeated);
        }
        let over = matches!(decided.outcome, Outcome::Deny | Outcome::Error);
        if let (true, Some(call), true, false) = (
            decided.action.is_call(),
            decided.call,
            over,
            decided.is_secondary,
        ) {
            self.calls.remove(&call);
        }
    }

    /// Remembers the call that a decision is about.
    fn remember(&mut self, decided: &DecisionRecord) {
        let called = decided.called();
        let (Some(tool), Some(call), false) = (&called, decided.call, decided.is_secondary) else {
            return;
        };
        if self.calls.len() >= MOST {
            return;
        }
        let call = self.calls.entry(call).or_insert_with(|| Call {
            tool: tool.to_string(),
            version: String::new(),
            begun: None,
            suspended: false,
        });
        // A waiting call continues, or is refused.
        call.suspended &= !decided.resumption;
        if let Some(digest) = &decided.component {
            call.version = format!("{tool}@{}", short(&digest.to_string()));
        }
    }

    /// Whether the run has made the same call before. Remembers this one.
    fn is_repeated(&mut self, run: Option<RunId>, decided: &DecisionRecord) -> bool {
        let Some(arguments) = &decided.arguments else {
            return false;
        };
        if decided.resumption || decided.is_secondary {
            return false;
        }
        let run = run.and_then(|run| self.runs.get(&run));
        run.is_some_and(|run| match run.calls.len() < MOST {
            true => !run.calls.insert(arguments.clone()),
            false => run.calls.contains(arguments),
        })
    }

    fn started(
        &mut self,
        at: StatScope<'_>,
        start: &Start,
        observe: &mut impl FnMut(StatScope<'_>, StatEvent<'_>),
    ) {
        let Some(call) = self.calls.get_mut(&start.call) else {
            return;
        };
        call.begun = Some(at.time);
        if start.attempt > 1 && !start.resumption {
            observe(within(at, Some(call)), StatEvent::Retried);
        }
    }

    fn ended(
        &mut self,
        at: StatScope<'_>,
        outcome: &OutcomeRecord,
        observe: &mut impl FnMut(StatScope<'_>, StatEvent<'_>),
    ) {
        if outcome.status == Status::Pending {
            if let Some(call) = self.calls.get_mut(&outcome.call) {
                call.suspended = true;
            }
            return;
        }
        let call = self.calls.remove(&outcome.call);
        let here = within(at, call.as_ref());
        let begun = call.as_ref().and_then(|call| call.begun);
        let failed = outcome.status != Status::Ok;
        observe(
            here,
            StatEvent::Ended {
                end: CallEnd::Outcome(outcome.status),
                failed,
                micros: begun.map(|begun| at.time.since(begun)),
            },
        );
        let Some(seen) = at.run.and_then(|run| self.runs.get(&run)) else {
            return;
        };
        if failed {
            seen.failed.insert(here.tool.to_owned());
        } else if seen.failed.remove(here.tool) {
            observe(here, StatEvent::Recovered);
        }
    }
}

/// A call that was refused before any policy.
fn refused(
    at: StatScope<'_>,
    call: &CallInvalid,
    observe: &mut impl FnMut(StatScope<'_>, StatEvent<'_>),
) {
    // The name of an unknown tool could be any text.
    let tool = match call.problem.as_str() {
        "unknown_tool" => "",
        _ => call.tool.as_str(),
    };
    let ended = StatEvent::Ended {
        end: CallEnd::Invalid(call.problem.clone()),
        failed: true,
        micros: None,
    };
    observe(StatScope { tool, ..at }, ended);
}

fn within<'a>(at: StatScope<'a>, call: Option<&'a Call>) -> StatScope<'a> {
    match call {
        Some(call) => StatScope {
            tool: &call.tool,
            version: &call.version,
            ..at
        },
        None => at,
    }
}

/// What a decision contributes by itself.
fn facts_of(decided: &DecisionRecord) -> impl Iterator<Item = StatEvent<'_>> {
    let policy = decided.determining.first();
    let enforced = StatEvent::Decided {
        outcome: decided.outcome,
        enforced: true,
        policy: policy.map_or("", |policy| &policy.policy.id),
        micros: decided.decide_micros,
    };
    let shadow = decided.shadow.as_ref().map(|flip| StatEvent::Decided {
        outcome: flip.outcome,
        enforced: false,
        policy: flip.policies.first().map_or("", String::as_str),
        micros: 0,
    });
    let budget = decided.exhausted().map(StatEvent::Exhausted);
    // A rejected call was not forbidden by a policy alone.
    let denied = decided.outcome == Outcome::Deny && policy.is_some() && decided.approval.is_none();
    let denial = budget.or(denied.then_some(StatEvent::Unsafe));
    [Some(enforced), shadow, denial].into_iter().flatten()
}

/// The beginning of a digest, without its prefix.
fn short(digest: &str) -> &str {
    let hex = digest.rsplit(':').next().unwrap_or(digest);
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests;
