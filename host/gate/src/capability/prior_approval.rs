//! Approvals of effects inside a call: requested, and consumed once granted.
//!
//! The sandbox does not wait for a person. The component gets a denial, the call can change nothing more,
//! and it ends as pending. Repeating the call runs it again; its first request that is exactly the approved
//! one consumes the approval.

use serde_json::json;
use tollgate_ledger::{ApprovalRow, Batch, Binding, Condition, Payload};
use tollgate_model::{
    admission::MAX_ROUNDS,
    canonical,
    decision::Requirement,
    ids::ApprovalId,
    life::ApprovalState,
    record::{ApprovalRequested, Event, KeyedDigest, WaitingCall},
    request::Request,
    text::printable,
    time::Timestamp,
};

use super::{Capabilities, EffectAction};
use crate::enforce::{CallContext, Refusal};

/// The most effects that a pending call lists as done.
const MAX_HAPPENED: usize = 100;
/// The most bytes of an effect's summary.
const MAX_SHORT: usize = 300;

/// A requested effect as an approver sees it and an approval is bound to it.
pub(super) struct ApprovalQuery {
    /// A summary.
    short: String,
    /// All of it, as canonical JSON.
    whole: String,
    digest: KeyedDigest,
}

/// The earlier approval of the same effect.
pub(super) enum PriorApproval {
    /// There is none, or it has expired.
    None,
    /// There are not enough answers yet.
    Pending(Box<ApprovalRow>),
    Granted(Box<ApprovalRow>),
    /// It was rejected by this answer, until this time.
    Rejected(ApprovalId, Timestamp),
}

impl CallContext {
    /// The calls that end as pending together with this one, outermost first.
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
    pub(super) fn approval_query<A: EffectAction>(
        &self,
        act: &A,
        request: &Request,
    ) -> Result<ApprovalQuery, Refusal> {
        let unrecorded = |reason: String| Refusal::Unrecorded { reason };
        let action = request.action.id();
        let whole = json!({
            "action": action,
            "resource": request.resource.to_string(),
            "with": act.approval_detail(),
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
        Ok(ApprovalQuery {
            short: printable(&format!("{action} {}", act.summary()), MAX_SHORT),
            whole,
            digest: digest.map_err(|e| unrecorded(e.to_string()))?,
        })
    }

    pub(super) fn prior_approval(&self, query: &ApprovalQuery) -> Result<PriorApproval, Refusal> {
        let binding = Binding {
            tenant: self.cx.ruleset.config.gate.tenant.clone(),
            run: self.cx.run,
            principal: self.cx.principal.clone(),
            tool: self.tool.name.clone(),
            component: self.tool.source.digest,
            arguments: query.digest.clone(),
            via: self.cx.via(),
        };
        let row = self.pep.ledger.reader().approval_for(&binding);
        let row = row.map_err(|e| Refusal::Unrecorded {
            reason: e.to_string(),
        })?;
        let now = self.pep.now();
        Ok(match row.filter(|row| row.expires > now) {
            None => PriorApproval::None,
            Some(row) => match row.state {
                ApprovalState::Pending => PriorApproval::Pending(Box::new(row)),
                ApprovalState::Approved => PriorApproval::Granted(Box::new(row)),
                ApprovalState::Rejected => PriorApproval::Rejected(row.id, row.expires),
                ApprovalState::Expired | ApprovalState::Cancelled | ApprovalState::Consumed => {
                    PriorApproval::None
                }
            },
        })
    }

    /// Whether this call may request an approval: it has not requested one before, was not started too
    /// often, and its principal does not have too many pending.
    pub(super) fn may_ask(&self) -> bool {
        let whose = self.cx.pending_whose(self.pep.now());
        let most = self.cx.ruleset.config.approvals.max_pending;
        self.cx.attempt <= MAX_ROUNDS
            && self.pending().awaited.is_none()
            && self
                .pep
                .ledger
                .reader()
                .pending_of(&whose)
                .is_ok_and(|pending| pending < most)
    }

    /// Adds an approval request to the batch. `previous` is an approval that is no longer enough.
    pub(super) fn ask(
        &self,
        query: &ApprovalQuery,
        requirement: &Requirement,
        id: ApprovalId,
        previous: Option<&ApprovalRow>,
        batch: &mut Batch,
    ) -> Result<Timestamp, Refusal> {
        let ruleset = &self.cx.ruleset;
        let now = self.pep.now();
        let expires = now.after(ruleset.config.approval_expires);
        let payload: Payload = self.pep.seal(ruleset, now, &query.whole, "arguments")?;
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
            question: None,
            arguments: query.digest.clone(),
            call: self.cx.call,
            capability: Some(query.short.clone()),
            component: self.tool.source.digest,
            declared: None,
            elicitation: None,
            expires,
            id,
            makers: self.cx.makers.clone(),
            on_behalf_of: self.cx.on_behalf_of.clone(),
            payload: payload.digest,
            principal: self.cx.principal.clone(),
            requirement: requirement.clone(),
            round: self.cx.attempt,
            span: self.pep.span_id(),
            speaker: self.cx.speaker.clone(),
            tool: self.tool.name.clone(),
            via: self.cx.via(),
            waiting,
        }));
        batch.records.push(self.pep.record(&self.cx, now, asked));
        batch.payloads.push(payload);
        Ok(expires)
    }

    /// From now on the call waits for an approval. Its effects so far are listed when it ends.
    pub(super) fn mark_pending(&self, refusal: &Refusal) {
        if matches!(refusal, Refusal::Pending { .. }) {
            let mut pending = self.pending();
            pending.awaited.get_or_insert_with(|| refusal.clone());
        }
    }

    /// Adds an effect to the list in the answer of a call that waits for an approval.
    pub(super) fn note_effect(&self, what: &str) {
        let mut pending = self.pending();
        if pending.happened.len() < MAX_HAPPENED {
            pending.happened.push(printable(what, MAX_SHORT));
        }
    }
}
