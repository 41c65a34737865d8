//! Record: one durable commit has the decision and its consequences.

use tollgate_ledger::{ApprovalRow, Batch, CommitError, Condition, Payload, Receipt};
use tollgate_model::{
    canonical::to_canonical,
    decision::{Basis, Decision, Outcome, Requirement},
    ids::{ApprovalId, DecisionId, SpanId},
    life::ApprovalState,
    record::{ApprovalRequested, Event, KeyedDigest, Start},
    time::Timestamp,
};

use super::{Attempt, AttemptError, StartBasis, StartedCall, evaluate::Evaluation};
use crate::{
    config::PRIVATE,
    enforce::{DecidedCall, Draft, Refusal, pending_refusal},
    tool::SourceKind,
};

/// A batch under construction, and the position of the decision about the call in it.
struct CallBatch {
    batch: Batch,
    /// The index of the decision among the records.
    decided_at: u64,
    /// The decision's span.
    authorize: SpanId,
}

/// An approval that is requested.
struct ApprovalTerms<'a> {
    id: ApprovalId,
    expires: Timestamp,
    /// The question that it joins.
    question: Option<ApprovalId>,
    requirement: &'a Requirement,
    round: u32,
}

impl Attempt<'_> {
    async fn commit(&self, call: CallBatch) -> Result<(DecisionId, Receipt), CommitError> {
        let receipt = self.pep.commit(call.batch).await?;
        Ok((DecisionId(receipt.first() + call.decided_at), receipt))
    }

    /// A batch with the decision: after `batch`'s own records, if the run has not changed since.
    fn batch_with_decision(
        &self,
        mut batch: Batch,
        evaluation: &Evaluation,
        refine: impl FnOnce(Draft) -> Draft,
    ) -> Result<CallBatch, Refusal> {
        self.add_secondary_decision(evaluation, &mut batch)?;
        let decided_at = batch.records.len() as u64;
        let authorize = self.pep.span_id();
        let (draft, payloads) = self.decision_draft(evaluation, authorize)?;
        let now = evaluation.facts.now;
        let draft = refine(draft);
        let decided = DecidedCall {
            outcome: draft.decision().outcome,
            is_approved: draft.decision().approval.is_some()
                || !draft.decision().standing.is_empty(),
            is_resumption: evaluation.is_resumption,
            time: now,
        };
        let entries = self.pep.decision_entries(self.cx, self.call(), &decided)?;
        let record = self.pep.record(self.cx, now, draft.history(entries).into());
        batch.records.push(record);
        batch.payloads.extend(payloads);
        let version = Condition::RunVersion(self.cx.run, evaluation.version);
        batch.conditions.push(version);
        batch.conditions.extend(evaluation.history.unchanged());
        Ok(CallBatch {
            batch,
            decided_at,
            authorize,
        })
    }

    /// For a nested call: the other of the two decisions about it.
    fn add_secondary_decision(
        &self,
        evaluation: &Evaluation,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        let Some(secondary) = &evaluation.secondary else {
            return Ok(());
        };
        let (draft, payload) = self.pep.decision_record(
            &self.cx.ruleset,
            &secondary.request,
            &evaluation.facts,
            &secondary.decision,
            self.pep.span_id(),
            evaluation.begun,
        )?;
        let draft = draft
            .for_call(self.cx, self.call(), evaluation.is_resumption)
            .provenance(self.cx, self.call(), &evaluation.facts)
            .secondary();
        let now = evaluation.facts.now;
        batch
            .records
            .push(self.pep.record(self.cx, now, draft.into()));
        batch.payloads.push(payload);
        Ok(())
    }

    fn decision_draft(
        &self,
        evaluation: &Evaluation,
        authorize: SpanId,
    ) -> Result<(Draft, Vec<Payload>), Refusal> {
        let (draft, payload) = self.pep.decision_record(
            &self.cx.ruleset,
            &evaluation.request,
            &evaluation.facts,
            &evaluation.decision,
            authorize,
            evaluation.begun,
        )?;
        let draft = draft
            .for_call(self.cx, self.call(), evaluation.is_resumption)
            .provenance(self.cx, self.call(), &evaluation.facts);
        if evaluation.is_resumption && self.edited.is_none() {
            // The arguments are kept with the decision that requested the approval.
            return Ok((draft, vec![payload]));
        }
        let private = evaluation.facts.run.labels.contains(PRIVATE);
        let (call, capturing) = (self.call(), self.pep.capturing(self.cx));
        let tool = call.tool().tool_name();
        let captured = capturing.arguments(tool, call.arguments(), call.canonical(), private);
        let payloads = [payload].into_iter().chain(captured.payload).collect();
        Ok((draft.captured(captured.kept), payloads))
    }

    /// Records an allow and the start of the execution. A granted approval is consumed, and a use of each
    /// standing approval is counted. A pending approval is voided, because nothing needs it any more.
    pub(super) async fn record_start(
        &self,
        evaluation: Evaluation,
        basis: StartBasis<'_>,
    ) -> Result<StartedCall, AttemptError> {
        let StartBasis { approval, standing } = basis;
        let (cx, source) = (&*self.cx, &self.call.tool().source);
        let now = evaluation.facts.now;
        let span = self.pep.span_id();
        let is = |state: ApprovalState| approval.filter(|row| row.state == state);
        let used = is(ApprovalState::Approved).filter(|_| standing.is_none());
        let used_id = used.map(|row| row.id);
        let mut batch = Batch::default();
        if let Some(row) = is(ApprovalState::Pending) {
            batch
                .records
                .push(self.pep.record(cx, now, row.superseded()));
        }
        if let Some(cover) = &standing {
            cover.add_rights(self.pep, cx, &mut batch)?;
        }
        let standing = standing.map_or_else(Default::default, |cover| cover.ids());
        let mut call = self.batch_with_decision(batch, &evaluation, |draft| {
            draft.approval(used_id).standing(standing)
        })?;
        let start = Event::Start(Start {
            approval: used_id,
            attempt: cx.attempt,
            call: cx.call,
            component: source.name.clone(),
            digest: source.digest,
            executed_by_caller: source.kind == SourceKind::External,
            labels: self.call.tool().content_labels(),
            resumption: cx.attempt > 1,
            span,
            unsandboxed: !source.is_sandboxed(),
        });
        let batch = &mut call.batch;
        batch.records.push(self.pep.record(cx, now, start));
        batch.conditions.extend(self.not_halted());
        if !evaluation.is_resumption {
            batch.conditions.extend(self.pep.within_budget(cx));
        }
        batch.conditions.extend(approval.map(unchanged));
        let authorize = call.authorize;
        let (decision, receipt) = self.commit(call).await?;
        Ok(StartedCall {
            authorize,
            span,
            decision,
            receipt,
        })
    }

    /// Records a denial. `approval` is the one that did not help.
    ///
    /// Also used if an approver rejected an effect inside a call that policy would allow, and if the call
    /// would need an approval and may not request one.
    pub(super) async fn record_denial(
        &self,
        evaluation: Evaluation,
        approval: Option<ApprovalId>,
    ) -> Result<Refusal, AttemptError> {
        let outcome = match evaluation.decision.outcome() {
            Outcome::Allow | Outcome::Escalate => Outcome::Deny,
            outcome => outcome,
        };
        let call = self.batch_with_decision(Batch::default(), &evaluation, |draft| {
            draft.outcome(outcome).approval(approval)
        })?;
        let (decision, _) = self.commit(call).await?;
        let basis = Box::new(evaluation.decision.basis().clone());
        Ok(match outcome {
            Outcome::Error => Refusal::Undecidable { decision, basis },
            Outcome::Allow | Outcome::Deny | Outcome::Escalate => {
                Refusal::Denied { decision, basis }
            }
        })
    }

    /// Records an escalation, and requests an approval that meets `requirement`. `previous` is an approval of the same
    /// call that is no longer enough.
    pub(super) async fn record_request(
        &self,
        evaluation: Evaluation,
        requirement: Requirement,
        previous: Option<&ApprovalRow>,
    ) -> Result<Refusal, AttemptError> {
        let now = evaluation.facts.now;
        let previous = previous.filter(|row| {
            matches!(row.state, ApprovalState::Pending | ApprovalState::Approved)
                && row.expires > now
        });
        let basis = Box::new(evaluation.decision.basis().clone());
        let requirement = Box::new(requirement);
        self.ensure_not_in_flight()?;
        let approval = self.pep.ids.approval();
        let mut batch = Batch::default();
        if let Some(row) = previous {
            batch.conditions.push(unchanged(row));
            batch
                .records
                .push(self.pep.record(self.cx, now, row.superseded()));
        }
        let mut call =
            self.batch_with_decision(batch, &evaluation, |draft| draft.approval(Some(approval)))?;
        let expires = now.after(self.cx.ruleset.config.approval_expires);
        let round = previous.map_or(1, |row| row.round + 1);
        let question = match previous {
            Some(row) => Some(row.question).filter(|question| *question != row.id),
            None => self.pep.find_question(self.cx, &requirement)?,
        };
        let terms = ApprovalTerms {
            id: approval,
            expires,
            question,
            requirement: &requirement,
            round,
        };
        let (request, payload) = self.request_event(now, terms)?;
        let batch = &mut call.batch;
        batch.records.push(self.pep.record(self.cx, now, request));
        batch.payloads.push(payload);
        batch.conditions.extend(self.not_halted());
        let most = self.cx.ruleset.config.approvals.max_pending;
        if previous.is_none() {
            let whose = self.cx.pending_whose(now);
            batch.conditions.push(Condition::PendingBelow(whose, most));
        }
        let (decision, _) = match self.commit(call).await {
            Err(CommitError::TooManyPending(_)) => {
                return self.record_too_many_pending(evaluation, most).await;
            }
            committed => committed?,
        };
        Ok(Refusal::Pending {
            decision,
            basis,
            approval,
            requirement,
            expires,
            happened: Vec::new(),
        })
    }

    fn request_event(
        &self,
        now: Timestamp,
        terms: ApprovalTerms<'_>,
    ) -> Result<(Event, Payload), Refusal> {
        let (cx, call) = (&*self.cx, &self.call);
        let payload = self
            .pep
            .seal(&cx.ruleset, now, &call.canonical(), "arguments")?;
        let event = Event::ApprovalRequested(Box::new(ApprovalRequested {
            arguments: call.digest().clone(),
            call: cx.call,
            capability: None,
            component: call.tool().source.digest,
            declared: self.declared()?,
            elicitation: None,
            expires: terms.expires,
            id: terms.id,
            makers: cx.makers.clone(),
            on_behalf_of: cx.on_behalf_of.clone(),
            payload: payload.digest,
            principal: cx.principal.clone(),
            question: terms.question,
            requirement: terms.requirement.clone(),
            round: terms.round,
            span: self.pep.span_id(),
            speaker: cx.speaker.clone(),
            tool: call.tool().name.clone(),
            via: cx.via(),
            waiting: cx.waiting(),
        }));
        Ok((event, payload))
    }

    /// Digest of the arguments that the tool declares, if the call has others as well.
    pub(super) fn declared(&self) -> Result<Option<KeyedDigest>, Refusal> {
        let (ruleset, tool) = (&self.cx.ruleset, &self.call.tool().name);
        let input = ruleset.pdp.tool(tool);
        let declared = input.and_then(|input| input.declared(self.call.arguments()));
        let Some(bytes) = declared.and_then(|declared| to_canonical(&declared).ok()) else {
            return Ok(None);
        };
        let canonical = String::from_utf8_lossy(&bytes);
        self.pep.call_digest(ruleset, tool, &canonical).map(Some)
    }

    async fn record_too_many_pending(
        &self,
        evaluation: Evaluation,
        most: u64,
    ) -> Result<Refusal, AttemptError> {
        Ok(match self.record_denial(evaluation, None).await? {
            Refusal::Denied { decision, .. } => Refusal::TooManyPending { decision, most },
            other => other,
        })
    }

    /// Records that the same call was repeated while its approval is pending. The answer is the same.
    pub(super) async fn record_still_pending(
        &self,
        evaluation: Evaluation,
        row: &ApprovalRow,
    ) -> Result<Refusal, AttemptError> {
        let batch = Batch {
            conditions: vec![unchanged(row)],
            ..Batch::default()
        };
        let call = self.batch_with_decision(batch, &evaluation, |draft| {
            draft.approval(Some(row.id)).outcome(Outcome::Escalate)
        })?;
        let (decision, _) = self.commit(call).await?;
        let basis = match evaluation.decision {
            Decision::Escalate(basis, _) => basis,
            // An effect inside the call waits, not the call itself.
            other => self.basis_of_request(other.basis().clone(), row),
        };
        Ok(pending_refusal(decision, basis, row))
    }

    /// `basis` with the policies that an approval would lift.
    fn basis_of_request(&self, mut basis: Basis, row: &ApprovalRow) -> Basis {
        let policies = self.cx.ruleset.pdp.policies();
        let lifted = row.requirement.lifts.iter();
        basis.determining = lifted
            .filter_map(|lifted| policies.get(&lifted.id))
            .map(|policy| policy.determining.clone())
            .collect();
        basis
    }

    pub(super) async fn resolve(
        &self,
        row: &ApprovalRow,
        state: ApprovalState,
    ) -> Result<(), AttemptError> {
        let resolved = row.resolved(state);
        let batch = Batch {
            records: vec![self.pep.record(self.cx, self.pep.now(), resolved)],
            payloads: Vec::new(),
            conditions: vec![unchanged(row)],
        };
        self.pep.commit(batch).await?;
        Ok(())
    }

    fn not_halted(&self) -> impl Iterator<Item = Condition> + '_ {
        let tool = self.call.tool();
        self.cx.not_halted(tool.tool_name(), &tool.source.name)
    }
}

fn unchanged(row: &ApprovalRow) -> Condition {
    Condition::ApprovalUnchanged(row.id, row.version)
}
