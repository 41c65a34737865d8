//! Answers: each is decided and recorded with its effect. A question of several calls is answered as a whole, or
//! not at all.

use std::collections::BTreeSet;

use tollgate_ledger::{ApprovalRow, Batch, CommitError, Condition};
use tollgate_model::{
    decision::{Basis, Decision},
    entity::Uid,
    ids::{ApprovalId, DecisionId, StandingId},
    life::{ApprovalEvent, ApprovalState},
    record::{Event, Record},
    request::Action,
    time::Timestamp,
};

use super::{
    ApprovalError, ApprovalResult, MAX_ATTEMPTS, Responder, Vote, edit::EditDraft,
    question::question_digest, require_shown, standing::StandingDraft, subject::Subject,
};
use crate::enforce::{Pep, Refusal};

/// An answer that is not recorded yet.
enum AnswerDraft {
    /// Policy does not let the person answer.
    Denied {
        /// The position of the decision in the batch.
        decided_at: usize,
        basis: Basis,
    },
    Decided(DecidedAnswer),
}

/// An answer that the person may give.
struct DecidedAnswer {
    id: ApprovalId,
    /// The position of the decision in the batch.
    decided_at: usize,
    /// The approval's state after it; `None` if it has no effect.
    state: Option<ApprovalState>,
    /// Whether it came too late.
    is_late: bool,
    /// A person on the asking side who made the token of the answer.
    maker: Option<String>,
    needs: Option<String>,
    standing: Option<StandingId>,
    before: ApprovalState,
}

impl Pep {
    /// Answers an approval.
    pub(crate) async fn answer(
        &self,
        by: Responder<'_>,
        id: ApprovalId,
    ) -> Result<ApprovalResult, ApprovalError> {
        let mut last_state = ApprovalState::Pending;
        for _ in 0..MAX_ATTEMPTS {
            let row = self.approval_row(by.ruleset, id)?;
            if row.elicitation.is_some() {
                return Err(ApprovalError::Question(id));
            }
            last_state = row.state;
            let results = self.answer_once(by, &[row], None).await?;
            if let Some(result) = results.and_then(|results| results.into_iter().next()) {
                return Ok(result);
            }
        }
        Err(ApprovalError::Resolved {
            id,
            state: last_state,
        })
    }

    /// Answers all pending calls of the question of an approval at once. The digest that was seen is that of
    /// the question.
    pub(crate) async fn answer_all(
        &self,
        by: Responder<'_>,
        id: ApprovalId,
    ) -> Result<Vec<ApprovalResult>, ApprovalError> {
        for _ in 0..MAX_ATTEMPTS {
            let rows = self.question(by.ruleset, id)?;
            let Some(first) = rows.first() else {
                let row = self.ledger.reader().approval(id)?;
                let state = row.map_or(ApprovalState::Expired, |row| row.state);
                return Err(ApprovalError::Resolved { id, state });
            };
            let digest = question_digest(&rows).to_string();
            if by.response.seen.is_some_and(|seen| seen != digest) {
                return Err(ApprovalError::OtherCall(id));
            }
            let question = first.question;
            if let Some(results) = self.answer_once(by, &rows, Some(question)).await? {
                return Ok(results);
            }
        }
        Err(ApprovalError::OtherCall(id))
    }

    /// Decides and records the answers. `None` if one of the approvals has changed since it was read.
    async fn answer_once(
        &self,
        by: Responder<'_>,
        rows: &[ApprovalRow],
        question: Option<ApprovalId>,
    ) -> Result<Option<Vec<ApprovalResult>>, ApprovalError> {
        let mut batch = Batch::default();
        let mut drafts = Vec::with_capacity(rows.len());
        for row in rows {
            match self.draft_answer(by, row, question, &mut batch)? {
                AnswerDraft::Decided(draft) => drafts.push(draft),
                AnswerDraft::Denied { decided_at, basis } => {
                    // Nothing is answered. Only the decisions so far are recorded.
                    batch.records.retain(|record| is_decision(&record.event));
                    batch.conditions.clear();
                    let records = batch.records.len();
                    let receipt = self.commit(batch).await.map_err(Refusal::from)?;
                    let decided_at = decided_at.min(records.saturating_sub(1));
                    let decision = DecisionId(receipt.first() + decided_at as u64);
                    let basis = Box::new(basis);
                    return Err(Refusal::Denied { decision, basis }.into());
                }
            }
        }
        let first = match self.commit(batch).await {
            Ok(receipt) => receipt.first(),
            Err(CommitError::ApprovalChanged) => return Ok(None),
            Err(error) => return Err(Refusal::from(error).into()),
        };
        let results = drafts.into_iter().map(|draft| draft.result(by.user, first));
        results.collect::<Result<_, _>>().map(Some)
    }

    /// Decides an answer, and adds its records to the batch.
    fn draft_answer(
        &self,
        by: Responder<'_>,
        row: &ApprovalRow,
        question: Option<ApprovalId>,
        batch: &mut Batch,
    ) -> Result<AnswerDraft, ApprovalError> {
        let response = by.response;
        self.check_link(by.ruleset, by.user, row, &response)?;
        let subject = Subject::waiting(row, response.channel);
        let decided_at = batch.records.len();
        let now = self.now();
        if let Some(denied) = self.decide_answer(by, row, &subject, batch)? {
            return Ok(denied);
        }
        if question.is_none() {
            require_shown(row, by.response.seen)?;
        }
        let edit = by.edited.map(|call| self.draft_edit(by, row, call, now));
        let edit = edit.transpose()?;
        let standing = match self.draft_standing(by, row, now, batch)? {
            Ok(standing) => standing,
            Err(denied) => return Ok(denied),
        };
        let maker = by.maker_on(&subject);
        let Effect { event, needs } = effect(by, row, &by.roles(), now)?;
        let is_late = event == ApprovalEvent::Expire;
        let state = row
            .state
            .after(event)
            .filter(|_| maker.is_none() || is_late);
        let took_effect = state.is_some() && !is_late;
        let of_run = |event| Record::new(row.tenant.clone(), Some(row.run), now, event);
        // An answer without an effect changes nothing else either.
        let edit = edit.filter(|_| took_effect);
        let standing = standing.filter(|_| took_effect);
        let edited = edit.as_ref().map(|edit| edit.arguments.clone());
        let answered = by.answered(row, question, edited, took_effect);
        batch
            .records
            .push(of_run(Event::ApprovalAnswered(answered)));
        batch.payloads.extend(edit.map(EditDraft::into_payload));
        if let Some(state) = state {
            let unchanged = Condition::ApprovalUnchanged(row.id, row.version);
            batch.conditions.push(unchanged);
            if state != ApprovalState::Pending {
                batch.records.push(of_run(row.resolved(state)));
            }
        }
        let standing_id = standing.as_ref().map(StandingDraft::id);
        if let Some(draft) = standing {
            let (granted, payload) = draft.into_parts();
            batch.records.push(of_run(granted));
            batch.payloads.push(payload);
        }
        Ok(AnswerDraft::Decided(DecidedAnswer {
            id: row.id,
            decided_at,
            state,
            is_late,
            maker,
            needs,
            standing: standing_id,
            before: row.state,
        }))
    }

    /// Whether policy lets the person give this answer. Adds the decisions to the batch.
    fn decide_answer(
        &self,
        by: Responder<'_>,
        row: &ApprovalRow,
        subject: &Subject<'_>,
        batch: &mut Batch,
    ) -> Result<Option<AnswerDraft>, ApprovalError> {
        let action = match by.response.vote {
            Vote::Approve => Action::Approve,
            Vote::Reject => Action::Reject,
        };
        let edits = by.edited.map(|_| Action::ApproveEdited);
        for action in [action].into_iter().chain(edits) {
            let (request, entities) = subject.request(by.ruleset, by.user, action);
            let judged = self.judge(by.ruleset, request, entities);
            let (record, payload) =
                self.judged_record(by.ruleset, &judged, Some(row.run), Some(row.id))?;
            let decided_at = batch.records.len();
            batch.records.push(record);
            batch.payloads.push(payload);
            if !matches!(judged.decision, Decision::Allow(_)) {
                let basis = judged.decision.basis().clone();
                return Ok(Some(AnswerDraft::Denied { decided_at, basis }));
            }
        }
        Ok(None)
    }

    /// The standing approval that is asked for with an answer, and the decision about it in the batch.
    fn draft_standing(
        &self,
        by: Responder<'_>,
        row: &ApprovalRow,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<Result<Option<StandingDraft>, AnswerDraft>, ApprovalError> {
        let response = by.response;
        let Some(request) = response.standing.filter(|_| response.vote == Vote::Approve) else {
            return Ok(Ok(None));
        };
        let draft = self.standing_draft(by, row, request, now)?;
        let (record, payload) =
            self.standing_record(by.ruleset, draft.judged(), row.run, draft.id())?;
        let decided_at = batch.records.len();
        batch.records.push(record);
        batch.payloads.push(payload);
        let decision = &draft.judged().decision;
        if matches!(decision, Decision::Allow(_)) {
            return Ok(Ok(Some(draft)));
        }
        let basis = decision.basis().clone();
        Ok(Err(AnswerDraft::Denied { decided_at, basis }))
    }
}

fn is_decision(event: &Event) -> bool {
    matches!(event, Event::Decision(_))
}

impl DecidedAnswer {
    /// What the person gets to know, now that its batch is recorded from index `first` on.
    fn result(self, user: &Uid, first: u64) -> Result<ApprovalResult, ApprovalError> {
        let id = self.id;
        match (self.state, self.maker) {
            (Some(state), _) if !self.is_late => Ok(ApprovalResult {
                id,
                state,
                decision: DecisionId(first + self.decided_at as u64),
                needs: self.needs,
                standing: self.standing,
            }),
            (None, Some(maker)) => Err(ApprovalError::TokenOfAsker {
                id,
                user: user.id.clone(),
                maker,
            }),
            (state, _) => Err(ApprovalError::Resolved {
                id,
                state: state.unwrap_or(self.before),
            }),
        }
    }
}

/// The effect of an answer on an approval.
struct Effect {
    event: ApprovalEvent,
    /// What is still missing after it.
    needs: Option<String>,
}

fn effect(
    by: Responder<'_>,
    row: &ApprovalRow,
    roles: &BTreeSet<String>,
    now: Timestamp,
) -> Result<Effect, ApprovalError> {
    let Responder { user, response, .. } = by;
    let is_open = matches!(row.state, ApprovalState::Pending | ApprovalState::Approved);
    // The maker of a token can answer in its user's name, so both are one person.
    let is_same_person = |person: &str| person == user.id || response.token_makers.contains(person);
    // Approvals so far are of other arguments than these.
    let counted: Vec<_> = match by.edited {
        Some(_) => Vec::new(),
        None => row.counted().collect(),
    };
    if response.vote == Vote::Approve
        && row.state == ApprovalState::Pending
        && counted
            .iter()
            .any(|answer| answer.people().any(is_same_person))
        && row.expires > now
    {
        return Err(ApprovalError::Twice {
            id: row.id,
            user: user.id.clone(),
            needs: missing(row, counted.len() as u64),
        });
    }
    if is_open && row.expires <= now {
        let event = ApprovalEvent::Expire;
        return Ok(Effect { event, needs: None });
    }
    let event = match response.vote {
        Vote::Reject => ApprovalEvent::Reject,
        Vote::Approve => {
            let earlier = counted.iter().flat_map(|answer| &answer.roles);
            let held: BTreeSet<String> = roles.iter().chain(earlier).cloned().collect();
            let count = counted.len() as u64 + 1;
            if !row.requirement.met_by(&held, count) {
                return Ok(Effect {
                    event: ApprovalEvent::Vote,
                    needs: Some(missing(row, count)),
                });
            }
            ApprovalEvent::Approve
        }
    };
    Ok(Effect { event, needs: None })
}

fn missing(row: &ApprovalRow, approved: u64) -> String {
    format!("{}; {approved} approved so far", row.requirement)
}
