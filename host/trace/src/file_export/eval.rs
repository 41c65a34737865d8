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
    run::{RunSteps, StepOutcome, findings},
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
    told: &[SelfReport],
    notes: &[Note],
    feedback: Vec<Feedback>,
    arguments: Option<&BTreeMap<DecisionId, Value>>,
) -> EvalCase {
    let mut input: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let mut versions = BTreeMap::new();
    let mut result = None;
    for told in told.iter().filter(|told| told.call.is_none()) {
        match told.topic {
            topic if topic.is_name() => drop(versions.insert(topic.as_str(), told.text.clone())),
            SelfReportTopic::Result => result = Some(told.text.clone()),
            SelfReportTopic::Request | SelfReportTopic::Context | SelfReportTopic::StartState => {
                input
                    .entry(told.topic.as_str())
                    .or_default()
                    .push(told.text.clone());
            }
            _ => {}
        }
    }
    if arguments.is_none() {
        input.clear();
        result = None;
    }
    let path = steps.steps.iter().map(|step| {
        let last = step.decisions.last();
        let known = |arguments: &BTreeMap<DecisionId, Value>| {
            let mut decisions = step.decisions.iter();
            decisions.find_map(|decided| arguments.get(&decided.id).cloned())
        };
        ExpectedStep {
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
    });
    let labels = notes.iter().map(|note| {
        let words = arguments.is_some() && !note.note.note.is_empty();
        (
            note.note.label.clone(),
            words.then(|| note.note.note.clone()),
        )
    });
    let payloads = arguments.is_some();
    EvalCase {
        run,
        input,
        versions,
        expected_path: path.collect(),
        policies: steps.bundles.clone(),
        expected_outcome: steps.ended.as_ref().map(|ended| ended.outcome.as_str()),
        failed_in: findings(steps)
            .verdict
            .map(|verdict| verdict.phase.as_str()),
        expected_result: result,
        labels: labels.collect(),
        feedback: feedback
            .into_iter()
            .map(|mut each| {
                each.feedback.comment = each.feedback.comment.filter(|_| payloads);
                each
            })
            .collect(),
    }
}
