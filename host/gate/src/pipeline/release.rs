//! Release: decide about the result and record the outcome, before the first byte leaves.

use std::{collections::BTreeSet, sync::Arc};

use tollgate_ledger::{Batch, CommitError};
use tollgate_model::{
    decision::Decision,
    ids::{DecisionId, SpanId},
    record::{Event, OutcomeRecord, Release, Status},
};

use crate::{
    capability::{Capabilities, UnrecordedEffects},
    capture::CapturedPayload,
    config::PRIVATE,
    enforce::{
        Answer, CallContext, Pep, Refusal, ReleaseDecision, StartedReading, Verdict,
        apply_release_decision, content_with_truncation_note,
    },
    tool::{Content, Execution, Tool},
};

/// A call that was started.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    pub(crate) tool: Arc<Tool>,
    /// The decision that allowed it.
    pub(crate) decision: DecisionId,
    /// Where its result is read.
    pub(crate) reading: StartedReading,
    /// Its `invoke_component` span.
    pub(crate) span: SpanId,
    /// Pointers into the arguments at which policy has removed something.
    pub(crate) redacted: BTreeSet<String>,
}

/// Records how a call ended, in one commit with the decision whether its result is released. Returns the labels
/// of the result with the answer.
///
/// If the run takes on other labels meanwhile, the result is decided again.
pub(crate) async fn release(
    pep: &Pep,
    cx: &CallContext,
    invocation: &Invocation,
    execution: Execution,
    effects: &Capabilities,
) -> (Answer, BTreeSet<String>) {
    let unrecorded = effects.finish();
    let ended = EndedCall::new(pep, cx, invocation, execution, unrecorded);
    let answer = Answer {
        run: Some(cx.run),
        call: cx.call,
        decision: Some(invocation.decision),
        edit: cx.edit.clone().map(Box::new),
        redacted_arguments: Box::new(invocation.redacted.clone()),
        verdict: ended.record().await,
    };
    (answer, ended.outcome.labels)
}

/// An ended call with the data to record.
struct EndedCall<'a> {
    pep: &'a Pep,
    cx: &'a CallContext,
    tool: &'a Arc<Tool>,
    reading: &'a StartedReading,
    execution: Execution,
    unrecorded: UnrecordedEffects,
    captured: CapturedPayload,
    outcome: OutcomeRecord,
}

/// The data that is committed when a call ends.
struct CallClosure {
    batch: Batch,
    /// The decision about the content; absent if there is none.
    release: Option<Release>,
    /// How many values of it are redacted.
    redacted: u64,
    verdict: Verdict,
}

impl<'a> EndedCall<'a> {
    fn new(
        pep: &'a Pep,
        cx: &'a CallContext,
        invocation: &'a Invocation,
        execution: Execution,
        unrecorded: UnrecordedEffects,
    ) -> Self {
        let tool = &invocation.tool;
        let mut labels = tool.content_labels();
        labels.extend(unrecorded.labels.iter().cloned());
        let status = match (&unrecorded.pending, execution.status) {
            // Discard the result of a suspended run; the call executes again after the approval.
            (Some(_), status) if status != Status::Halted => Status::Pending,
            (_, status) => status,
        };
        // Of an upstream server's effects nothing is known but its word.
        let effective = execution.unusable || unrecorded.effects > 0;
        let content = content_bytes(&execution);
        let captured = capture_result(pep, cx, tool, &execution, &labels);
        let tenant = &cx.ruleset.config.gate.tenant;
        let outcome = OutcomeRecord {
            call: cx.call,
            capture: content.as_ref().map(|_| captured.kept),
            effective: status == Status::ToolError && effective,
            effects: unrecorded.effects + execution.effects,
            fuel: execution.fuel,
            history: Vec::new(),
            labels,
            peak_memory: execution.peak_memory,
            redacted: 0,
            release: None,
            result: content.and_then(|bytes| pep.ledger.digest(tenant, &[&bytes]).ok()),
            size: execution.size,
            span: invocation.span,
            status,
        };
        Self {
            pep,
            cx,
            tool,
            reading: &invocation.reading,
            execution,
            unrecorded,
            captured,
            outcome,
        }
    }

    async fn record(&self) -> Verdict {
        loop {
            // A result that cannot be decided is not released; the execution is still recorded.
            let closing = self.decide().unwrap_or_else(|_| self.undecided());
            let CallClosure {
                mut batch,
                release,
                redacted,
                verdict,
            } = closing;
            let status = match &verdict {
                Verdict::Ended { status, .. } => *status,
                _ => self.outcome.status,
            };
            batch.payloads.extend(self.captured.payload.clone());
            let mut outcome = OutcomeRecord {
                redacted,
                release,
                status,
                ..self.outcome.clone()
            };
            let now = self.pep.now();
            let content = self.execution.content.as_deref().unwrap_or_default();
            outcome.history = self.pep.outcome_entries(self.cx, &outcome, content, now);
            let record = self.pep.record(self.cx, now, Event::Outcome(outcome));
            batch.records.push(record);
            match self.pep.commit(batch).await {
                Ok(receipt) => {
                    let decided_at = receipt.first() + self.unrecorded.records.len() as u64;
                    let verdict = verdict.decided_at(DecisionId(decided_at));
                    self.read(&verdict).await;
                    return verdict;
                }
                // Labels are few and a run never loses one, so this loop ends.
                Err(CommitError::RunChanged) => {}
                // It ran, and its outcome could not be recorded.
                Err(_) => {
                    let unknown = Verdict::unknown();
                    self.read(&unknown).await;
                    return unknown;
                }
            }
        }
    }

    /// Reads what the caller is about to get, so that its values are found again.
    async fn read(&self, verdict: &Verdict) {
        let labels = &self.unrecorded.labels;
        let reads = &self.pep.reads;
        reads.read(self.cx, self.reading, labels, verdict).await;
    }

    fn batch(&self) -> Batch {
        Batch {
            records: self.unrecorded.records.clone(),
            payloads: self.unrecorded.payloads.clone(),
            ..Batch::default()
        }
    }

    fn undecided(&self) -> CallClosure {
        CallClosure {
            batch: self.batch(),
            release: None,
            redacted: 0,
            verdict: Verdict::unknown(),
        }
    }

    /// Decides whether the content is released, and builds the caller's answer.
    fn decide(&self) -> Result<CallClosure, Refusal> {
        let mut batch = self.batch();
        let mut decide = |error: bool, size: u64| -> Result<Decision, Refusal> {
            let labels = &self.outcome.labels;
            let decided = self
                .pep
                .decide_release(self.cx, self.tool, error, size, labels)?;
            let ReleaseDecision {
                decision,
                record,
                payload,
                condition,
            } = decided;
            batch.records.push(record);
            batch.payloads.push(payload);
            batch.conditions.push(condition);
            Ok(decision)
        };
        let mut redacted = 0;
        let (release, verdict) = match (self.outcome.status, &self.unrecorded.pending) {
            (Status::Ok | Status::ToolError, _) => {
                let error = self.outcome.status != Status::Ok;
                let decision = decide(error, self.execution.size)?;
                let content = content_with_truncation_note(&self.execution);
                let released = apply_release_decision(decision, content, self.tool);
                redacted = released.redacted;
                (Some(released.release), released.verdict)
            }
            (Status::Pending, Some(pending)) => {
                // The list of effects contains the component's words, so it is content, like a result.
                let happened = pending.happened().iter();
                let size = happened.map(|what| what.len() as u64).sum();
                let refusal = match decide(false, size)? {
                    Decision::Allow(_) => pending.clone(),
                    _ => pending.clone().in_general_terms(),
                };
                (None, Verdict::Refused(refusal))
            }
            (status @ (Status::Halted | Status::Pending), _) => {
                let effects = self.outcome.effects > 0;
                (None, Verdict::Ended { status, effects })
            }
            (status, _) => {
                // A component chooses how its call ends, which can encode data, so it is content, like a
                // result.
                let effects = self.outcome.effects > 0;
                match decide(true, 0)? {
                    Decision::Allow(_) => {
                        // As if there were no content: only a withheld end is recorded.
                        batch.records.pop();
                        batch.payloads.pop();
                        (None, Verdict::Ended { status, effects })
                    }
                    decision => {
                        let basis = Box::new(decision.basis().clone());
                        let decision = DecisionId(0);
                        let verdict = Verdict::Withheld { decision, basis };
                        (Some(Release::Withheld), verdict)
                    }
                }
            }
        };
        Ok(CallClosure {
            batch,
            release,
            redacted,
            verdict,
        })
    }
}

/// The captured part of a tool's content.
fn capture_result(
    pep: &Pep,
    cx: &CallContext,
    tool: &Tool,
    execution: &Execution,
    labels: &BTreeSet<String>,
) -> CapturedPayload {
    let capturing = pep.capturing(cx);
    let private = labels.contains(PRIVATE);
    match &execution.content {
        Ok(content) => capturing.result(tool.tool_name(), content, private),
        Err(failure) => {
            let text = failure.message.clone();
            capturing.result(tool.tool_name(), &[Content::Text { text }], private)
        }
    }
}

fn content_bytes(execution: &Execution) -> Option<Vec<u8>> {
    match &execution.content {
        Ok(content) => serde_json::to_vec(content).ok(),
        Err(failure) => Some(failure.message.clone().into_bytes()),
    }
}
