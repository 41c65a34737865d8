//! A run as an evaluation case: the input, and the path and outcome that are expected of another run with the same
//! task. Arguments are included only if the user who exports it may see them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use tollgate_model::{
    canonical::Sha256Digest,
    ids::{DecisionId, RunId},
    record::KeyedDigest,
};

use crate::{
    run::{RunSteps, Step, StepOutcome, findings},
    self_report::{SelfReport, SelfReportTopic},
    store::{Feedback, Note},
};

/// A run as an evaluation case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvalCase {
    /// The run that it was made from.
    pub run: RunId,
    /// Request and context, as self-reported; only with payloads.
    pub input: BTreeMap<&'static str, Vec<String>>,
    /// Versions and names, as self-reported.
    pub versions: BTreeMap<&'static str, String>,
    /// The tool calls that are expected, in order.
    pub expected_path: Vec<ExpectedStep>,
    /// Digests of the policies that decided.
    pub policies: Vec<Sha256Digest>,
    /// The outcome of the run, if it has ended.
    pub expected_outcome: Option<&'static str>,
    /// The phase of its failure, if it failed.
    pub failed_in: Option<&'static str>,
    /// The result, as self-reported; only with payloads.
    pub expected_result: Option<String>,
    /// Labels of its notes; with payloads also their texts.
    pub labels: Vec<(String, Option<String>)>,
    /// Feedback about it.
    pub feedback: Vec<Feedback>,
}

/// A tool call that is expected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExpectedStep {
    /// The tool.
    pub tool: String,
    /// The nesting depth of the call.
    pub depth: u32,
    /// Keyed digest of tool and arguments.
    pub arguments_digest: Option<KeyedDigest>,
    /// The arguments; only with payloads, and while they can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// The outcome of the last decision.
    pub decision: Option<&'static str>,
    /// Policies that determined it.
    pub policies: Vec<String>,
    /// Its outcome.
    pub outcome: StepOutcome,
}

/// The case of a run. `arguments` are those of decisions about calls; if there are none, the case has no payloads.
#[must_use]
pub fn eval(
    run: RunId,
    steps: &RunSteps,
    reports: &[SelfReport],
    notes: &[Note],
    feedback: Vec<Feedback>,
    arguments: Option<&BTreeMap<DecisionId, Value>>,
) -> EvalCase {
    let payloads = arguments.is_some();
    let own = || reports.iter().filter(|report| report.call.is_none());
    let names = own().filter(|report| report.topic.is_name());
    let mut result = own().filter(|report| report.topic == SelfReportTopic::Result);
    EvalCase {
        run,
        input: match payloads {
            true => input(own()),
            false => BTreeMap::new(),
        },
        versions: names
            .map(|report| (report.topic.as_str(), report.text.clone()))
            .collect(),
        expected_path: steps
            .steps
            .iter()
            .map(|step| ExpectedStep::of(step, arguments))
            .collect(),
        policies: steps.bundles.clone(),
        expected_outcome: steps.ended.as_ref().map(|ended| ended.outcome.as_str()),
        failed_in: findings(steps)
            .verdict
            .map(|verdict| verdict.phase.as_str()),
        expected_result: result
            .next_back()
            .filter(|_| payloads)
            .map(|report| report.text.clone()),
        labels: notes.iter().map(|note| label(note, payloads)).collect(),
        feedback: feedback
            .into_iter()
            .map(|mut each| {
                each.feedback.comment = each.feedback.comment.filter(|_| payloads);
                each
            })
            .collect(),
    }
}

/// Request, context and initial state.
fn input<'a>(reports: impl Iterator<Item = &'a SelfReport>) -> BTreeMap<&'static str, Vec<String>> {
    let mut input: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for report in reports {
        if let SelfReportTopic::Request | SelfReportTopic::Context | SelfReportTopic::StartState =
            report.topic
        {
            let texts = input.entry(report.topic.as_str()).or_default();
            texts.push(report.text.clone());
        }
    }
    input
}

/// The label of a note; with payloads also its text, if it has one.
fn label(note: &Note, payloads: bool) -> (String, Option<String>) {
    let text = Some(&note.note.note).filter(|text| payloads && !text.is_empty());
    (note.note.label.clone(), text.cloned())
}

impl ExpectedStep {
    fn of(step: &Step, arguments: Option<&BTreeMap<DecisionId, Value>>) -> Self {
        let last = step.decisions.last();
        let known = |arguments: &BTreeMap<DecisionId, Value>| {
            let mut decisions = step.decisions.iter();
            decisions.find_map(|decided| arguments.get(&decided.id).cloned())
        };
        Self {
            tool: step.tool.clone(),
            depth: step.depth,
            arguments_digest: step.arguments.clone(),
            arguments: arguments.and_then(known),
            decision: last.map(|decided| decided.outcome.as_str()),
            policies: last
                .map(|decided| decided.policies.clone())
                .unwrap_or_default(),
            outcome: step.outcome,
        }
    }
}
