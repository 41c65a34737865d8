//! The decision whether a tool's content is released, and its effect on the content.

use std::{collections::BTreeSet, time::Instant};

use serde_json::Value;
use tollgate_ledger::{Condition, Payload};
use tollgate_model::{
    decision::Decision,
    entity::Kind,
    ids::DecisionId,
    record::{Record, Release},
    request::{Action, ActionContext, Request},
};

use super::{
    CallContext, Pep, Refusal, Verdict,
    redact::{RedactedResult, redact},
};
use crate::tool::{Content, Execution, Tool, ToolFailure};

/// A decision whether content is released, ready to be recorded.
pub(crate) struct ReleaseDecision {
    pub(crate) decision: Decision,
    pub(crate) record: Record,
    pub(crate) payload: Payload,
    /// Requires that the run holds no labels that the decision did not see.
    pub(crate) condition: Condition,
}

impl Pep {
    /// Decides whether a tool's content is released, as if its labels had already joined the run.
    pub(crate) fn decide_release(
        &self,
        cx: &CallContext,
        tool: &Tool,
        error: bool,
        size: u64,
        labels: &BTreeSet<String>,
    ) -> Result<ReleaseDecision, Refusal> {
        let begun = Instant::now();
        let now = self.now();
        let mut run = Self::run_facts(cx, &self.run_state(cx.run, None)?, None, false, now);
        run.labels.extend(labels.iter().cloned());
        let resource = cx.resource.clone();
        let resource = resource.unwrap_or_else(|| tool.entity(&Value::Null));
        let uid = resource.uid.clone();
        // The configuration names the others.
        let named_by_request = (uid.kind == Kind::Resource).then_some(resource);
        let facts = Self::facts(&cx.ruleset, now, run, Vec::from_iter(named_by_request));
        let request = Request {
            principal: cx.principal.clone(),
            action: Action::ReturnResult,
            resource: uid,
            context: ActionContext::Result {
                on_behalf_of: cx.on_behalf_of.clone(),
                error,
                size,
            },
        };
        // A result is never shown to an approver: if it would need an approval, it is withheld.
        let decision = match cx.ruleset.pdp.decide(&request, &facts) {
            Decision::Escalate(basis, _) => Decision::Deny(basis),
            decision => decision,
        };
        let (draft, payload) = self.decision_record(
            &cx.ruleset,
            &request,
            &facts,
            &decision,
            self.span_id(),
            begun,
        )?;
        Ok(ReleaseDecision {
            decision,
            record: self.record(cx, now, draft.for_result(cx).into()),
            payload,
            condition: Condition::RunLabels(cx.run, facts.run.labels),
        })
    }
}

/// The content, with a note if a part was cut off.
pub(crate) fn content_with_truncation_note(
    execution: &Execution,
) -> Result<Vec<Content>, ToolFailure> {
    let mut content = execution.content.clone()?;
    if execution.cut {
        let text = format!(
            "[cut: the tool returned {} bytes; ask it for less, or have an operator raise `limits.output` of the tool]",
            execution.size
        );
        content.push(Content::Text { text });
    }
    Ok(content)
}

/// The caller's part after the decision about a result.
pub(crate) struct ReleasedResult {
    pub(crate) release: Release,
    pub(crate) verdict: Verdict,
    /// How many values were redacted.
    pub(crate) redacted: u64,
}

/// Releases, redacts or withholds a result of `tool` as policy decided.
pub(crate) fn apply_release_decision(
    decision: Decision,
    content: Result<Vec<Content>, ToolFailure>,
    tool: &Tool,
) -> ReleasedResult {
    let withheld = |basis| ReleasedResult {
        release: Release::Withheld,
        verdict: Verdict::Withheld {
            // Known once it is recorded.
            decision: DecisionId(0),
            basis: Box::new(basis),
        },
        redacted: 0,
    };
    let (release, verdict, redacted) = match (decision, content) {
        (Decision::Allow(_), Ok(content)) => {
            let redacted = false;
            let verdict = Verdict::Released { content, redacted };
            (Release::Released, verdict, 0)
        }
        (Decision::Allow(_), Err(failure)) => (Release::Released, Verdict::ToolError(failure), 0),
        (Decision::Deny(basis), Ok(content)) if !basis.redact.is_empty() => {
            match redact(content, &basis.redact, tool.output_schema.as_ref()) {
                Ok(RedactedResult { content, count }) => {
                    let redacted = true;
                    let verdict = Verdict::Released { content, redacted };
                    (Release::Redacted, verdict, count)
                }
                Err(_) => return withheld(basis),
            }
        }
        (decision, _) => return withheld(decision.basis().clone()),
    };
    ReleasedResult {
        release,
        verdict,
        redacted,
    }
}
