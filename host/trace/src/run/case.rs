//! The C.A.S.E. view of a run: context, actions, signals, enforcement; and what evidence is missing.
//!
//! It answers the questions of a reader who was not there: what was the goal, what was done, what looked
//! wrong, what was allowed and by whom. Missing evidence is listed, so that silence is not taken for an answer.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tollgate_model::{
    canonical::Sha256Digest,
    decision::Outcome,
    entity::Uid,
    ids::{DecisionId, RunId, SpanId},
    record::Release,
    time::Timestamp,
};

use super::{DecisionSummary, Findings, RunSteps, Step, StepOutcome, findings};
use crate::{
    self_report::{SelfReport, SelfReportTopic},
    store::{Reader, Scope, StoreError, total},
};

/// Facts about a run from the trace store, in addition to its records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunEvidence {
    /// Self-reports.
    pub self_reports: Vec<SelfReport>,
    /// Reported spans of model calls, such as `chat`.
    pub model_spans: u64,
    /// Reported tokens.
    pub tokens: Option<u64>,
    /// Cost, in billionths of the price table's currency.
    pub cost_nano: Option<u64>,
}

/// A run as an incident report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseView {
    /// Its goal, context and principal.
    pub context: CaseContext,
    /// The agent's own calls and nested ones, in order.
    pub actions: Vec<ActionSummary>,
    /// What needs attention.
    pub signals: Signals,
    /// Decisions, approvals and withheld results.
    pub enforcement: Enforcement,
    /// Missing evidence.
    pub missing: Vec<Gap>,
}

/// Goal, context and principal of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseContext {
    /// The principal.
    pub principal: Option<Uid>,
    /// The user for whom it acts.
    pub on_behalf_of: Option<Uid>,
    /// The conversation, as stated by the caller.
    pub conversation: Option<String>,
    /// The session of the protocol.
    pub session: Option<String>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended, or the time of its last record.
    pub until: Option<Timestamp>,
    /// Its outcome.
    pub outcome: Option<&'static str>,
    /// Why it stopped.
    pub stop_reason: Option<String>,
    /// Labels that it began with.
    pub inherited: BTreeSet<String>,
    /// Self-reports about it, which are not trusted.
    pub self_reports: Vec<SelfReport>,
    /// Policies in force, in order of first use.
    pub bundles: Vec<Sha256Digest>,
    /// Versions of the tools that it called.
    pub tools: BTreeMap<String, Vec<Sha256Digest>>,
}

/// A summary of one call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionSummary {
    /// Its span.
    pub call: SpanId,
    /// The tool.
    pub tool: String,
    /// The nesting depth.
    pub depth: u32,
    /// Microseconds since the run began.
    pub at: u64,
    /// Its outcome.
    pub outcome: StepOutcome,
    /// Whether anything ran.
    pub ran: bool,
    /// Started effects that change the world.
    pub effects: u64,
    /// Self-reports about it, which are not trusted.
    pub self_reports: Vec<SelfReport>,
}

/// What needs attention.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Signals {
    /// The slowest step, failures, recoveries and repeats.
    #[serde(flatten)]
    pub findings: Findings,
    /// Labels that the run acquired, with the first tool of each.
    pub labels: BTreeMap<String, String>,
    /// Warnings and errors in the logs of components.
    pub warnings: u64,
    /// Decisions that shadow policies would have changed.
    pub shadow: Vec<DecisionId>,
    /// Refused effects of components.
    pub refused_effects: Vec<DecisionId>,
    /// Reported tokens.
    pub tokens: Option<u64>,
    /// Cost, in billionths of the price table's currency.
    pub cost_nano: Option<u64>,
}

/// Decisions, approvals and withheld results.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Enforcement {
    /// Decisions, by outcome.
    pub decisions: BTreeMap<&'static str, u64>,
    /// Decisions that did not allow, in order.
    pub refused: Vec<DecisionSummary>,
    /// Requested approvals.
    pub approvals: Vec<ApprovalSummary>,
    /// Results that policy withheld or redacted.
    pub withheld: Vec<SpanId>,
    /// Determining policies, with the number of decisions.
    pub policies: BTreeMap<String, u64>,
}

/// A summary of an approval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApprovalSummary {
    /// Its id.
    pub id: String,
    /// The tool that waited.
    pub tool: String,
    /// Its state.
    pub state: &'static str,
    /// The roles and number of approvals that it needs.
    pub needs: String,
    /// The users who answered, and whether they approved.
    pub by: Vec<(String, bool)>,
    /// Its duration in microseconds.
    pub waited: Option<u64>,
}

/// One piece of missing evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// A stable name of what is missing.
    pub what: &'static str,
    /// What that means, and how to provide it.
    pub why: String,
}

impl RunEvidence {
    /// Reads the facts about a run from the trace store. Tokens and cost are those that its principal reported, in the
    /// caller's own trace if there is one.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    pub fn of(
        store: &Reader,
        tenant: &str,
        run: RunId,
        steps: &RunSteps,
    ) -> Result<Self, StoreError> {
        let known = store.trace(tenant, run)?.and_then(|row| row.caller);
        let trace = steps.origin.trace.or(known).unwrap_or(run);
        let usage = match &steps.principal {
            Some(who) => store.usage(tenant, &Scope::RunOf(trace, who.to_string()), None)?,
            None => Vec::new(),
        };
        let sum = total(&usage);
        let tokens = sum
            .usage
            .input_tokens
            .saturating_add(sum.usage.output_tokens);
        Ok(Self {
            self_reports: store.self_reports(tenant, run)?,
            model_spans: sum.calls,
            tokens: (sum.calls > 0).then_some(tokens),
            cost_nano: sum.usage.cost_nano,
        })
    }
}

impl CaseView {
    /// The incident report of a run.
    #[must_use]
    pub fn of(run: &RunSteps, evidence: &RunEvidence) -> Self {
        let findings = findings(run);
        Self {
            missing: gaps(run, evidence),
            context: context(run, evidence),
            actions: run.steps.iter().map(|s| action(run, s, evidence)).collect(),
            signals: signals(run, findings, evidence),
            enforcement: enforcement(run),
        }
    }
}

fn context(run: &RunSteps, evidence: &RunEvidence) -> CaseContext {
    let mut tools: BTreeMap<String, Vec<Sha256Digest>> = BTreeMap::new();
    for step in &run.steps {
        let versions = tools.entry(step.tool.clone()).or_default();
        versions.extend(step.version.filter(|version| !versions.contains(version)));
    }
    let about_run = evidence
        .self_reports
        .iter()
        .filter(|told| told.call.is_none());
    CaseContext {
        principal: run.principal.clone(),
        on_behalf_of: run.on_behalf_of.clone(),
        conversation: run.origin.conversation.clone(),
        session: run.origin.session.clone(),
        started: run.started,
        until: run.ended.as_ref().map(|ended| ended.at).or(run.last),
        outcome: run.ended.as_ref().map(|ended| ended.outcome.as_str()),
        stop_reason: run.ended.as_ref().map(|ended| ended.stop_reason.clone()),
        inherited: run.inherited.clone(),
        self_reports: about_run.cloned().collect(),
        bundles: run.bundles.clone(),
        tools,
    }
}

fn action(run: &RunSteps, step: &Step, evidence: &RunEvidence) -> ActionSummary {
    let about = evidence
        .self_reports
        .iter()
        .filter(|t| t.call == Some(step.call));
    ActionSummary {
        call: step.call,
        tool: step.tool.clone(),
        depth: step.depth,
        at: run.started.map_or(0, |began| step.started.since(began)),
        outcome: step.outcome,
        ran: !step.attempts.is_empty(),
        effects: step.attempts.iter().map(|attempt| attempt.effects).sum(),
        self_reports: about.cloned().collect(),
    }
}

fn signals(run: &RunSteps, findings: Findings, evidence: &RunEvidence) -> Signals {
    let mut labels = BTreeMap::new();
    for step in &run.steps {
        for label in step.labels.difference(&run.inherited) {
            labels.entry(label.clone()).or_insert(step.tool.clone());
        }
    }
    let decisions = run.decisions();
    let refused = run.steps.iter().flat_map(Step::refused_effects);
    Signals {
        labels,
        warnings: run.steps.iter().map(|step| step.warnings).sum(),
        shadow: decisions
            .iter()
            .filter(|decided| decided.shadow.is_some_and(|s| s != decided.outcome))
            .map(|decided| decided.id)
            .collect(),
        refused_effects: refused
            .filter_map(|effect| effect.decision.as_ref().map(|d| d.id))
            .collect(),
        findings,
        tokens: evidence.tokens,
        cost_nano: evidence.cost_nano,
    }
}

fn enforcement(run: &RunSteps) -> Enforcement {
    let mut counted = BTreeMap::new();
    let mut policies: BTreeMap<String, u64> = BTreeMap::new();
    let decisions = run.decisions();
    for decided in &decisions {
        *counted.entry(decided.outcome.as_str()).or_insert(0_u64) += 1;
        for policy in &decided.policies {
            *policies.entry(policy.clone()).or_default() += 1;
        }
    }
    let approvals = run.steps.iter().flat_map(|step| {
        step.approvals.iter().map(|asked| ApprovalSummary {
            id: asked.id.to_string(),
            tool: step.tool.clone(),
            state: asked.state.as_str(),
            needs: asked.needs.clone(),
            by: asked
                .answers
                .iter()
                .map(|(who, approved)| (who.id.clone(), *approved))
                .collect(),
            waited: asked.resolved.map(|at| at.since(asked.requested)),
        })
    });
    let cut = run.steps.iter().filter(|step| {
        matches!(
            step.release,
            Some(Release::Withheld) | Some(Release::Redacted)
        )
    });
    Enforcement {
        decisions: counted,
        refused: decisions
            .into_iter()
            .filter(|decided| decided.outcome != Outcome::Allow)
            .cloned()
            .collect(),
        approvals: approvals.collect(),
        withheld: cut.map(|step| step.call).collect(),
        policies,
    }
}

/// Missing evidence.
fn gaps(run: &RunSteps, evidence: &RunEvidence) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if run.started.is_none() {
        gaps.push(Gap {
            what: "beginning",
            why: "the record that began the run is missing: see `tollgate ledger verify`".into(),
        });
    }
    gaps.extend(reported_gaps(run, evidence));
    gaps.extend(recorded_gaps(run));
    gaps
}

/// What the agent did not report.
fn reported_gaps(run: &RunSteps, evidence: &RunEvidence) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut gap = |what, why: String| gaps.push(Gap { what, why });
    let tells = |topic| evidence.self_reports.iter().any(|told| told.topic == topic);
    if !tells(SelfReportTopic::Request) {
        gap(
            "request",
            "the agent did not tell what the user asked for".into(),
        );
    }
    if !tells(SelfReportTopic::Context) && evidence.model_spans == 0 {
        gap(
            "context",
            "the agent did not tell what it selected as context".into(),
        );
    }
    if evidence.model_spans == 0 {
        gap(
            "model",
            "no model call was reported, so what the model was asked and what it cost is not known"
                .into(),
        );
    }
    let versions = [
        SelfReportTopic::Model,
        SelfReportTopic::PromptVersion,
        SelfReportTopic::WorkflowVersion,
    ];
    let silent: Vec<&str> = versions
        .into_iter()
        .filter(|topic| {
            !tells(*topic) && (*topic != SelfReportTopic::Model || evidence.model_spans == 0)
        })
        .map(SelfReportTopic::as_str)
        .collect();
    if !silent.is_empty() {
        gap(
            "versions",
            format!("the agent did not tell: {}", silent.join(", ")),
        );
    }
    let own: Vec<&Step> = run.own().collect();
    let explained = own
        .iter()
        .filter(|s| evidence.self_reports.iter().any(|t| t.call == Some(s.call)))
        .count();
    if explained < own.len() {
        let silent = own.len() - explained;
        gap(
            "summaries",
            format!(
                "of {} calls {silent} came without a word why they were made",
                own.len()
            ),
        );
    }
    match &run.ended {
        None => gap(
            "end",
            "the run has not ended: whether it reached its goal is not known".into(),
        ),
        Some(_) if !tells(SelfReportTopic::Result) => {
            gap(
                "result",
                "the agent did not tell what it answered in the end".into(),
            );
        }
        Some(_) => {}
    }
    gaps
}

/// What the gate could not see or did not record.
fn recorded_gaps(run: &RunSteps) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut gap = |what, why: String| gaps.push(Gap { what, why });
    let count = |which: &dyn Fn(&Step) -> bool| run.steps.iter().filter(|s| which(s)).count();
    let unsandboxed = count(&|step| step.attempts.iter().any(|attempt| attempt.unsandboxed));
    if unsandboxed > 0 {
        gap(
            "effects",
            format!("{unsandboxed} calls ran outside the sandbox: what they did is not seen"),
        );
    }
    let unknown = count(&|step| step.outcome == StepOutcome::Indeterminate);
    if unknown > 0 {
        gap(
            "outcomes",
            format!(
                "the outcomes of {unknown} calls are not known: inspect the systems that they act on"
            ),
        );
    }
    let unsealed = run.decisions().iter().filter(|d| !d.has_facts).count();
    if unsealed > 0 {
        gap(
            "facts",
            format!("{unsealed} decisions were recorded without what they were made from"),
        );
    }
    gaps
}
