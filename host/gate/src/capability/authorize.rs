//! One effect: collect facts, decide, record, permit; and report its result.

use std::{collections::BTreeSet, time::Instant};

use tollgate_ledger::{ApprovalRow, Batch, Condition, Payload, Receipt, StateUpdateResult};
use tollgate_model::{
    decision::{Decision, Outcome},
    ids::{ApprovalId, DecisionId, SpanId},
    record::{Effect, Event, Record},
    request::{Facts, Request},
    time::{Timestamp, micros},
};
use tollgate_sandbox::port::{Authorize, Denial, EffectReport, Permit, PortFuture};

use super::{
    Capabilities, EffectAction, denial,
    pending_effects::call_over,
    prior_approval::{ApprovalQuery, PriorApproval},
};
use crate::enforce::{Pep, Permitted, Refusal, grant_from_row, pending_refusal};

/// The evaluation of a request, with earlier answers of approvers to the same request.
struct CapabilityDecision {
    decision: Decision,
    /// The approval to request now.
    query: Option<ApprovalQuery>,
    /// The earlier approval of the same request.
    earlier: Option<Box<ApprovalRow>>,
    rejected: Option<Refusal>,
}

/// A decision with its record, before the record is durable.
struct DraftDecision {
    decided: CapabilityDecision,
    record: Record,
    payload: Payload,
    /// The effect's span.
    span: SpanId,
    /// The approval that was requested.
    approval: Option<ApprovalId>,
    /// Labels that the written resource takes on.
    labels: BTreeSet<String>,
}

impl<A: EffectAction> Authorize<A> for Capabilities {
    fn would_allow(&self, act: &A) -> Result<bool, Denial> {
        self.effect_would_be_allowed(act).map_err(denial)
    }

    fn authorize(&self, act: A) -> PortFuture<'_, Result<Permit<A>, Denial>> {
        Box::pin(async move { self.authorize_effect(act).await.map_err(denial) })
    }

    fn labels_unchanged(&self, permit: &Permit<A>) -> Result<bool, Denial> {
        self.effect_labels_unchanged(permit).map_err(denial)
    }

    fn complete(&self, permit: Permit<A>, effect: EffectReport) {
        self.complete_effect(permit, effect);
    }
}

impl Capabilities {
    /// Whether an act would be allowed, without a record: for a check before the data for a decision is
    /// looked up. It permits nothing.
    ///
    /// # Errors
    /// [`Refusal`] if it cannot be decided.
    pub(super) fn effect_would_be_allowed<A: EffectAction>(
        &self,
        act: &A,
    ) -> Result<bool, Refusal> {
        self.ensure_active(act)?;
        let (request, facts) = self.known_about(act, self.pep.now())?;
        let decision = self.cx.ruleset.pdp.decide(&request, &facts);
        Ok(decision.outcome() == Outcome::Allow)
    }

    /// Decides and records an act of the component. The result permits exactly this act.
    ///
    /// # Errors
    /// [`Refusal`] if it is denied, or cannot be decided or recorded.
    pub(super) async fn authorize_effect<A: EffectAction>(
        &self,
        mut act: A,
    ) -> Result<Permit<A>, Refusal> {
        let begun = Instant::now();
        self.ensure_active(&act)?;
        let label_epoch = self.pep.ledger.label_epoch();
        if let Some(labels) = self.existing_labels(&act)? {
            act.set_existing_labels(labels);
        }
        let draft = self.draft_decision(&act, begun)?;
        let outcome = draft.decided.decision.outcome();
        let allowed = outcome == Outcome::Allow;
        let effects = u64::from(act.changes_the_world() && allowed);
        let sealed = draft.payload.ciphertext.len();
        self.pending().begin(effects, sealed)?;
        let uses_approval = allowed && draft.decided.earlier.is_some();
        if allowed && !act.changes_the_world() && !uses_approval {
            let (queued, is_full) = {
                let mut pending = self.pending();
                let queued = pending.queue(act, draft.span, draft.record, draft.payload);
                (queued, pending.is_full())
            };
            if is_full {
                self.commit(Batch::default(), None).await?;
            }
            return Ok(queued.for_guest(label_epoch));
        }
        let span = draft.span;
        let receipt = self.record_decision(&mut act, draft, effects).await?;
        Ok(Permitted::new(act, span, span, &receipt)?.for_guest(label_epoch))
    }

    /// Collects the facts, decides, and builds the record.
    fn draft_decision<A: EffectAction>(
        &self,
        act: &A,
        begun: Instant,
    ) -> Result<DraftDecision, Refusal> {
        let now = self.pep.now();
        let (request, mut facts) = self.known_about(act, now)?;
        let labels = match act.propagates_labels() {
            true => facts.run.labels.clone(),
            false => BTreeSet::new(),
        };
        let decided = self.decide(act, &request, &mut facts)?;
        let approval = match (&decided.query, &decided.earlier, &decided.decision) {
            (Some(_), _, _) => Some(self.pep.ids.approval()),
            (None, Some(row), Decision::Allow(_) | Decision::Escalate(..)) => Some(row.id),
            _ => None,
        };
        let span = self.pep.span_id();
        let ruleset = &self.cx.ruleset;
        let (record, payload) =
            self.pep
                .decision_record(ruleset, &request, &facts, &decided.decision, span, begun)?;
        let holder = act.label_holder(&self.caller);
        let canonical_id = holder.and_then(|holder| holder.canonical_id);
        let record = record
            .for_capability(&self.cx, self.span, self.tool.source.digest, labels.clone())
            .marked(canonical_id)
            .approval(approval);
        Ok(DraftDecision {
            record: self.pep.record(&self.cx, now, record.into()),
            decided,
            payload,
            span,
            approval,
            labels,
        })
    }

    /// Makes a decision durable, together with its state update or approval request.
    ///
    /// # Errors
    /// [`Refusal`] if it does not allow, or could not be recorded.
    async fn record_decision<A: EffectAction>(
        &self,
        act: &mut A,
        draft: DraftDecision,
        effects: u64,
    ) -> Result<Receipt, Refusal> {
        let DraftDecision {
            decided,
            record,
            payload,
            approval,
            labels,
            span: _,
        } = draft;
        let allowed = matches!(decided.decision, Decision::Allow(_));
        let update = match allowed {
            true => act.state_update(&labels),
            false => None,
        };
        let refused = as_denied(&record);
        let mut batch = Batch {
            records: vec![record],
            payloads: vec![payload.clone()],
            conditions: Vec::new(),
        };
        if allowed {
            batch.conditions.push(Condition::RunOpen(self.cx.run));
            batch.conditions.extend(self.not_halted());
            if let Some(row) = decided.earlier.as_deref() {
                let unchanged = Condition::ApprovalUnchanged(row.id, row.version);
                batch.conditions.push(unchanged);
            }
        }
        let mut expires = None;
        if let (Decision::Escalate(_, requirement), Some(query), Some(id)) =
            (&decided.decision, &decided.query, approval)
        {
            let previous = decided.earlier.as_deref();
            expires = Some(self.ask(query, requirement, id, previous, &mut batch)?);
            batch.conditions.extend(self.not_halted());
        }
        match self.commit(batch, update).await {
            Ok(committed) => {
                if !matches!(committed.update, StateUpdateResult::Done { .. }) {
                    self.pending().revert(effects);
                }
                act.set_update_result(committed.update);
                let decision = DecisionId(committed.first);
                self.refuse_unless_allowed(decided, decision, expires.zip(approval))?;
                Ok(committed.receipt)
            }
            Err(refusal) => {
                // Nothing was sent: the guest is informed before anything happens.
                let mut pending = self.pending();
                pending.revert(effects);
                if !pending.closed {
                    pending.records.push(refused);
                    pending.payloads.push(payload);
                }
                Err(refusal)
            }
        }
    }

    /// The guest's result of a recorded decision. `asked` is an approval that was just requested, with its
    /// expiry.
    fn refuse_unless_allowed(
        &self,
        decided: CapabilityDecision,
        decision: DecisionId,
        asked: Option<(Timestamp, ApprovalId)>,
    ) -> Result<(), Refusal> {
        match decided.decision {
            Decision::Allow(_) => Ok(()),
            Decision::Error(basis) => {
                let basis = Box::new(basis);
                Err(Refusal::Undecidable { decision, basis })
            }
            Decision::Deny(basis) => {
                let basis = Box::new(basis);
                let denied = Refusal::Denied { decision, basis };
                Err(decided.rejected.unwrap_or(denied))
            }
            Decision::Escalate(basis, requirement) => {
                let refusal = match (asked, decided.earlier) {
                    (Some((expires, approval)), _) => Refusal::Pending {
                        decision,
                        basis: Box::new(basis),
                        approval,
                        requirement: Box::new(requirement),
                        expires,
                        happened: Vec::new(),
                    },
                    (None, Some(row)) => pending_refusal(decision, basis, &row),
                    (None, None) => {
                        let basis = Box::new(basis);
                        Refusal::Denied { decision, basis }
                    }
                };
                self.mark_pending(&refusal);
                Err(refusal)
            }
        }
    }

    /// The current facts, with the labels of the run and of everything that this call has read.
    pub(super) fn known_about<A: EffectAction>(
        &self,
        act: &A,
        now: Timestamp,
    ) -> Result<(Request, Facts), Refusal> {
        let run = self.pep.run_state(self.cx.run, None)?;
        let mut run = Pep::run_facts(&self.cx, &run, None, false, now);
        run.labels.extend(self.pending().labels.iter().cloned());
        run.labels.extend(self.cx.inherited_labels.iter().cloned());
        let entities = act.entities(&self.caller);
        let facts = Pep::facts(&self.cx.ruleset, now, run, entities);
        Ok((act.request(&self.caller), facts))
    }

    /// Whether effects may still happen: not if the call has ended, waits for an approval, or is halted.
    pub(super) fn ensure_active<A: EffectAction>(&self, act: &A) -> Result<(), Refusal> {
        {
            let pending = self.pending();
            if pending.closed {
                return Err(call_over());
            }
            if let (Some(awaited), true) = (&pending.awaited, act.changes_the_world()) {
                return Err(awaited.clone());
            }
        }
        if act.changes_the_world() {
            let request = act.request(&self.caller);
            self.refuse_in_preview(&format!("{} {}", request.action.id(), act.target()))?;
        }
        for condition in self.not_halted() {
            if let Condition::NotHalted(keys) = condition {
                self.pep.ledger.ensure_not_halted(&keys)?;
            }
        }
        Ok(())
    }

    /// Decides, with an earlier approval of the same request if there is one.
    fn decide<A: EffectAction>(
        &self,
        act: &A,
        request: &Request,
        facts: &mut Facts,
    ) -> Result<CapabilityDecision, Refusal> {
        let pdp = &self.cx.ruleset.pdp;
        let mut decided = CapabilityDecision {
            decision: pdp.decide(request, facts),
            query: None,
            earlier: None,
            rejected: None,
        };
        let Decision::Escalate(basis, _) = &decided.decision else {
            return Ok(decided);
        };
        let basis = basis.clone();
        let query = self.approval_query(act, request)?;
        match self.prior_approval(&query)? {
            PriorApproval::None => decided.query = Some(query),
            PriorApproval::Pending(row) => decided.earlier = Some(row),
            PriorApproval::Granted(row) => {
                facts.approval = Some(grant_from_row(&row, &self.cx.ruleset.config));
                decided.decision = pdp.decide(request, facts);
                if matches!(decided.decision, Decision::Escalate(..)) {
                    decided.query = Some(query);
                }
                decided.earlier = Some(row);
            }
            PriorApproval::Rejected(approval, until) => {
                decided.rejected = Some(Refusal::Rejected { approval, until });
                decided.decision = Decision::Deny(basis);
            }
        }
        if let (Decision::Escalate(basis, _), true) = (&decided.decision, decided.query.is_some())
            && !self.may_ask()
        {
            let denied = Decision::Deny(basis.clone());
            (decided.query, decided.earlier) = (None, None);
            decided.decision = denied;
        }
        Ok(decided)
    }

    /// Labels that the resource of an act has taken on.
    fn existing_labels<A: EffectAction>(
        &self,
        act: &A,
    ) -> Result<Option<BTreeSet<String>>, Refusal> {
        let Some(holder) = act.label_holder(&self.caller) else {
            return Ok(None);
        };
        let labels = self
            .pep
            .ledger
            .file_labels(&holder.id, holder.canonical_id.as_deref());
        labels.map(Some).map_err(|e| Refusal::Unrecorded {
            reason: e.to_string(),
        })
    }

    /// Whether the resource of a permit got no new labels since it was issued. Asked after a read: written
    /// data gets its labels before it exists.
    pub(super) fn effect_labels_unchanged<A: EffectAction>(
        &self,
        permit: &Permit<A>,
    ) -> Result<bool, Refusal> {
        if self.pep.ledger.label_epoch() == permit.label_epoch() {
            return Ok(true);
        }
        let labels = self.existing_labels(permit.act())?;
        Ok(labels.is_none_or(|labels| permit.act().labels_known(&labels)))
    }

    /// Records the result of a permitted effect. Its labels join those that the call has read.
    pub(super) fn complete_effect<A: EffectAction>(&self, permit: Permit<A>, effect: EffectReport) {
        let parent = permit.span();
        let act = permit.into_act();
        let operation = act.request(&self.caller).action.id().to_owned();
        let (size, error) = match effect.result {
            Ok(size) => (size, None),
            Err(error) => (0, Some(error)),
        };
        if error.is_none() && act.changes_the_world() {
            self.note_effect(&format!("{operation} {}", act.target()));
        }
        let event = Event::Effect(Effect {
            call: self.cx.call,
            details: effect.details,
            error,
            execution: Some(self.span),
            duration_micros: micros(effect.begun.elapsed()),
            operation,
            parent,
            size,
            span: effect.span.unwrap_or_else(|| self.pep.span_id()),
            target: act.target(),
        });
        let record = self.pep.record(&self.cx, self.pep.now(), event);
        let mut pending = self.pending();
        pending.labels.extend(act.result_labels());
        pending.records.push(record);
    }
}

/// The record of a decision that could not take effect: instead of an allow or an approval request, it
/// denies.
fn as_denied(record: &Record) -> Record {
    let mut record = record.clone();
    if let Event::Decision(decision) = &mut record.event {
        decision.approval = None;
        decision.requirement = None;
        if matches!(decision.outcome, Outcome::Allow | Outcome::Escalate) {
            decision.outcome = Outcome::Deny;
        }
    }
    record
}
