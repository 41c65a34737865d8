//! An approver changes the arguments of a call before approving it.

use std::collections::BTreeSet;

use tollgate_ledger::{ApprovalRow, Payload};
use tollgate_model::{
    canonical,
    decision::{Decision, Outcome},
    edit::changes,
    provenance::ProvenanceFacts,
    record::{EditedArguments, Event},
    request::{ActionContext, Facts, Request},
    time::Timestamp,
};

use super::{ApprovalError, responder::Responder};
use crate::{
    enforce::{Pep, ToolCall},
    text::printable,
    tool::{Feature, SourceKind},
};

/// Arguments that an approver sets, not recorded yet.
pub(super) struct EditDraft {
    pub(super) arguments: EditedArguments,
    payload: Payload,
}

impl EditDraft {
    pub(super) fn into_payload(self) -> Payload {
        self.payload
    }
}

fn refused<T>(problem: impl Into<String>) -> Result<T, ApprovalError> {
    Err(ApprovalError::NotEdited(problem.into()))
}

impl Pep {
    /// The edited arguments of a waiting call. `call` has them, and matches the tool's schema.
    ///
    /// They are refused if policy would deny the call with them, or ask for something else than the approver
    /// was shown. The call is decided again when it resumes.
    pub(super) fn draft_edit(
        &self,
        by: Responder<'_>,
        row: &ApprovalRow,
        call: &ToolCall,
        now: Timestamp,
    ) -> Result<EditDraft, ApprovalError> {
        if by.response.standing.is_some() {
            return refused(
                "a standing approval is for the calls like the agent's own; approve one of them",
            );
        }
        let tool = call.tool();
        if row.capability.is_some() || !row.waiting.is_empty() || !row.via.is_empty() {
            return refused(
                "a component makes this request, and only calls of agents can be edited",
            );
        }
        if tool.feature != Feature::Tool || tool.source.kind == SourceKind::External {
            return refused("only calls of tools that the gate executes can be edited");
        }
        if tool.source.digest != row.component {
            return refused("the tool has changed since the agent called it");
        }
        if *call.digest() == *row.shown_digest() {
            return refused("these are the arguments that it has; approve it as it is");
        }
        self.check_edit(by, row, call)?;
        let payload = self.seal(by.ruleset, now, &call.canonical(), "arguments")?;
        Ok(EditDraft {
            arguments: EditedArguments {
                digest: call.digest().clone(),
                payload: payload.digest,
            },
            payload,
        })
    }

    /// Decides the call with its new arguments, with the facts of when it was asked about. The values come from
    /// where they would come from in a call of the agent's: an approver vouches for no value.
    fn check_edit(
        &self,
        by: Responder<'_>,
        row: &ApprovalRow,
        call: &ToolCall,
    ) -> Result<(), ApprovalError> {
        let Some((mut request, mut facts)) = self.asked_request(row)? else {
            return refused("the facts of the call are no longer kept");
        };
        if let ActionContext::Call { input, .. } = &mut request.context {
            input.clone_from(call.arguments());
        }
        facts.provenance = ProvenanceFacts {
            expected: facts.provenance.expected,
            ..self.reads.provenance_in(row.run, call)
        };
        match by.ruleset.pdp.decide(&request, &facts) {
            Decision::Allow(_) => Ok(()),
            Decision::Escalate(_, needs) if needs.lifts.is_subset(&row.requirement.lifts) => Ok(()),
            Decision::Escalate(_, needs) => refused(format!(
                "with these arguments the call needs {needs}; reject it, so that the agent asks for that"
            )),
            Decision::Deny(basis) | Decision::Error(basis) => refused(format!(
                "policy denies the call with these arguments: {}",
                printable(&basis.reason(), 500)
            )),
        }
    }

    /// The request with which the call was asked about, and its facts.
    fn asked_request(&self, row: &ApprovalRow) -> Result<Option<(Request, Facts)>, ApprovalError> {
        // The decision and the request for an approval are in one commit, one after the other.
        let Some(index) = row.opened.checked_sub(1) else {
            return Ok(None);
        };
        let record = self.ledger.reader().record(index)?;
        let Some(Event::Decision(decision)) = record.map(|record| record.event) else {
            return Ok(None);
        };
        let asked = decision.outcome == Outcome::Escalate && decision.approval == Some(row.id);
        let Some(facts) = decision.facts_digest.filter(|_| asked) else {
            return Ok(None);
        };
        let plain = self.ledger.unseal(index, facts, "facts")?;
        let parsed = serde_json::from_slice(&plain);
        parsed
            .map(Some)
            .map_err(|e| ApprovalError::Store(e.to_string()))
    }
}

impl Pep {
    /// The arguments that an approver set, and the pointers at which they differ from the agent's.
    pub(crate) fn edited_arguments(
        &self,
        row: &ApprovalRow,
    ) -> Result<Option<(String, BTreeSet<String>)>, ApprovalError> {
        let Some(edited) = &row.edited else {
            return Ok(None);
        };
        let plain = self
            .ledger
            .unseal(edited.answered, edited.arguments.payload, "arguments")?;
        let unusable = |e: String| ApprovalError::Store(e);
        let text: String = serde_json::from_slice(&plain).map_err(|e| unusable(e.to_string()))?;
        let before = canonical::parse(&self.sealed_arguments(row)?);
        let before = before.map_err(|e| unusable(e.to_string()))?;
        let after = canonical::parse(&text).map_err(|e| unusable(e.to_string()))?;
        Ok(Some((text, changes(&before, &after))))
    }
}
