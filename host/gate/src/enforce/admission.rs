//! Whether a call may run: decided with the approval that it may have, and recorded.
//!
//! A call that may run is started by the commit that records its allow. Nothing here executes it.

use std::time::Instant;

use tollgate_model::{
    decision::{Decision, Outcome},
    entity::{Kind, Uid},
    ids::{ApprovalId, DecisionId, SpanId},
    life::ApprovalState,
    record::{ApprovalRequested, Event, Start},
    request::{Facts, Granted, Request},
    run::RunState,
    time::Timestamp,
};

use super::{
    Act, CallContext, Permitted, Refusal, ToolCall,
    midcall::pending,
    pep::{Draft, Pep},
    underway::{Joined, Running},
};
use crate::config::PRIVATE;
use tollgate_ledger::{
    ApprovalRow, Batch, Binding, CommitError, Condition, Payload, PendingApprovals,
};

/// How often a call is decided again because its run changed meanwhile, before it is refused.
const MAX_ATTEMPTS: u32 = 32;
/// How many approvals one call may ask for.
pub(super) const MAX_ROUNDS: u32 = 3;

/// A call that may run.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) permitted: Permitted<ToolCall>,
    pub(crate) decision: DecisionId,
    /// For a call that an approval lets run: tells those who repeat it meanwhile what becomes of it.
    pub(crate) underway: Option<Running>,
}

/// What becomes of a call that is not refused.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// It may run.
    Starts(Box<Admission>),
    /// The same call runs already, by the approval that both have waited for: its answer is this one's.
    Joins(Joined),
}

/// What a call came to before it was recorded.
struct Weighed {
    decision: Decision,
    request: Request,
    facts: Facts,
    /// For a call that a component makes: the other of its two decisions, which this one stands before.
    beside: Option<(Request, Decision)>,
    version: u64,
    begun: Instant,
}

impl Pep {
    fn weigh(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        state: &RunState,
        resumption: bool,
        granted: Option<Granted>,
    ) -> Weighed {
        let begun = Instant::now();
        let now = self.now();
        let run = Self::run_facts(cx, state, Some(call.digest()), resumption, now);
        let mut facts = Self::facts(&cx.snapshot.config, now, run, Vec::new());
        facts.approval = granted;
        facts.run.labels.extend(cx.carried.iter().cloned());
        let request = call.request(cx);
        let decision = cx.snapshot.pdp.decide(&request, &facts);
        let (request, decision, beside) = match cx.within.last() {
            None => (request, decision, None),
            // A component never gets more done through another's tool than it may itself.
            Some(calling) => {
                let theirs = Request {
                    principal: Uid::new(Kind::Component, &calling.component),
                    ..request.clone()
                };
                let their_decision = cx.snapshot.pdp.decide(&theirs, &facts);
                both((request, decision), (theirs, their_decision))
            }
        };
        Weighed {
            decision,
            request,
            facts,
            beside,
            version: state.version,
            begun,
        }
    }

    /// Decide a call, with the approval that it may have, and record the decision. A call that may run
    /// is started by the same commit. On return `cx.call` is the span that the call stands under: for a
    /// resumed call the one that asked.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has run.
    pub(crate) async fn admit(
        &self,
        cx: &mut CallContext,
        call: ToolCall,
    ) -> Result<Admitted, Refusal> {
        cx.arguments = Some(call.digest().clone());
        // Given up when this returns without it.
        let mut underway = None;
        for _ in 0..MAX_ATTEMPTS {
            cx.call = cx.own;
            cx.attempt = 1;
            cx.lately = self.lately(cx)?;
            let state = self.run_state(cx.run, Some(call.digest()))?;
            let tried = match self.suspended(cx, &call)? {
                Some((row, span)) => {
                    self.go_on(cx, &call, &state, row, span, &mut underway)
                        .await
                }
                None => self.begin(cx, &call, &state, &mut underway).await,
            };
            match tried {
                Ok(Ok((span, decision))) => {
                    return Ok(Admitted::Starts(Box::new(Admission {
                        permitted: Permitted {
                            act: call,
                            span,
                            marks_before: 0,
                        },
                        decision,
                        underway,
                    })));
                }
                Ok(Err(refusal)) => return Err(refusal),
                Err(Retry::Again) => {}
                Err(Retry::Joins(joined)) => return Ok(Admitted::Joins(joined)),
                Err(Retry::Refused(refusal)) => return Err(refusal),
            }
        }
        Err(Refusal::Unrecorded {
            reason: "the run changed faster than the call could be decided; try again".into(),
        })
    }

    /// A call that has not run.
    async fn begin(
        &self,
        cx: &mut CallContext,
        call: &ToolCall,
        state: &RunState,
        underway: &mut Option<Running>,
    ) -> Tried {
        let plain = self.weigh(cx, call, state, false, None);
        match plain.decision.outcome() {
            Outcome::Allow => self.start(cx, call, plain).await,
            Outcome::Error => self.refuse(cx, call, plain, false, None).await.map(Err),
            Outcome::Deny | Outcome::Escalate => self.wait(cx, call, state, plain, underway).await,
        }
    }

    /// What exactly this call waits for, if it has run and was ended for that, and the span that it
    /// stands under. A rejection holds until it would have expired.
    fn suspended(
        &self,
        cx: &CallContext,
        call: &ToolCall,
    ) -> Result<Option<(ApprovalRow, SpanId)>, Refusal> {
        let waits = self.ledger.suspended_call(&Self::binding(cx, call));
        let waits = waits.map_err(|e| Refusal::Unrecorded {
            reason: e.to_string(),
        })?;
        let now = self.now();
        let over = |row: &ApprovalRow| row.state == ApprovalState::Rejected && row.expires <= now;
        Ok(waits.filter(|(row, _)| !over(row)))
    }

    /// A call that has run, and was ended because something in it waits for a human: it runs again once
    /// that is approved.
    async fn go_on(
        &self,
        cx: &mut CallContext,
        call: &ToolCall,
        state: &RunState,
        row: ApprovalRow,
        span: SpanId,
        underway: &mut Option<Running>,
    ) -> Tried {
        if row.state == ApprovalState::Rejected {
            let plain = self.weigh(cx, call, state, false, None);
            let refusal = Refusal::Rejected {
                approval: row.id,
                until: row.expires,
            };
            self.refuse(cx, call, plain, false, Some(row.id)).await?;
            return Ok(Err(refusal));
        }
        if row.expires <= self.now() {
            self.resolve(cx, &row, ApprovalState::Expired).await?;
            return Err(Retry::Again);
        }
        cx.call = span;
        let before = row.waiting.iter().find(|waiting| waiting.call == span);
        cx.attempt = before.map_or(1, |waiting| waiting.attempt.saturating_add(1));
        let plain = self.weigh(cx, call, state, true, None);
        match (&plain.decision, row.state) {
            (Decision::Allow(_) | Decision::Escalate(..), ApprovalState::Pending) => {
                self.still_waiting(cx, call, plain, &row).await.map(Err)
            }
            (Decision::Allow(_), _) => self.resume(cx, call, plain, (row.id, None), underway).await,
            (Decision::Escalate(..), _) => self.ask_again(cx, call, state, plain, underway).await,
            _ => {
                let refusal = self.refuse(cx, call, plain, true, Some(row.id)).await?;
                self.resolve(cx, &row, ApprovalState::Cancelled).await?;
                Ok(Err(refusal))
            }
        }
    }

    /// The call itself needs an approval, too, and has used up the one that it had.
    async fn ask_again(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        state: &RunState,
        plain: Weighed,
        underway: &mut Option<Running>,
    ) -> Tried {
        let own = self.approval_for(cx, call)?;
        let open = |row: &ApprovalRow| {
            matches!(row.state, ApprovalState::Pending | ApprovalState::Approved)
                && row.expires > self.now()
        };
        let Some(own) = own.filter(open) else {
            return self.escalate(cx, call, plain, true, None).await.map(Err);
        };
        if own.state == ApprovalState::Pending {
            return self.still_waiting(cx, call, plain, &own).await.map(Err);
        }
        let weighed = self.weigh(cx, call, state, true, Some(granted(&own)));
        match &weighed.decision {
            Decision::Allow(_) => {
                self.resume(cx, call, weighed, (own.id, Some(&own)), underway)
                    .await
            }
            Decision::Escalate(..) if own.round < MAX_ROUNDS => {
                let asked = self.escalate(cx, call, weighed, true, Some(&own)).await;
                asked.map(Err)
            }
            _ => {
                let refused = self.refuse(cx, call, weighed, true, Some(own.id)).await;
                refused.map(Err)
            }
        }
    }

    /// A call that is denied, or needs an approval: look for one that it already has.
    async fn wait(
        &self,
        cx: &mut CallContext,
        call: &ToolCall,
        state: &RunState,
        plain: Weighed,
        underway: &mut Option<Running>,
    ) -> Tried {
        let Some(row) = self.approval_for(cx, call)? else {
            return match plain.decision.outcome() {
                Outcome::Escalate => self.escalate(cx, call, plain, false, None).await.map(Err),
                _ => self.refuse(cx, call, plain, false, None).await.map(Err),
            };
        };
        let overdue = row.expires <= self.now();
        match row.state {
            ApprovalState::Rejected if !overdue => {
                let refusal = Refusal::Rejected {
                    approval: row.id,
                    until: row.expires,
                };
                self.refuse(cx, call, plain, false, Some(row.id)).await?;
                Ok(Err(refusal))
            }
            ApprovalState::Pending | ApprovalState::Approved => {
                // The call that asked goes on: same span, counted once.
                let fresh = cx.call;
                cx.call = row.call;
                let granted =
                    (row.state == ApprovalState::Approved && !overdue).then(|| granted(&row));
                let weighed = self.weigh(cx, call, state, true, granted);
                if overdue {
                    self.resolve(cx, &row, ApprovalState::Expired).await?;
                    cx.call = fresh;
                    return Err(Retry::Again);
                }
                match &weighed.decision {
                    Decision::Allow(_) => {
                        self.resume(cx, call, weighed, (row.id, Some(&row)), underway)
                            .await
                    }
                    Decision::Escalate(_, requirement)
                        if requirement.lifts.is_subset(&row.requirement.lifts)
                            && row.state == ApprovalState::Pending =>
                    {
                        self.still_waiting(cx, call, weighed, &row).await.map(Err)
                    }
                    Decision::Escalate(..) if row.round < MAX_ROUNDS => self
                        .escalate(cx, call, weighed, true, Some(&row))
                        .await
                        .map(Err),
                    _ => {
                        let refusal = self.refuse(cx, call, weighed, true, Some(row.id)).await?;
                        self.resolve(cx, &row, ApprovalState::Cancelled).await?;
                        Ok(Err(refusal))
                    }
                }
            }
            _ => match plain.decision.outcome() {
                Outcome::Escalate => self.escalate(cx, call, plain, false, None).await.map(Err),
                _ => self.refuse(cx, call, plain, false, None).await.map(Err),
            },
        }
    }

    fn binding(cx: &CallContext, call: &ToolCall) -> Binding {
        Binding {
            tenant: cx.snapshot.config.gate.tenant.clone(),
            run: cx.run,
            principal: cx.principal.clone(),
            tool: call.tool().name.clone(),
            component: call.tool().provider.digest(),
            arguments: call.digest().clone(),
            via: cx.via(),
        }
    }

    pub(super) fn pending_whose(cx: &CallContext, now: Timestamp) -> PendingApprovals {
        PendingApprovals {
            tenant: cx.snapshot.config.gate.tenant.clone(),
            principal: cx.principal.clone(),
            now,
        }
    }

    fn approval_for(
        &self,
        cx: &CallContext,
        call: &ToolCall,
    ) -> Result<Option<ApprovalRow>, Retry> {
        let binding = Self::binding(cx, call);
        self.ledger.reader().approval_for(&binding).map_err(|e| {
            Retry::Refused(Refusal::Unrecorded {
                reason: e.to_string(),
            })
        })
    }

    /// Start a call that has waited for the approval `asked`, unless the same one has been started
    /// meanwhile; `approval` is what it uses up itself.
    async fn resume(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        weighed: Weighed,
        (asked, approval): (ApprovalId, Option<&ApprovalRow>),
        underway: &mut Option<Running>,
    ) -> Tried {
        if cx.within.is_empty() {
            self.underway
                .begin(asked, Self::binding(cx, call), cx.own, underway)?;
        }
        self.started(cx, call, weighed, true, approval).await
    }

    /// Start a call, unless it repeats one that runs.
    async fn start(&self, cx: &CallContext, call: &ToolCall, weighed: Weighed) -> Tried {
        self.not_underway(cx, call)?;
        self.started(cx, call, weighed, false, None).await
    }

    /// That no approval has let the same call run, which runs. What a call has read before it asks this
    /// is as old as the start of that one, or older.
    fn not_underway(&self, cx: &CallContext, call: &ToolCall) -> Result<(), Joined> {
        if !cx.within.is_empty() {
            return Ok(());
        }
        match self.underway.of(cx.own, || Self::binding(cx, call)) {
            Some(joined) => Err(joined),
            None => Ok(()),
        }
    }

    /// Record an allow and the start of the execution in one commit. An approval that was given is used
    /// up; one that nobody has answered is void, because nothing stands in the way any more.
    async fn started(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        weighed: Weighed,
        resumption: bool,
        approval: Option<&ApprovalRow>,
    ) -> Tried {
        let (record, payloads) = self.call_record(cx, call, &weighed, resumption)?;
        let span = self.span_id();
        let used = approval.filter(|row| row.state == ApprovalState::Approved);
        let start = Start {
            approval: used.map(|row| row.id),
            attempt: cx.attempt,
            call: cx.call,
            component: call.tool().provider.name().to_owned(),
            content_labels: call
                .tool()
                .labels
                .union(&call.tool().taints)
                .cloned()
                .collect(),
            digest: call.tool().provider.digest(),
            executed_by_caller: false,
            labels: call
                .tool()
                .labels
                .union(&call.tool().taints)
                .cloned()
                .collect(),
            resumption: cx.attempt > 1,
            span,
            unsandboxed: call.tool().provider.is_unsandboxed(),
        };
        let mut batch = Batch::default();
        if let (Some(row), None) = (approval, used) {
            let resolved = row.superseded();
            batch
                .records
                .push(self.record(cx, weighed.facts.now, resolved));
        }
        self.beside(cx, call, &weighed, resumption, &mut batch)?;
        let decided_at = batch.records.len() as u64;
        batch.records.push(self.record(
            cx,
            weighed.facts.now,
            record.approval(start.approval).into(),
        ));
        batch
            .records
            .push(self.record(cx, weighed.facts.now, Event::Start(start)));
        batch.payloads.extend(payloads);
        batch
            .conditions
            .push(Condition::RunVersion(cx.run, weighed.version));
        batch.conditions.extend(not_halted(cx, call));
        if !resumption {
            batch.conditions.extend(self.within_budget(cx));
        }
        batch
            .conditions
            .extend(approval.map(|row| Condition::ApprovalUnchanged(row.id, row.version)));
        let receipt = self.commit(batch).await?;
        Ok(Ok((span, DecisionId(receipt.first() + decided_at))))
    }

    /// Record a denial.
    async fn refuse(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        weighed: Weighed,
        resumption: bool,
        approval: Option<ApprovalId>,
    ) -> Result<Refusal, Retry> {
        let (record, payloads) = self.call_record(cx, call, &weighed, resumption)?;
        // What would need a human, where a human has said no or too often been asked, is denied; and so
        // is what is allowed itself, but holds something to which a human has said no.
        let outcome = match weighed.decision.outcome() {
            Outcome::Allow | Outcome::Escalate => Outcome::Deny,
            outcome => outcome,
        };
        let record = record.outcome(outcome).approval(approval);
        let mut batch = Batch {
            conditions: vec![Condition::RunVersion(cx.run, weighed.version)],
            ..Batch::default()
        };
        self.beside(cx, call, &weighed, resumption, &mut batch)?;
        let decided_at = batch.records.len() as u64;
        batch
            .records
            .push(self.record(cx, weighed.facts.now, record.into()));
        batch.payloads.extend(payloads);
        let receipt = self.commit(batch).await?;
        let decision = DecisionId(receipt.first() + decided_at);
        let basis = weighed.decision.basis().clone();
        Ok(match outcome {
            Outcome::Error => Refusal::Undecidable { decision, basis },
            _ => Refusal::Denied { decision, basis },
        })
    }

    /// Record that a human is needed, and ask. `previous` is the approval of the same call that is no
    /// longer enough.
    async fn escalate(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        weighed: Weighed,
        resumption: bool,
        previous: Option<&ApprovalRow>,
    ) -> Result<Refusal, Retry> {
        let Decision::Escalate(basis, requirement) = &weighed.decision else {
            return self.refuse(cx, call, weighed, resumption, None).await;
        };
        self.not_underway(cx, call)?;
        let now = weighed.facts.now;
        let (record, payloads) = self.call_record(cx, call, &weighed, resumption)?;
        let payload = self.seal(&cx.snapshot, now, &call.canonical(), "arguments")?;
        let expires = now.plus(
            u64::try_from(cx.snapshot.config.approval_expires.as_micros()).unwrap_or(u64::MAX),
        );
        let approval = self.ids.approval();
        let mut batch = Batch::default();
        if let Some(row) = previous {
            batch
                .conditions
                .push(Condition::ApprovalUnchanged(row.id, row.version));
            let resolved = row.superseded();
            batch.records.push(self.record(cx, now, resolved));
        }
        self.beside(cx, call, &weighed, resumption, &mut batch)?;
        let decided_at = batch.records.len() as u64;
        batch
            .records
            .push(self.record(cx, now, record.approval(Some(approval)).into()));
        batch.records.push(self.record(
            cx,
            now,
            Event::ApprovalRequested(Box::new(ApprovalRequested {
                arguments: call.digest().clone(),
                call: cx.call,
                capability: None,
                component: call.tool().provider.digest(),
                expires,
                id: approval,
                on_behalf_of: cx.on_behalf_of.clone(),
                payload: payload.digest,
                principal: cx.principal.clone(),
                requirement: requirement.clone(),
                round: previous.map_or(1, |row| row.round + 1),
                span: self.span_id(),
                tool: call.tool().name.clone(),
                via: cx.via(),
                waiting: cx.waiting(),
            })),
        ));
        batch.payloads.extend(payloads);
        batch.payloads.push(payload);
        batch
            .conditions
            .push(Condition::RunVersion(cx.run, weighed.version));
        batch.conditions.extend(not_halted(cx, call));
        let most = cx.snapshot.config.approvals.max_pending;
        if previous.is_none() {
            let whose = Self::pending_whose(cx, now);
            batch.conditions.push(Condition::PendingBelow(whose, most));
        }
        let (basis, requirement) = (basis.clone(), requirement.clone());
        let receipt = match self.commit(batch).await {
            Err(CommitError::TooManyPending(_)) => {
                let refused = self.refuse(cx, call, weighed, resumption, None).await?;
                return Ok(match refused {
                    Refusal::Denied { decision, .. } => Refusal::TooManyPending { decision, most },
                    other => other,
                });
            }
            committed => committed?,
        };
        let decision = DecisionId(receipt.first() + decided_at);
        Ok(Refusal::Pending {
            decision,
            basis,
            approval,
            requirement,
            expires,
            happened: Vec::new(),
        })
    }

    /// The same call again while its approval is pending: the same answer.
    async fn still_waiting(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        weighed: Weighed,
        row: &ApprovalRow,
    ) -> Result<Refusal, Retry> {
        let (record, payloads) = self.call_record(cx, call, &weighed, true)?;
        let mut batch = Batch {
            conditions: vec![
                Condition::RunVersion(cx.run, weighed.version),
                Condition::ApprovalUnchanged(row.id, row.version),
            ],
            ..Batch::default()
        };
        self.beside(cx, call, &weighed, true, &mut batch)?;
        let decided_at = batch.records.len() as u64;
        batch.records.push(
            self.record(
                cx,
                weighed.facts.now,
                record
                    .approval(Some(row.id))
                    .outcome(Outcome::Escalate)
                    .into(),
            ),
        );
        batch.payloads.extend(payloads);
        let receipt = self.commit(batch).await?;
        let mut basis = weighed.decision.basis().clone();
        if !matches!(weighed.decision, Decision::Escalate(..)) {
            // It is not the call that is asked about, but something in it.
            let policies = cx.snapshot.pdp.policies();
            let lifted = row.requirement.lifts.iter();
            basis.determining = lifted
                .filter_map(|lifted| policies.get(&lifted.id))
                .map(|policy| policy.determining.clone())
                .collect();
        }
        let decision = DecisionId(receipt.first() + decided_at);
        Ok(pending(decision, basis, row))
    }

    async fn resolve(
        &self,
        cx: &CallContext,
        row: &ApprovalRow,
        state: ApprovalState,
    ) -> Result<(), Retry> {
        let resolved = row.resolved(state);
        let batch = Batch {
            records: vec![self.record(cx, self.now(), resolved)],
            payloads: Vec::new(),
            conditions: vec![Condition::ApprovalUnchanged(row.id, row.version)],
        };
        self.commit(batch).await?;
        Ok(())
    }

    /// Record the other decision about a call that a component makes.
    fn beside(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        weighed: &Weighed,
        resumption: bool,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        let Some((request, decision)) = &weighed.beside else {
            return Ok(());
        };
        let (draft, payload) = self.decision_record(
            &cx.snapshot,
            request,
            &weighed.facts,
            decision,
            self.span_id(),
            weighed.begun,
        )?;
        let record = draft.for_call(cx, call, resumption).beside();
        batch
            .records
            .push(self.record(cx, weighed.facts.now, record.into()));
        batch.payloads.push(payload);
        Ok(())
    }

    fn call_record(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        weighed: &Weighed,
        resumption: bool,
    ) -> Result<(Draft, Vec<Payload>), Retry> {
        let Weighed {
            decision,
            request,
            facts,
            begun,
            ..
        } = weighed;
        let (draft, payload) = self.decision_record(
            &cx.snapshot,
            request,
            facts,
            decision,
            self.span_id(),
            *begun,
        )?;
        let draft = draft.for_call(cx, call, resumption);
        if resumption {
            // What is kept of its arguments stands with the decision that asked.
            return Ok((draft, vec![payload]));
        }
        let private = facts.run.labels.contains(PRIVATE);
        let (tool, capturing) = (&call.tool().name, self.capturing(cx));
        let captured = capturing.arguments(tool, call.arguments(), call.canonical(), private);
        let payloads = [payload].into_iter().chain(captured.payload).collect();
        Ok((draft.captured(captured.kept), payloads))
    }
}

/// A span to run under and the decision; or why not; or that it must be decided again.
type Tried = Result<Result<(SpanId, DecisionId), Refusal>, Retry>;

#[expect(clippy::large_enum_variant, reason = "rare, and gone at once")]
enum Retry {
    /// Something changed between reading and writing: decide again.
    Again,
    Refused(Refusal),
    /// The same call runs already.
    Joins(Joined),
}

impl From<Joined> for Retry {
    fn from(joined: Joined) -> Self {
        Self::Joins(joined)
    }
}

impl From<Refusal> for Retry {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<CommitError> for Retry {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::RunChanged
            | CommitError::ApprovalChanged
            | CommitError::ApprovalPending => Self::Again,
            other => Self::Refused(other.into()),
        }
    }
}

pub(super) fn granted(row: &ApprovalRow) -> Granted {
    Granted {
        count: row.approvers.len() as u64,
        lifts: row.requirement.lifts.clone(),
        roles: row
            .approvers
            .iter()
            .flat_map(|(_, roles)| roles.iter().cloned())
            .collect(),
    }
}

fn not_halted<'a>(cx: &'a CallContext, call: &'a ToolCall) -> impl Iterator<Item = Condition> + 'a {
    cx.not_halted(&call.tool().name, call.tool().provider.name())
}

type Answered = (Request, Decision);

/// The decision for the agent and that for the component, as one: both must allow. The first of the two
/// that come back says what becomes of the call, the other stands beside it.
fn both(agent: Answered, component: Answered) -> (Request, Decision, Option<Answered>) {
    let rank = |decision: &Decision| match decision.outcome() {
        Outcome::Allow => 0,
        Outcome::Escalate => 1,
        Outcome::Deny => 2,
        Outcome::Error => 3,
    };
    if rank(&component.1) > rank(&agent.1) {
        return (component.0, component.1, Some(agent));
    }
    let (request, mut decision) = agent;
    if let (Decision::Escalate(basis, requirement), Decision::Escalate(theirs, also)) =
        (&mut decision, &component.1)
    {
        // One approval for both.
        *requirement = requirement.and(also);
        for determining in &theirs.determining {
            if !basis.determining.contains(determining) {
                basis.determining.push(determining.clone());
            }
        }
    }
    (request, decision, Some(component))
}
