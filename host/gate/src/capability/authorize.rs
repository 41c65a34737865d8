//! Decisions about what a running component asks of its host.
//!
//! Reads are decided at once and recorded with the next durable commit of their call: before any later
//! effect, and before the call's result leaves. Writes, and every denial, are durable before the guest
//! learns of them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tollgate_model::{
    decision::{Decision, Outcome},
    ids::{DecisionId, SpanId},
    record::{AdapterLog, Effect, EffectDetails, Event, Record},
    request::{Facts, Request},
    time::Timestamp,
};

use super::{
    CallContext, CallPipeline, Capability, Listener, Pep, Permitted, Refusal, Ruleset,
    approval::{grant_from_row, pending_refusal},
    midcall::{Question, Said},
    report::Reported,
};
use crate::{secrets::Secret, tool::Tool};
use tollgate_ledger::{ApprovalRow, Batch, Change, Changed, CommitError, Condition, Payload};

/// A message in a trace is at most this long, in bytes.
const MAX_LOG_MESSAGE: usize = 4096;
/// Messages of one call that are kept.
const MAX_LOG_MESSAGES: u32 = 100;
/// Records that wait for the next commit of their call, and bytes of what is sealed with them: more are
/// committed at once.
pub(super) const MAX_WAITING: usize = 256;
pub(super) const MAX_WAITING_BYTES: usize = 1 << 20;
/// Bytes that are sealed for all decisions about what one call asks for.
const MAX_SEALED: usize = 64 << 20;

/// What a component may ask of its host during one call.
#[derive(Debug)]
pub struct Capabilities {
    pub(super) pep: Pep,
    pub(super) cx: CallContext,
    pub(super) tool: Arc<Tool>,
    /// The `invoke_component` span.
    pub(super) span: SpanId,
    /// Whoever hears the component's reports.
    pub(super) listener: Option<Listener>,
    /// By which it calls other components' tools.
    pub(super) pipeline: Arc<dyn CallPipeline>,
    /// Held while such a call is under way.
    pub(super) calling: Arc<tokio::sync::Mutex<()>>,
    /// Held, for reading, while something of the call is committed.
    pub(super) committing: tokio::sync::RwLock<()>,
    progress: Mutex<Progress>,
}

/// What the call has done so far and is not recorded yet.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) records: Vec<Record>,
    pub(super) payloads: Vec<Payload>,
    /// Bytes that were sealed for decisions so far.
    sealed: usize,
    /// Labels of what the guest has read.
    pub(super) labels: BTreeSet<String>,
    /// World-changing effects that were begun.
    pub(super) effects: u64,
    messages: u32,
    /// Calls of other components' tools.
    pub(super) calls: u32,
    /// What the call waits for, if it does.
    pub(super) pending: Option<Refusal>,
    /// What it has done, in short.
    pub(super) happened: Vec<String>,
    /// The guest is gone: no such call begins any more.
    pub(super) settling: bool,
    pub(super) reported: Reported,
    /// The call is over: what is asked for now is refused.
    pub(super) closed: bool,
}

/// What an effect was, beside what was asked for.
#[derive(Debug)]
pub struct Done {
    /// Its own span.
    pub span: SpanId,
    /// What only this kind of effect has.
    pub details: Option<EffectDetails>,
}

/// What is left to record when a call ends.
#[derive(Debug, Default)]
pub(crate) struct UnrecordedEffects {
    pub(crate) records: Vec<Record>,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) labels: BTreeSet<String>,
    pub(crate) effects: u64,
    /// What the call waits for, with what it has done by then.
    pub(crate) pending: Option<Refusal>,
}

/// What a request came to, with what people said about it before.
struct Judgement {
    decision: Decision,
    /// What is to be asked now.
    question: Option<Question>,
    /// What was asked before about the same request.
    earlier: Option<Box<ApprovalRow>>,
    rejected: Option<Refusal>,
}

impl Progress {
    /// Note that something was decided, with so many bytes that are sealed for that.
    fn begins(&mut self, effect: u64, sealed: usize) -> Result<(), Refusal> {
        if self.closed {
            return Err(Refusal::Halted {
                reason: "the call is over".into(),
            });
        }
        self.sealed = self.sealed.saturating_add(sealed);
        if self.sealed > MAX_SEALED {
            return Err(Refusal::Unrecorded {
                reason: "this call has asked for more than is recorded of one".into(),
            });
        }
        self.effects += effect;
        Ok(())
    }

    /// Keep a decision for the next commit. Whether so much waits now that it is to be committed at once.
    fn waits(&mut self, record: Record, payload: Payload) -> bool {
        self.records.push(record);
        self.payloads.push(payload);
        let bytes: usize = self.payloads.iter().map(|p| p.ciphertext.len()).sum();
        self.records.len() >= MAX_WAITING || bytes >= MAX_WAITING_BYTES
    }

    /// An effect that was begun, and did not happen.
    fn without(&mut self, effect: u64) {
        self.effects = self.effects.saturating_sub(effect);
    }
}

/// The record of a decision that could not be acted on: what it allowed, or asked for, is refused.
fn refused(record: &Record) -> Record {
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

impl Capabilities {
    pub(crate) fn new(
        pep: Pep,
        cx: CallContext,
        tool: Arc<Tool>,
        span: SpanId,
        listener: Option<Listener>,
        pipeline: Arc<dyn CallPipeline>,
    ) -> Self {
        Self {
            pep,
            cx,
            tool,
            span,
            listener,
            pipeline,
            calling: Arc::default(),
            committing: tokio::sync::RwLock::default(),
            progress: Mutex::default(),
        }
    }

    /// The tool that is being called.
    #[must_use]
    pub fn tool(&self) -> &Tool {
        &self.tool
    }

    /// Whether the call is one that another component makes.
    #[must_use]
    pub fn is_nested(&self) -> bool {
        !self.cx.enclosing.is_empty()
    }

    /// The time, by the gate's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.pep.now()
    }

    /// The configuration, policies and tools of this call.
    #[must_use]
    pub fn ruleset(&self) -> &Ruleset {
        &self.cx.ruleset
    }

    /// A span of its own for an effect that must know it beforehand.
    #[must_use]
    pub fn new_span(&self) -> SpanId {
        self.pep.span_id()
    }

    /// The trace context (W3C) that stands for a span of this run.
    #[must_use]
    pub fn traceparent(&self, span: SpanId) -> String {
        format!("00-{}-{span}-01", self.cx.run)
    }

    /// What tells one value of a secret from another, and nothing more.
    pub(crate) fn secret_version(&self, secret: &Secret) -> String {
        let parts: [&[u8]; 3] = [b"secret", secret.name().as_bytes(), secret.value()];
        let tenant = &self.cx.ruleset.config.gate.tenant;
        let digest = self.pep.ledger.digest(tenant, &parts).ok();
        let digest = digest.as_ref().map_or("", |digest| digest.as_str());
        let hex = digest.rsplit(':').next().unwrap_or_default();
        hex.get(..12).unwrap_or_default().to_owned()
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        // A panic while it was held leaves plain data that is still true.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn not_halted(&self) -> impl Iterator<Item = Condition> {
        self.cx.not_halted(&self.tool.name, &self.tool.source.name)
    }

    /// What is known now, with the run's labels and those of what this call has read.
    fn known_about<A: Capability>(
        &self,
        act: &A,
        now: Timestamp,
    ) -> Result<(Request, Facts), Refusal> {
        let run = self.pep.run_state(self.cx.run, None)?;
        let mut run = Pep::run_facts(&self.cx, &run, None, false, now);
        run.labels.extend(self.progress().labels.iter().cloned());
        run.labels.extend(self.cx.inherited_labels.iter().cloned());
        let config = &self.cx.ruleset.config;
        let facts = Facts {
            approval: None,
            entities: act.entities(),
            environment: config.gate.environment.clone(),
            local: config.local_time(now),
            now,
            run,
        };
        Ok((act.request(&self.cx), facts))
    }

    /// Whether anything of the kind may still happen: not if the call is over, or waits for a person, or is
    /// halted.
    fn goes_on<A: Capability>(&self, act: &A) -> Result<(), Refusal> {
        {
            let progress = self.progress();
            if progress.closed {
                return Err(Refusal::Halted {
                    reason: "the call is over".into(),
                });
            }
            if let (Some(pending), true) = (&progress.pending, act.changes_the_world()) {
                return Err(pending.clone());
            }
        }
        for condition in self.not_halted() {
            if let Condition::NotHalted(keys) = condition {
                self.pep.ledger.not_halted(&keys)?;
            }
        }
        Ok(())
    }

    /// Whether something would be allowed, without a record: to find out before looking for what
    /// deciding needs. It permits nothing.
    ///
    /// # Errors
    /// [`Refusal`]: it cannot be decided.
    pub fn could<A: Capability>(&self, act: &A) -> Result<bool, Refusal> {
        self.goes_on(act)?;
        let (request, facts) = self.known_about(act, self.pep.now())?;
        let decision = self.cx.ruleset.pdp.decide(&request, &facts);
        Ok(decision.outcome() == Outcome::Allow)
    }

    /// Decide, with the answer that a person may have given to the same request before.
    fn judge<A: Capability>(
        &self,
        act: &A,
        request: &Request,
        facts: &mut Facts,
    ) -> Result<Judgement, Refusal> {
        let pdp = &self.cx.ruleset.pdp;
        let mut judgement = Judgement {
            decision: pdp.decide(request, facts),
            question: None,
            earlier: None,
            rejected: None,
        };
        let Decision::Escalate(basis, _) = &judgement.decision else {
            return Ok(judgement);
        };
        let basis = basis.clone();
        let asked = self.question(act, request)?;
        match self.said(&asked)? {
            Said::Nothing => judgement.question = Some(asked),
            Said::Waits(row) => judgement.earlier = Some(row),
            Said::Yes(row) => {
                facts.approval = Some(grant_from_row(&row));
                judgement.decision = pdp.decide(request, facts);
                if matches!(judgement.decision, Decision::Escalate(..)) {
                    judgement.question = Some(asked);
                }
                judgement.earlier = Some(row);
            }
            Said::No(approval, until) => {
                judgement.rejected = Some(Refusal::Rejected { approval, until });
                judgement.decision = Decision::Deny(basis);
            }
        }
        if let (Decision::Escalate(basis, _), true) =
            (&judgement.decision, judgement.question.is_some())
            && !self.may_ask()
        {
            let denied = Decision::Deny(basis.clone());
            (judgement.question, judgement.earlier) = (None, None);
            judgement.decision = denied;
        }
        Ok(judgement)
    }

    /// Decide and record what the component asks for. What comes back permits exactly that.
    ///
    /// # Errors
    /// [`Refusal`]: it is denied, or it cannot be decided or recorded.
    pub async fn enforce<A: Capability>(&self, mut act: A) -> Result<Permitted<A>, Refusal> {
        let begun = Instant::now();
        self.goes_on(&act)?;
        let marks_before = self.pep.ledger.marks();
        if let Some(labels) = self.kept_by(&act)? {
            act.kept(labels);
        }
        let now = self.pep.now();
        let (request, mut facts) = self.known_about(&act, now)?;
        let marks = if act.writes() {
            facts.run.labels.clone()
        } else {
            BTreeSet::new()
        };
        let ruleset = &self.cx.ruleset;
        let Judgement {
            decision,
            question,
            earlier,
            rejected,
        } = self.judge(&act, &request, &mut facts)?;
        let used = earlier
            .as_deref()
            .filter(|_| matches!(decision, Decision::Allow(_)));
        let approval = match (&question, &earlier) {
            (Some(_), _) => Some(self.pep.ids.approval()),
            (None, Some(row)) if !matches!(decision, Decision::Deny(_) | Decision::Error(_)) => {
                Some(row.id)
            }
            _ => None,
        };
        let span = self.pep.span_id();
        let (record, payload) = self
            .pep
            .decision_record(ruleset, &request, &facts, &decision, span, begun)?;
        let outcome = decision.outcome();
        let change = match outcome {
            Outcome::Allow => act.change(&marks),
            _ => None,
        };
        let record = record
            .for_capability(&self.cx, self.span, self.tool.source.digest, marks)
            .marked(act.place())
            .approval(approval);
        let effect = u64::from(act.changes_the_world() && outcome == Outcome::Allow);
        let durable = act.changes_the_world() || outcome != Outcome::Allow || used.is_some();
        let record = Record::new(
            ruleset.config.gate.tenant.clone(),
            Some(self.cx.run),
            now,
            record.into(),
        );
        self.progress().begins(effect, payload.ciphertext.len())?;
        if !durable {
            if self.progress().waits(record, payload) {
                self.commit(Batch::default(), None).await?;
            }
            return Ok(Permitted::queued(act, span, marks_before));
        }
        let refused = refused(&record);
        let mut batch = Batch {
            records: vec![record],
            payloads: vec![payload.clone()],
            conditions: Vec::new(),
        };
        if outcome == Outcome::Allow {
            batch.conditions.push(Condition::RunOpen(self.cx.run));
            batch.conditions.extend(self.not_halted());
        }
        if let Some(row) = used {
            let unchanged = Condition::ApprovalUnchanged(row.id, row.version);
            batch.conditions.push(unchanged);
        }
        let mut expires = None;
        if let (Decision::Escalate(_, requirement), Some(question), Some(id)) =
            (&decision, &question, approval)
        {
            expires = Some(self.ask(question, requirement, id, earlier.as_deref(), &mut batch)?);
            batch.conditions.extend(self.not_halted());
        }
        let decision_id = match self.commit(batch, change).await {
            Ok((first, Changed::Done(was))) => {
                act.changed(Changed::Done(was));
                DecisionId(first)
            }
            Ok((first, not_changed)) => {
                act.changed(not_changed);
                self.progress().without(effect);
                DecisionId(first)
            }
            Err(error) => {
                // Nothing was sent: the guest is told so before anything happens.
                let mut progress = self.progress();
                progress.without(effect);
                progress.records.push(refused);
                progress.payloads.push(payload);
                return Err(error.into());
            }
        };
        match decision {
            Decision::Allow(_) => Ok(Permitted::queued(act, span, marks_before)),
            Decision::Error(basis) => Err(Refusal::Undecidable {
                decision: decision_id,
                basis,
            }),
            Decision::Escalate(basis, requirement) => {
                let refusal = match (expires, approval, earlier) {
                    (Some(expires), Some(approval), _) => Refusal::Pending {
                        decision: decision_id,
                        basis,
                        approval,
                        requirement,
                        expires,
                        happened: Vec::new(),
                    },
                    (_, _, Some(row)) => pending_refusal(decision_id, basis, &row),
                    _ => Refusal::Denied {
                        decision: decision_id,
                        basis,
                    },
                };
                self.suspend(&refusal);
                Err(refusal)
            }
            Decision::Deny(basis) => Err(rejected.unwrap_or(Refusal::Denied {
                decision: decision_id,
                basis,
            })),
        }
    }

    /// Labels that what an act concerns has taken on.
    fn kept_by<A: Capability>(&self, act: &A) -> Result<Option<BTreeSet<String>>, Refusal> {
        let Some(keeper) = act.keeper() else {
            return Ok(None);
        };
        let labels = self.pep.ledger.file_labels(&keeper, act.place().as_deref());
        labels.map(Some).map_err(|e| Refusal::Unrecorded {
            reason: e.to_string(),
        })
    }

    /// Whether what was permitted has taken on no labels since then. Asked after it was read: what is
    /// written takes its labels on before it is there.
    ///
    /// # Errors
    /// [`Refusal`]: it cannot be known.
    pub fn is_as_decided<A: Capability>(&self, permitted: &Permitted<A>) -> Result<bool, Refusal> {
        if self.pep.ledger.marks() == permitted.marks_before() {
            return Ok(true);
        }
        let labels = self.kept_by(permitted.act())?;
        Ok(labels.is_none_or(|labels| permitted.act().knows(&labels)))
    }

    /// Commit a batch after all that the call has done and is not recorded yet. If it cannot be, that waits
    /// for the next commit, or for the end of the call. Says where the batch's own records begin.
    ///
    /// # Errors
    /// [`CommitError`]: nothing was recorded.
    pub(super) async fn commit(
        &self,
        mut own: Batch,
        change: Option<Change>,
    ) -> Result<(u64, Changed), CommitError> {
        let _under_way = self.committing.read().await;
        let (records, payloads) = {
            let mut progress = self.progress();
            let records = std::mem::take(&mut progress.records);
            (records, std::mem::take(&mut progress.payloads))
        };
        let before = records.len() as u64;
        own.records.splice(0..0, records.iter().cloned());
        own.payloads.splice(0..0, payloads.iter().cloned());
        let committed = match change {
            Some(change) => self.pep.commit_with(own, change).await,
            None => {
                let committed = self.pep.commit(own).await;
                committed.map(|receipt| (receipt, Changed::Done(true)))
            }
        };
        match committed {
            Ok((receipt, changed)) => Ok((receipt.first + before, changed)),
            Err(error) => {
                let mut progress = self.progress();
                progress.records.splice(0..0, records);
                progress.payloads.splice(0..0, payloads);
                Err(error)
            }
        }
    }

    /// Say how what was permitted went: bytes read or written, or why it failed. Its labels join what
    /// the call has read.
    pub fn done<A: Capability>(
        &self,
        permitted: Permitted<A>,
        begun: Instant,
        result: Result<u64, &str>,
    ) {
        let done = Done {
            span: self.pep.span_id(),
            details: None,
        };
        self.done_with(permitted, begun, result, done);
    }

    /// As [`Capabilities::done`], with what only this kind of effect has.
    pub fn done_with<A: Capability>(
        &self,
        permitted: Permitted<A>,
        begun: Instant,
        result: Result<u64, &str>,
        done: Done,
    ) {
        let span = permitted.span();
        let act = permitted.into_act();
        let operation = act.request(&self.cx).action.id().to_owned();
        if result.is_ok() && act.changes_the_world() {
            self.happened(&format!("{operation} {}", act.target()));
        }
        let mut progress = self.progress();
        progress.labels.extend(act.labels());
        let event = Event::Effect(Effect {
            call: self.cx.call,
            details: done.details,
            error: result.err().map(str::to_owned),
            execution: Some(self.span),
            micros: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            operation,
            parent: span,
            size: result.unwrap_or(0),
            span: done.span,
            target: act.target(),
        });
        let tenant = self.cx.ruleset.config.gate.tenant.clone();
        progress.records.push(Record::new(
            tenant,
            Some(self.cx.run),
            self.pep.now(),
            event,
        ));
    }

    /// Keep a component's own log line: printable, shortened, and no more than some.
    pub fn log(&self, level: &'static str, message: &str) {
        {
            let mut progress = self.progress();
            progress.messages = progress.messages.saturating_add(1);
            if progress.messages > MAX_LOG_MESSAGES {
                return;
            }
        }
        let message = self.cx.ruleset.secrets.scrub_text(message);
        let event = Event::AdapterLog(AdapterLog {
            call: self.cx.call,
            labels: BTreeSet::new(),
            level: level.into(),
            message: crate::text::printable(&message, MAX_LOG_MESSAGE),
            parent: self.span,
        });
        let tenant = self.cx.ruleset.config.gate.tenant.clone();
        let record = Record::new(tenant, Some(self.cx.run), self.pep.now(), event);
        self.progress().records.push(record);
    }

    /// What is left to record; the call is over.
    pub(crate) fn finish(&self) -> UnrecordedEffects {
        let over = Progress {
            closed: true,
            ..Progress::default()
        };
        let progress = std::mem::replace(&mut *self.progress(), over);
        UnrecordedEffects {
            records: progress.records,
            payloads: progress.payloads,
            labels: progress.labels,
            effects: progress.effects,
            pending: progress
                .pending
                .map(|pending| pending.after(progress.happened)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_seals_no_more_than_some() {
        let mut progress = Progress::default();
        progress.begins(1, MAX_SEALED).unwrap();
        let refused = progress.begins(1, 1);
        assert!(matches!(refused, Err(Refusal::Unrecorded { .. })));
        assert_eq!(progress.effects, 1);
        progress.without(2);
        assert_eq!(progress.effects, 0);
    }
}
