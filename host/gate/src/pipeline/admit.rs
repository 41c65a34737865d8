//! Admit: evaluate the call, take the next step of the table, and record it.
//!
//! The table is [`tollgate_model::admission`]. The commit that records an allow also records the start.
//! Nothing is executed here.
//!
//! If policies deny a call only because something in its arguments is not redacted, it is decided again
//! without that. From then on the call is the redacted one: what is decided, digested, approved, recorded and
//! executed is the same. What was removed is not kept.

mod evaluate;
mod record;

use tollgate_ledger::{ApprovalRow, CommitError};
use tollgate_model::{
    admission::{ApprovalStanding, MAX_ROUNDS, Phase, Situation, Step, next_step},
    decision::{Basis, Decision, Outcome},
    ids::{DecisionId, SeriesId, SpanId},
    life::ApprovalState,
};

use self::evaluate::Evaluation;
use super::{
    release::Invocation,
    validate::{InvalidCall, redacted_call},
};
use crate::enforce::{
    Answer, AnswerSubscription, CallContext, InFlightGuard, Pep, Permitted, Refusal,
    StartedReading, ToolCall,
};
use crate::upstream::LoadedUpstream;

/// How often a call is decided again because its run changed meanwhile, before it is refused.
const MAX_ATTEMPTS: u32 = 32;

/// A call that may run.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) permitted: Permitted<ToolCall>,
    pub(crate) decision: DecisionId,
    pub(crate) reading: StartedReading,
    /// For an approved call: gives its answer to those who repeat it meanwhile.
    pub(crate) in_flight: Option<InFlightGuard>,
}

impl Admission {
    pub(crate) fn invocation(&self) -> Invocation {
        let call = self.permitted.act();
        Invocation {
            redacted: call.redacted_pointers(),
            tool: std::sync::Arc::clone(call.tool()),
            decision: self.decision,
            reading: self.reading.clone(),
            span: self.permitted.span(),
        }
    }
}

/// Decides a call, with its approval if it has one, and records the decision. On return `cx.call` is the
/// call's span: for a resumed call that of the original call.
///
/// # Errors
/// The answer, if the call does not run.
pub(super) async fn admit(
    pep: &Pep,
    cx: &mut CallContext,
    call: ToolCall,
    upstream: Option<&LoadedUpstream>,
) -> Result<Admission, Answer> {
    let mut attempt = Attempt::new(pep, cx, call, upstream);
    let ended = match attempt.until_recorded().await {
        Ok(started) => {
            let Attempt {
                call, in_flight, ..
            } = attempt;
            let StartedCall {
                authorize,
                span,
                decision,
                receipt,
            } = started;
            let reading = pep.reads.begin(cx, &call);
            return match Permitted::new(call, authorize, span, &receipt) {
                Ok(permitted) => Ok(Admission {
                    permitted,
                    decision,
                    reading,
                    in_flight,
                }),
                Err(refusal) => Err(Answer::refused(Some(cx.run), cx.call, refusal)),
            };
        }
        Err(ended) => ended,
    };
    let Attempt {
        call, in_flight, ..
    } = attempt;
    drop(in_flight);
    Err(match ended {
        NotAdmitted::Joined(other) => other
            .answer()
            .await
            .unwrap_or_else(|| Answer::unknown(Some(cx.run), cx.call)),
        NotAdmitted::Refused(refusal @ Refusal::Halted { .. }) => {
            let tool = &call.tool().name;
            InvalidCall::new("halted", refusal)
                .refuse(pep, cx, tool)
                .await
        }
        NotAdmitted::Refused(refusal) => Answer::refused(Some(cx.run), cx.call, refusal),
        NotAdmitted::Changed(problem) => {
            // An approved call stays approved: this is a call of its own, which is refused.
            cx.call = cx.arrival_span;
            let tool = &call.tool().name;
            InvalidCall::definition_changed(problem)
                .refuse(pep, cx, tool)
                .await
        }
    })
}

/// Why a call does not run.
enum NotAdmitted {
    Refused(Refusal),
    /// The tool is not the accepted one any more, with what is wrong.
    Changed(String),
    /// The same call is already running, with the approval that both have waited for: its answer is also
    /// this one's.
    Joined(AnswerSubscription),
}

/// Why an attempt did not start the call.
enum AttemptError {
    /// Something changed between reading and writing: decide again. The series is that of a fact, if one changed.
    Changed(Option<SeriesId>),
    /// The tool is not the accepted one any more, with what is wrong.
    Definition(String),
    Refused(Refusal),
    Joined(AnswerSubscription),
}

impl From<AnswerSubscription> for AttemptError {
    fn from(joined: AnswerSubscription) -> Self {
        Self::Joined(joined)
    }
}

impl From<Refusal> for AttemptError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<CommitError> for AttemptError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::SeriesChanged(series) => Self::Changed(Some(series)),
            CommitError::RunChanged
            | CommitError::ApprovalChanged
            | CommitError::ApprovalPending => Self::Changed(None),
            other => Self::Refused(other.into()),
        }
    }
}

/// A call whose start is recorded.
struct StartedCall {
    /// The span of the decision that allows it.
    authorize: SpanId,
    span: SpanId,
    decision: DecisionId,
    receipt: tollgate_ledger::Receipt,
}

/// The call to be admitted.
struct Attempt<'a> {
    pep: &'a Pep,
    cx: &'a mut CallContext,
    call: ToolCall,
    /// Dropped with the attempt unless the call starts.
    in_flight: Option<InFlightGuard>,
    /// The server that offers the tool, until it was seen to offer the accepted one.
    unseen: Option<&'a LoadedUpstream>,
}

/// The phase of a call, with the approval that belongs to it.
struct Position {
    phase: Phase,
    approval: Option<ApprovalRow>,
}

impl Position {
    fn standing(&self, now: tollgate_model::time::Timestamp) -> ApprovalStanding {
        self.approval
            .as_ref()
            .map_or(ApprovalStanding::Absent, |row| {
                ApprovalStanding::of(row.state, row.expires <= now)
            })
    }
}

impl<'a> Attempt<'a> {
    fn new(
        pep: &'a Pep,
        cx: &'a mut CallContext,
        call: ToolCall,
        upstream: Option<&'a LoadedUpstream>,
    ) -> Self {
        cx.arguments = Some(call.digest().clone());
        cx.resource = Some(call.entity());
        Self {
            pep,
            cx,
            call,
            in_flight: None,
            unseen: upstream,
        }
    }
}

impl Attempt<'_> {
    async fn until_recorded(&mut self) -> Result<StartedCall, NotAdmitted> {
        // Calls that depend on the same counts take turns, so that each is decided again once or twice, however many
        // there are.
        let mut turn = None;
        for _ in 0..MAX_ATTEMPTS {
            match self.once().await {
                Ok(started) => return Ok(started),
                Err(AttemptError::Changed(_)) if turn.is_some() => {}
                Err(AttemptError::Changed(series)) => {
                    turn = Some(match series {
                        Some(series) => self.pep.turns.take(series.as_bytes()).await,
                        None => self.pep.turns.take(self.cx.run.as_bytes()).await,
                    });
                }
                Err(AttemptError::Definition(problem)) => {
                    return Err(NotAdmitted::Changed(problem));
                }
                Err(AttemptError::Refused(refusal)) => return Err(NotAdmitted::Refused(refusal)),
                Err(AttemptError::Joined(joined)) => return Err(NotAdmitted::Joined(joined)),
            }
        }
        Err(NotAdmitted::Refused(Refusal::Unrecorded {
            reason: "the run changed faster than the call could be decided; try again".into(),
        }))
    }

    async fn once(&mut self) -> Result<StartedCall, AttemptError> {
        self.cx.call = self.cx.arrival_span;
        self.cx.attempt = 1;
        self.cx.recent_usage = self.pep.recent_usage(self.cx)?;
        self.cx.counted = self.pep.counted(self.cx, &self.call);
        let state = self.pep.run_state(self.cx.run, Some(self.call.digest()))?;
        let mut position = self.position()?;
        loop {
            let evaluation = self.evaluate(&state, &position)?;
            if self.redact(evaluation.decision.basis()).await {
                return Err(AttemptError::Changed(None));
            }
            if position.phase == Phase::New
                && matches!(
                    evaluation.decision.outcome(),
                    Outcome::Deny | Outcome::Escalate
                )
            {
                position.approval = self.own_approval()?;
            }
            match next_step(self.situation(&evaluation, &position)) {
                Step::EvaluateAsked => {
                    // The original call continues: same span, counted once.
                    if let Some(row) = &position.approval {
                        self.cx.call = row.call;
                    }
                    position.phase = Phase::Asked;
                }
                Step::EvaluateSuspendedAndAsked => {
                    position = Position {
                        phase: Phase::SuspendedAndAsked,
                        approval: self.own_approval()?,
                    };
                }
                step => return self.perform(step, evaluation, position.approval).await,
            }
        }
    }

    /// Redacts the call if that is all that policies ask for. Returns whether it is another call now.
    async fn redact(&mut self, basis: &Basis) -> bool {
        if basis.redact.is_empty() {
            return false;
        }
        let redacted = redacted_call(self.pep, &self.cx.ruleset, &self.call, basis).await;
        let Some(call) = redacted.filter(|call| call.digest() != self.call.digest()) else {
            return false;
        };
        self.cx.arguments = Some(call.digest().clone());
        self.cx.resource = Some(call.entity());
        self.call = call;
        true
    }

    /// The phase of the call before it is evaluated.
    fn position(&mut self) -> Result<Position, Refusal> {
        let Some((row, span)) = self.suspended()? else {
            return Ok(Position {
                phase: Phase::New,
                approval: None,
            });
        };
        if row.state != ApprovalState::Rejected {
            let before = row.waiting.iter().find(|waiting| waiting.call == span);
            self.cx.attempt = before.map_or(1, |waiting| waiting.attempt.saturating_add(1));
            self.cx.call = span;
        }
        Ok(Position {
            phase: Phase::Suspended,
            approval: Some(row),
        })
    }

    /// The approval that exactly this call waits for, if it ran and was stopped for that, and the call's
    /// span. A rejection holds until the approval would have expired.
    fn suspended(&self) -> Result<Option<(ApprovalRow, SpanId)>, Refusal> {
        let waits = self.pep.ledger.suspended_call(&self.cx.binding(&self.call));
        let waits = waits.map_err(|e| Refusal::Unrecorded {
            reason: e.to_string(),
        })?;
        let now = self.pep.now();
        let over = |row: &ApprovalRow| row.state == ApprovalState::Rejected && row.expires <= now;
        Ok(waits.filter(|(row, _)| !over(row)))
    }

    fn own_approval(&self) -> Result<Option<ApprovalRow>, Refusal> {
        let binding = self.cx.binding(&self.call);
        let row = self.pep.ledger.reader().approval_for(&binding);
        row.map_err(|e| Refusal::Unrecorded {
            reason: e.to_string(),
        })
    }

    fn situation(&self, evaluation: &Evaluation, position: &Position) -> Situation {
        let row = position.approval.as_ref();
        let covered = match (&evaluation.decision, row) {
            (Decision::Escalate(_, requirement), Some(row)) => {
                requirement.lifts.is_subset(&row.requirement.lifts)
            }
            _ => false,
        };
        Situation {
            phase: position.phase,
            outcome: evaluation.decision.outcome(),
            approval: position.standing(evaluation.facts.now),
            covered,
            may_ask_again: row.is_none_or(|row| row.round < MAX_ROUNDS),
        }
    }

    /// Takes a step that ends the attempt. `row` is the approval that belongs to the phase.
    async fn perform(
        &mut self,
        step: Step,
        evaluation: Evaluation,
        row: Option<ApprovalRow>,
    ) -> Result<StartedCall, AttemptError> {
        if matches!(step, Step::Start | Step::Resume | Step::Ask) {
            self.ensure_accepted().await?;
        }
        let refusal = match (step, row) {
            (Step::Start, _) => {
                self.ensure_not_in_flight()?;
                return self.record_start(evaluation, None).await;
            }
            (Step::Resume, row) => return self.resume(evaluation, row).await,
            (Step::Ask, row) if let Decision::Escalate(_, requirement) = &evaluation.decision => {
                let requirement = requirement.clone();
                let row = row.as_ref();
                self.record_request(evaluation, requirement, row).await?
            }
            (Step::Wait, Some(row)) => self.record_still_pending(evaluation, &row).await?,
            (Step::Expire, Some(row)) => {
                self.resolve(&row, ApprovalState::Expired).await?;
                return Err(AttemptError::Changed(None));
            }
            (Step::DenyRejected, Some(row)) => {
                self.record_denial(evaluation, Some(row.id)).await?;
                Refusal::Rejected {
                    approval: row.id,
                    until: row.expires,
                }
            }
            (Step::DenyAndCancel, Some(row)) => {
                let refusal = self.record_denial(evaluation, Some(row.id)).await?;
                self.resolve(&row, ApprovalState::Cancelled).await?;
                refusal
            }
            // The other steps request an approval without a requirement, which the table rules out: deny.
            (_, row) => {
                let approval = row.map(|row| row.id);
                self.record_denial(evaluation, approval).await?
            }
        };
        Err(refusal.into())
    }

    /// Requires that an upstream tool is still the accepted one, before anyone is asked and before a start is recorded.
    async fn ensure_accepted(&mut self) -> Result<(), AttemptError> {
        let Some(upstream) = self.unseen.take() else {
            return Ok(());
        };
        let checked = upstream.check_offer(self.call.tool(), &self.cx.on_behalf_of);
        checked.await.map_err(AttemptError::Definition)
    }

    /// Starts a call that has waited for an approval, unless the same call was started meanwhile.
    async fn resume(
        &mut self,
        evaluation: Evaluation,
        row: Option<ApprovalRow>,
    ) -> Result<StartedCall, AttemptError> {
        if let (Some(row), true) = (&row, self.cx.enclosing.is_empty()) {
            let binding = self.cx.binding(&self.call);
            let span = self.cx.arrival_span;
            let calls = &self.pep.in_flight;
            calls.begin(row.id, binding, span, &mut self.in_flight)?;
        }
        // The approval of an effect is consumed by the effect.
        let own = row.filter(|_| evaluation.phase != Phase::Suspended);
        self.record_start(evaluation, own.as_ref()).await
    }

    /// Requires that the same call is not already running with an approval. Everything that this call has
    /// read so far is at most as new as the start of that one.
    fn ensure_not_in_flight(&self) -> Result<(), AnswerSubscription> {
        if !self.cx.enclosing.is_empty() {
            return Ok(());
        }
        let binding = || self.cx.binding(&self.call);
        match self.pep.in_flight.of(self.cx.arrival_span, binding) {
            Some(other) => Err(other),
            None => Ok(()),
        }
    }
}
