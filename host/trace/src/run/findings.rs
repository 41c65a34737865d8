//! Findings from a run's steps: the slowest step, and the phase of a failure.
//!
//! - **planning**: the request was wrong. Arguments did not match, a policy or a user refused it, or a component was
//!   made to request something that policy does not allow it.
//! - **execution**: the request was allowed, and failed.
//! - **recovery**: after a failure, the same call failed again, or the tool failed three times.

use std::collections::HashMap;

use serde::Serialize;
use tollgate_model::{
    ids::SpanId,
    record::{KeyedDigest, RunOutcome},
};

use super::{RunSteps, Step, StepOutcome};

/// The findings of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Findings {
    /// The longest of the agent's own calls that have ended.
    pub slowest: Option<SlowestStep>,
    /// Failures of the agent's own calls, in order.
    pub failed: Vec<StepFailure>,
    /// Failures after which the same tool succeeded.
    pub recovered: u64,
    /// Calls that repeat an earlier one with the same arguments.
    pub repeats: u64,
    /// The failure of the run; absent if nothing failed finally.
    pub verdict: Option<Verdict>,
}

/// The longest of the agent's own calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlowestStep {
    /// Its span.
    pub call: SpanId,
    /// The tool.
    pub tool: String,
    /// Its duration in microseconds.
    pub micros: u64,
    /// The part of it in which an approval was pending, in microseconds.
    pub waited: u64,
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepFailure {
    /// Its span.
    pub call: SpanId,
    /// The tool.
    pub tool: String,
    /// Its outcome.
    pub outcome: StepOutcome,
    /// The phase of its failure, regardless of other steps.
    pub phase: Phase,
    /// Why, in a few words.
    pub why: String,
    /// The later call of the same tool that succeeded.
    pub recovered_by: Option<SpanId>,
}

/// The phase of a failure.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Phase {
    /// The request was wrong.
    Planning,
    /// The request was allowed, and failed.
    Execution,
    /// The reaction to an earlier failure failed.
    Recovery,
}

tollgate_model::named!(Phase);

/// The failure of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Its phase.
    pub phase: Phase,
    /// The call that shows it; absent if every call succeeded.
    pub call: Option<SpanId>,
    /// Its tool.
    pub tool: Option<String>,
    /// Why, in a few words.
    pub why: String,
}

/// The findings of a run.
#[must_use]
pub fn findings(run: &RunSteps) -> Findings {
    let own: Vec<&Step> = run.own().collect();
    let slowest = own
        .iter()
        .filter_map(|step| Some((step, step.took()?)))
        // The first of equal ones.
        .reduce(|a, b| if b.1 > a.1 { b } else { a })
        .map(|(step, micros)| SlowestStep {
            call: step.call,
            tool: step.tool.clone(),
            micros,
            waited: step.waited(),
        });
    let mut later: HashMap<&str, SpanId> = HashMap::new();
    let mut failed = Vec::new();
    for step in own.iter().rev() {
        if step.outcome == StepOutcome::Ok {
            later.insert(&step.tool, step.call);
        } else if step.outcome.is_failure() {
            let (phase, why) = phase(run, step);
            failed.push(StepFailure {
                call: step.call,
                tool: step.tool.clone(),
                outcome: step.outcome,
                phase,
                why,
                recovered_by: later.get(step.tool.as_str()).copied(),
            });
        }
    }
    failed.reverse();
    let recovered = failed.iter().filter(|f| f.recovered_by.is_some()).count();
    Findings {
        slowest,
        recovered: recovered as u64,
        repeats: repeats(&own),
        verdict: verdict(run, &own, &failed),
        failed,
    }
}

fn repeats(own: &[&Step]) -> u64 {
    let mut seen: HashMap<&KeyedDigest, u64> = HashMap::new();
    for digest in own.iter().filter_map(|step| step.arguments.as_ref()) {
        *seen.entry(digest).or_default() += 1;
    }
    seen.values().map(|n| n.saturating_sub(1)).sum()
}

/// The phase and reason of one step's failure, regardless of other steps.
fn phase(run: &RunSteps, step: &Step) -> (Phase, String) {
    let refused = || {
        let last = step.decisions.iter().rev();
        let last = last
            .clone()
            .find(|decided| decided.outcome != tollgate_model::decision::Outcome::Allow);
        last.map(|decided| decided.policies.join(", "))
            .filter(|policies| !policies.is_empty())
    };
    let by = |what: &str, by: Option<String>| match by {
        Some(by) => format!("{what} by {by}"),
        None => what.to_owned(),
    };
    match step.outcome {
        StepOutcome::Invalid => {
            let problem = step.problem.as_deref().unwrap_or("invalid");
            let why = format!("{} {}", problem.replace('_', " "), step.pointers.join(" "));
            (Phase::Planning, why.trim_end().to_owned())
        }
        StepOutcome::Denied => (
            Phase::Planning,
            match refused() {
                Some(policies) => format!("denied by {policies}"),
                None => "no policy permits it".into(),
            },
        ),
        StepOutcome::Rejected => {
            let mut answers = step.approvals.iter().flat_map(|asked| &asked.answers);
            let person = answers.find(|(_, approved)| !approved);
            let person = person.map(|(who, _)| who.id.clone());
            (Phase::Planning, by("rejected", person))
        }
        StepOutcome::Expired => (Phase::Execution, "not answered in time".into()),
        StepOutcome::Cancelled => (Phase::Execution, "given up while it waited".into()),
        StepOutcome::Halted => (Phase::Execution, "halted".into()),
        StepOutcome::Undecidable => (Phase::Execution, "it could not be decided".into()),
        StepOutcome::Withheld => {
            let policies = step.released.as_ref().map(|d| d.policies.join(", "));
            let policies = policies.filter(|policies| !policies.is_empty());
            (Phase::Planning, by("its result was withheld", policies))
        }
        _ => {
            if let Some((refused, tool)) = refused_within(run, step) {
                return (Phase::Planning, by(&refused, tool));
            }
            let why = match step.attempts.last().and_then(|attempt| attempt.status) {
                Some(status) => status.as_str().replace('_', " "),
                None => step.outcome.as_str().replace('_', " "),
            };
            (Phase::Execution, why)
        }
    }
}

/// The first refused effect of a step or of its nested calls, with the policies that refused it.
fn refused_within(run: &RunSteps, step: &Step) -> Option<(String, Option<String>)> {
    let mut within = vec![step.call];
    for inner in &run.steps {
        if inner.within.is_some_and(|above| within.contains(&above)) {
            within.push(inner.call);
        }
        if !within.contains(&inner.call) {
            continue;
        }
        if let Some(asking) = inner.refused_effects().next() {
            let policies = asking.decision.as_ref().map(|d| d.policies.join(", "));
            let what = format!("{} {} was refused", asking.operation, asking.target);
            return Some((what, policies.filter(|policies| !policies.is_empty())));
        }
        if inner.call != step.call && inner.outcome == StepOutcome::Denied {
            let policies = inner.decisions.last().map(|d| d.policies.join(", "));
            let what = format!("{} was refused", inner.tool);
            return Some((what, policies.filter(|policies| !policies.is_empty())));
        }
    }
    None
}

fn verdict(run: &RunSteps, own: &[&Step], failed: &[StepFailure]) -> Option<Verdict> {
    let outcome = run.ended.as_ref().map(|ended| ended.outcome);
    if outcome == Some(RunOutcome::Success) {
        return None;
    }
    let Some(first) = failed.iter().find(|failed| failed.recovered_by.is_none()) else {
        // Every call succeeded in the end. If the run did not, its plan was wrong.
        return match outcome {
            Some(RunOutcome::Failed | RunOutcome::Abandoned) => Some(Verdict {
                phase: Phase::Planning,
                call: None,
                tool: None,
                why: "every tool succeeded, and the run did not".into(),
            }),
            Some(RunOutcome::BudgetExhausted) => Some(Verdict {
                phase: Phase::Planning,
                call: None,
                tool: None,
                why: "a budget was spent".into(),
            }),
            Some(RunOutcome::Success | RunOutcome::Denied | RunOutcome::Cancelled) | None => None,
        };
    };
    let place = own.iter().position(|step| step.call == first.call)?;
    let (at, after) = (own.get(place)?, own.get(place.saturating_add(1)..)?);
    let mut again = after
        .iter()
        .filter(|step| step.tool == first.tool && step.outcome.is_failure());
    let same = again
        .clone()
        .filter(|step| step.arguments.is_some() && step.arguments == at.arguments)
        .count();
    let (again, times) = (again.next_back(), again_count(after, &first.tool));
    let (phase, call, why) = match again {
        Some(last) if same > 0 => (
            Phase::Recovery,
            last.call,
            format!("the same call failed again ({same} more): {}", first.why),
        ),
        Some(last) if times > 1 => (
            Phase::Recovery,
            last.call,
            format!("{times} more tries failed: {}", first.why),
        ),
        _ => (first.phase, first.call, first.why.clone()),
    };
    Some(Verdict {
        phase,
        call: Some(call),
        tool: Some(first.tool.clone()),
        why,
    })
}

fn again_count(after: &[&Step], tool: &str) -> usize {
    after
        .iter()
        .filter(|step| step.tool == tool && step.outcome.is_failure())
        .count()
}
