//! What a component asks for in mid-call and a person must allow: asked, and used once it is given.
//!
//! No sandbox waits for a person. The component is told so, nothing more of its call changes the world,
//! and the call ends as pending; repeating it runs it again, and its first request that is exactly the
//! one that was approved uses the approval up.

use serde_json::{Value, json};
use tollgate_model::{
    admission::MAX_ROUNDS,
    canonical::{self, Sha256Digest},
    decision::Requirement,
    ids::ApprovalId,
    life::ApprovalState,
    record::{ApprovalRequested, Event, KeyedDigest, WaitingCall},
    request::Request,
    time::Timestamp,
};

use super::{CallContext, Capabilities, Capability, Refusal};
use crate::text::printable;
use tollgate_ledger::{ApprovalRow, Batch, Binding, Condition, Payload};

/// Effects that a call which waits lists as done.
const MAX_HAPPENED: usize = 100;
/// Bytes of what a component asks for, in short.
const MAX_SHORT: usize = 300;

/// What a component asks for, as an approver sees it and an approval is bound to it.
pub(super) struct Question {
    /// In short.
    short: String,
    /// Whole: canonical JSON.
    whole: String,
    digest: KeyedDigest,
}

/// What people have said to it.
pub(super) enum Said {
    Nothing,
    /// Nobody has answered yet, or not enough people.
    Waits(Box<ApprovalRow>),
    Yes(Box<ApprovalRow>),
    No(ApprovalId, Timestamp),
}

/// Bytes as an approver sees them: text as it is, anything else by its digest.
pub(super) fn shown(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "bytes": bytes.len(), "sha256": Sha256Digest::of(bytes) }),
    }
}

impl CallContext {
    /// The calls that end as pending if what is asked for within them does, outermost first.
    pub(crate) fn waiting(&self) -> Vec<WaitingCall> {
        let via = self.via();
        let waiting = self
            .enclosing
            .iter()
            .enumerate()
            .map(|(depth, call)| WaitingCall {
                arguments: call.arguments.clone(),
                attempt: call.attempt,
                call: call.call,
                component: call.digest,
                tool: call.tool.clone(),
                via: via.get(..depth).unwrap_or_default().to_vec(),
            });
        waiting.collect()
    }
}

impl Capabilities {
    pub(super) fn question<A: Capability>(
        &self,
        act: &A,
        request: &Request,
    ) -> Result<Question, Refusal> {
        let unrecorded = |reason: String| Refusal::Unrecorded { reason };
        let action = request.action.id();
        let whole = json!({
            "action": action,
            "resource": request.resource.to_string(),
            "with": act.detail(),
        });
        let whole = canonical::to_canonical(&whole)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| unrecorded("what was asked for has no canonical form".into()))?;
        let tenant = &self.cx.ruleset.config.gate.tenant;
        let within = self.cx.arguments.as_ref().map_or("", KeyedDigest::as_str);
        let parts = [
            b"capability".as_slice(),
            within.as_bytes(),
            whole.as_bytes(),
        ];
        let digest = self.pep.ledger.digest(tenant, &parts);
        Ok(Question {
            short: printable(&format!("{action} {}", act.short()), MAX_SHORT),
            whole,
            digest: digest.map_err(|e| unrecorded(e.to_string()))?,
        })
    }

    pub(super) fn said(&self, question: &Question) -> Result<Said, Refusal> {
        let binding = Binding {
            tenant: self.cx.ruleset.config.gate.tenant.clone(),
            run: self.cx.run,
            principal: self.cx.principal.clone(),
            tool: self.tool.name.clone(),
            component: self.tool.source.digest,
            arguments: question.digest.clone(),
            via: self.cx.via(),
        };
        let row = self.pep.ledger.reader().approval_for(&binding);
        let row = row.map_err(|e| Refusal::Unrecorded {
            reason: e.to_string(),
        })?;
        let now = self.pep.now();
        Ok(match row.filter(|row| row.expires > now) {
            None => Said::Nothing,
            Some(row) => match row.state {
                ApprovalState::Pending => Said::Waits(Box::new(row)),
                ApprovalState::Approved => Said::Yes(Box::new(row)),
                ApprovalState::Rejected => Said::No(row.id, row.expires),
                _ => Said::Nothing,
            },
        })
    }

    /// Whether this call may still ask: it has not asked before, and not been asked about too often, and
    /// not too much of its principal's waits already.
    pub(super) fn may_ask(&self) -> bool {
        let whose = self.cx.pending_whose(self.pep.now());
        let most = self.cx.ruleset.config.approvals.max_pending;
        self.cx.attempt <= MAX_ROUNDS
            && self.progress().pending.is_none()
            && self
                .pep
                .ledger
                .reader()
                .pending_of(&whose)
                .is_ok_and(|pending| pending < most)
    }

    /// Ask: add to the batch what asks for an approval. `previous` is one that is no longer enough.
    pub(super) fn ask(
        &self,
        question: &Question,
        requirement: &Requirement,
        id: ApprovalId,
        previous: Option<&ApprovalRow>,
        batch: &mut Batch,
    ) -> Result<Timestamp, Refusal> {
        let ruleset = &self.cx.ruleset;
        let now = self.pep.now();
        let lasts = u64::try_from(ruleset.config.approval_expires.as_micros());
        let expires = now.plus(lasts.unwrap_or(u64::MAX));
        let payload: Payload = self.pep.seal(ruleset, now, &question.whole, "arguments")?;
        if let Some(row) = previous {
            let resolved = row.superseded();
            batch.records.push(self.pep.record(&self.cx, now, resolved));
            let unchanged = Condition::ApprovalUnchanged(row.id, row.version);
            batch.conditions.push(unchanged);
        }
        if previous.is_none() {
            let most = ruleset.config.approvals.max_pending;
            let whose = self.cx.pending_whose(now);
            batch.conditions.push(Condition::PendingBelow(whose, most));
        }
        let mut waiting = self.cx.waiting();
        if let Some(arguments) = &self.cx.arguments {
            waiting.push(WaitingCall {
                arguments: arguments.clone(),
                attempt: self.cx.attempt,
                call: self.cx.call,
                component: self.tool.source.digest,
                tool: self.tool.name.clone(),
                via: self.cx.via(),
            });
        }
        let asked = Event::ApprovalRequested(Box::new(ApprovalRequested {
            arguments: question.digest.clone(),
            call: self.cx.call,
            capability: Some(question.short.clone()),
            component: self.tool.source.digest,
            expires,
            id,
            on_behalf_of: self.cx.on_behalf_of.clone(),
            payload: payload.digest,
            principal: self.cx.principal.clone(),
            requirement: requirement.clone(),
            round: self.cx.attempt,
            span: self.pep.span_id(),
            tool: self.tool.name.clone(),
            via: self.cx.via(),
            waiting,
        }));
        batch.records.push(self.pep.record(&self.cx, now, asked));
        batch.payloads.push(payload);
        Ok(expires)
    }

    /// That the call waits for a person, from now on. What it has done so far is said when it ends.
    pub(super) fn suspend(&self, refusal: &Refusal) {
        if matches!(refusal, Refusal::Pending { .. }) {
            let mut progress = self.progress();
            progress.pending.get_or_insert_with(|| refusal.clone());
        }
    }

    /// Note an effect that has happened, for whoever reads that the call waits.
    pub(super) fn happened(&self, what: &str) {
        let mut progress = self.progress();
        if progress.happened.len() < MAX_HAPPENED {
            progress.happened.push(printable(what, MAX_SHORT));
        }
    }
}
