//! The original call of an approval, for an agent that resumes it by the approval's id.
//!
//! Nothing runs here: the call takes every step again, and is decided again.

use std::sync::Arc;

use tollgate_model::{
    canonical,
    ids::{ApprovalId, RunId, SpanId},
    life::{ApprovalEvent, ApprovalState},
    record::{DecisionRecord, Event, KeyedDigest, Record},
    redaction::redact,
    request::{ActionContext, Facts, Request},
};

use super::{ApprovalError, MAX_ATTEMPTS};
use crate::enforce::{CallRequest, Pep, Ruleset, ToolCall};
use crate::identity::{Caller, on_behalf_of};
use tollgate_ledger::{ApprovalFilter, ApprovalRow, Batch, CommitError, Condition, LedgerError};

/// A call that waits for an approval.
#[derive(Debug, Clone)]
pub struct PendingCall {
    /// The approval's state.
    pub state: ApprovalState,
    /// The run that requested it.
    pub run: RunId,
    /// The call.
    pub request: CallRequest,
}

impl Pep {
    /// An approval that the caller requested.
    pub(crate) fn own_approval(
        &self,
        ruleset: &Ruleset,
        caller: &Caller,
        id: ApprovalId,
    ) -> Result<ApprovalRow, ApprovalError> {
        let row = self.ledger.reader().approval(id)?;
        // Other callers get "not found".
        let own = row.filter(|row| {
            row.tenant == ruleset.config.gate.tenant
                && row.principal == caller.principal()
                && on_behalf_of(&ruleset.config, caller).as_ref() == Some(&row.on_behalf_of)
                // What a server asks is for people only.
                && row.elicitation.is_none()
        });
        own.ok_or(ApprovalError::NotFound(id))
    }

    /// Cancels an approval of the caller, unless it is resolved or its call has begun. That needs no
    /// decision.
    pub(crate) async fn withdraw(
        &self,
        ruleset: &Ruleset,
        caller: &Caller,
        id: ApprovalId,
    ) -> Result<ApprovalState, ApprovalError> {
        for _ in 0..MAX_ATTEMPTS {
            let row = self.own_approval(ruleset, caller, id)?;
            if row.state.after(ApprovalEvent::Cancel).is_none() {
                return Ok(row.state);
            }
            let withdrawn = row.withdrawn();
            let batch = Batch {
                records: vec![Record::new(
                    row.tenant,
                    Some(row.run),
                    self.now(),
                    withdrawn,
                )],
                payloads: Vec::new(),
                conditions: vec![Condition::ApprovalUnchanged(id, row.version)],
            };
            match self.commit(batch).await {
                Ok(_) => return Ok(ApprovalState::Cancelled),
                Err(CommitError::ApprovalChanged) => {}
                Err(error) => return Err(ApprovalError::Store(error.to_string())),
            }
        }
        Err(ApprovalError::Store(
            "the approval changed faster than it could be withdrawn; try again".into(),
        ))
    }

    /// The call that an approval of the caller is for.
    pub(crate) fn pending_call(
        &self,
        ruleset: &Ruleset,
        caller: &Caller,
        id: ApprovalId,
    ) -> Result<PendingCall, ApprovalError> {
        let row = self.own_approval(ruleset, caller, id)?;
        let request = match row.waiting.first() {
            None => CallRequest {
                tool: row.tool.clone(),
                arguments: self.sealed_arguments(&row)?,
            },
            Some(outermost) => self.decided_call(&row, outermost.call)?,
        };
        Ok(PendingCall {
            state: row.state,
            run: row.run,
            request,
        })
    }

    /// The arguments, as they were sealed for the approver.
    pub(super) fn sealed_arguments(&self, row: &ApprovalRow) -> Result<String, ApprovalError> {
        let unusable = |e: serde_json::Error| ApprovalError::Store(e.to_string());
        // A resolved approval no longer shows its arguments, but they are still sealed with it.
        let record = self.ledger.reader().record(row.opened)?;
        let Some(Event::ApprovalRequested(asked)) = record.map(|record| record.event) else {
            return Err(ApprovalError::NotFound(row.id));
        };
        let plain = self.ledger.unseal(row.opened, asked.payload, "arguments")?;
        serde_json::from_slice(&plain).map_err(unusable)
    }

    /// The agent's own call around the requesting one: the approval is for something inside it.
    fn decided_call(&self, row: &ApprovalRow, call: SpanId) -> Result<CallRequest, ApprovalError> {
        let lost = || {
            ApprovalError::Store(format!(
                "the call that requested {} is not in the ledger",
                row.id
            ))
        };
        let records = self.ledger.reader().records_of_run(row.run)?;
        // The last one: an approver may have changed the arguments with which the call was first decided.
        let found = records.into_iter().rev().find_map(|(index, record)| {
            let Event::Decision(decided) = record.event else {
                return None;
            };
            match (decided.called(), decided.facts_digest) {
                (Some(tool), Some(facts))
                    if decided.call == Some(call) && !decided.is_secondary =>
                {
                    Some((index, tool.into_owned(), facts))
                }
                _ => None,
            }
        });
        let (index, tool, facts) = found.ok_or_else(lost)?;
        let plain = self.ledger.unseal(index, facts, "facts")?;
        let (request, _): (Request, Facts) =
            serde_json::from_slice(&plain).map_err(|e| ApprovalError::Store(e.to_string()))?;
        let ActionContext::Call { input, .. } = request.context else {
            return Err(lost());
        };
        Ok(CallRequest {
            tool,
            arguments: input.to_string(),
        })
    }

    /// The decision about a call, with its index.
    fn call_decision(
        &self,
        run: RunId,
        call: SpanId,
    ) -> Result<Option<(u64, DecisionRecord)>, LedgerError> {
        let records = self.ledger.reader().records_of_run(run)?;
        let found = records.into_iter().find_map(|(index, record)| {
            let Event::Decision(decided) = record.event else {
                return None;
            };
            let is_it =
                decided.call == Some(call) && !decided.is_secondary && decided.called().is_some();
            is_it.then_some((index, *decided))
        });
        Ok(found)
    }

    /// The digest that this call has once it is redacted like the one that waits for `row`; `None` if nothing was
    /// removed from that one.
    fn redacted_digest(
        &self,
        ruleset: &Ruleset,
        row: &ApprovalRow,
        call: &ToolCall,
    ) -> Result<Option<KeyedDigest>, LedgerError> {
        let waits = row.waiting.first().map_or(row.call, |waits| waits.call);
        let Some((_, decided)) = self.call_decision(row.run, waits)? else {
            return Ok(None);
        };
        let pointers = &decided.redaction.pointers;
        let Some(input) = ruleset
            .input_of(call.tool())
            .filter(|_| !pointers.is_empty())
        else {
            return Ok(None);
        };
        let mut arguments = call.arguments().clone();
        let may_be_absent = |path: &[String]| input.declares_member(path);
        if redact(&mut arguments, pointers, &may_be_absent).is_err() {
            return Ok(None);
        }
        let canonical = canonical::to_canonical(&arguments).ok();
        let text = canonical.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(text.and_then(|text| self.call_digest(ruleset, &call.tool().name, &text).ok()))
    }
}

impl Pep {
    /// The run in which exactly this call of the caller waits for an approval, or may continue.
    pub(crate) fn run_awaiting_approval(
        &self,
        ruleset: &Arc<Ruleset>,
        caller: &Caller,
        call: &ToolCall,
    ) -> Result<Option<RunId>, LedgerError> {
        let (principal, digest) = (caller.principal(), call.digest());
        let user = on_behalf_of(&ruleset.config, caller);
        let tool = &call.tool().name;
        let redacts = ruleset.pdp.redacts();
        let asks = |row: &ApprovalRow| -> Result<bool, LedgerError> {
            let (own_tool, arguments) = match row.waiting.first() {
                None => (&row.tool, &row.arguments),
                Some(outermost) => (&outermost.tool, &outermost.arguments),
            };
            let is_own = own_tool == tool && (!row.waiting.is_empty() || row.via.is_empty());
            Ok(is_own
                && (arguments == digest
                    || redacts
                        && self.redacted_digest(ruleset, row, call)?.as_ref() == Some(arguments)))
        };
        let open = self.ledger.reader().approvals(&ApprovalFilter::open())?;
        let own = open.into_iter().filter(|row| {
            row.tenant == ruleset.config.gate.tenant
                && row.principal == principal
                && Some(&row.on_behalf_of) == user.as_ref()
                && row.expires > self.now()
        });
        for row in own {
            if asks(&row)? {
                return Ok(Some(row.run));
            }
        }
        Ok(None)
    }
}
