//! Answers: each is decided and recorded with its effect.

use std::{collections::BTreeSet, sync::Arc};

use tollgate_ledger::{ApprovalRow, Batch, CommitError, Condition};
use tollgate_model::{
    decision::Decision,
    entity::Uid,
    ids::{ApprovalId, DecisionId},
    life::{ApprovalEvent, ApprovalState},
    record::{ApprovalAnswered, Event, Record},
    request::Action,
    time::Timestamp,
};

use super::{
    ApprovalError, ApprovalResponse, ApprovalResult, MAX_ATTEMPTS, Vote, is_here,
    standing::StandingDraft, subject::Subject,
};
use crate::{
    enforce::{Pep, Refusal, Ruleset},
    text::printable,
};

impl Pep {
    /// Answers an approval as `user`.
    pub(crate) async fn answer(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        id: ApprovalId,
        response: ApprovalResponse<'_>,
    ) -> Result<ApprovalResult, ApprovalError> {
        let mut last_state = ApprovalState::Pending;
        for _ in 0..MAX_ATTEMPTS {
            let row = self.ledger.reader().approval(id)?;
            let row = row
                .filter(|row| is_here(ruleset, row))
                .ok_or(ApprovalError::NotFound(id))?;
            last_state = row.state;
            let seen = response.seen;
            if seen.is_some_and(|seen| seen != row.arguments.as_str()) {
                return Err(ApprovalError::OtherCall(id));
            }
            if let Some(result) = self.answer_once(ruleset, user, &row, response).await? {
                return Ok(result);
            }
        }
        Err(ApprovalError::Resolved {
            id,
            state: last_state,
        })
    }

    /// Decides and records the answer. `None` if the approval has changed since it was read.
    async fn answer_once(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        row: &ApprovalRow,
        response: ApprovalResponse<'_>,
    ) -> Result<Option<ApprovalResult>, ApprovalError> {
        let id = row.id;
        let action = match response.vote {
            Vote::Approve => Action::Approve,
            Vote::Reject => Action::Reject,
        };
        let subject = Subject::waiting(row);
        let (request, entities) = subject.request(ruleset, user, action);
        let judged = self.judge(ruleset, request, entities);
        let (record, payload) = self.judged_record(ruleset, &judged, Some(row.run), Some(id))?;
        let mut batch = Batch {
            records: vec![record],
            payloads: vec![payload],
            conditions: Vec::new(),
        };
        if !matches!(judged.decision, Decision::Allow(_)) {
            let decision = DecisionId(self.commit(batch).await.map_err(Refusal::from)?.first());
            let basis = Box::new(judged.decision.basis().clone());
            return Err(Refusal::Denied { decision, basis }.into());
        }
        let standing = self
            .standing_of(ruleset, user, row, &response, &mut batch)
            .await?;
        let configured = ruleset.config.users.get(&user.id);
        let roles = configured.map_or_else(BTreeSet::new, |user| user.roles.clone());
        let now = judged.facts.now;
        let maker = match response.vote {
            Vote::Approve => subject
                .side
                .maker_among(&ruleset.config, response.token_makers),
            Vote::Reject => None,
        };
        let Effect { event, needs } = effect(row, user, &roles, &response, now)?;
        let expired = event == ApprovalEvent::Expire;
        let state = row
            .state
            .after(event)
            .filter(|_| maker.is_none() || expired);
        let of_run = |event| Record::new(row.tenant.clone(), Some(row.run), now, event);
        let answered = ApprovalAnswered {
            approve: response.vote == Vote::Approve,
            by: user.clone(),
            channel: response.channel.into(),
            id,
            roles,
            took_effect: state.is_some() && !expired,
            note: response.note.map(|note| printable(note, 1000)),
            token_makers: response.token_makers.clone(),
        };
        batch
            .records
            .push(of_run(Event::ApprovalAnswered(answered)));
        if let Some(state) = state {
            let unchanged = Condition::ApprovalUnchanged(id, row.version);
            batch.conditions.push(unchanged);
            if state != ApprovalState::Pending {
                batch.records.push(of_run(row.resolved(state)));
            }
        }
        // An answer that has no effect gives nothing else either.
        let standing = standing.filter(|_| state.is_some() && !expired);
        let standing_id = standing.as_ref().map(|draft| draft.id);
        if let Some(draft) = standing {
            let (granted, payload) = draft.into_parts();
            batch.records.push(of_run(granted));
            batch.payloads.push(payload);
        }
        let decision = match self.commit(batch).await {
            Ok(receipt) => DecisionId(receipt.first()),
            Err(CommitError::ApprovalChanged) => return Ok(None),
            Err(error) => return Err(Refusal::from(error).into()),
        };
        match (state, maker) {
            (Some(state), _) if !expired => Ok(Some(ApprovalResult {
                id,
                state,
                decision,
                needs,
                standing: standing_id,
            })),
            (None, Some(maker)) => Err(ApprovalError::TokenOfAsker {
                id,
                user: user.id.clone(),
                maker,
            }),
            (state, _) => Err(ApprovalError::Resolved {
                id,
                state: state.unwrap_or(row.state),
            }),
        }
    }
}

impl Pep {
    /// The standing approval that is asked for with an answer, and the decision about it in `batch`.
    async fn standing_of(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        row: &ApprovalRow,
        response: &ApprovalResponse<'_>,
        batch: &mut Batch,
    ) -> Result<Option<StandingDraft>, ApprovalError> {
        let Some(request) = response.standing.filter(|_| response.vote == Vote::Approve) else {
            return Ok(None);
        };
        let draft = self.draft_standing(ruleset, user, row, response, request)?;
        let (record, payload) = self.standing_record(ruleset, &draft.judged, row.run, draft.id)?;
        batch.records.push(record);
        batch.payloads.push(payload);
        if matches!(draft.judged.decision, Decision::Allow(_)) {
            return Ok(Some(draft));
        }
        let receipt = self.commit(std::mem::take(batch)).await;
        let decision = DecisionId(receipt.map_err(Refusal::from)?.first() + 1);
        let basis = Box::new(draft.judged.decision.basis().clone());
        Err(Refusal::Denied { decision, basis }.into())
    }
}

/// The effect of an answer on an approval.
struct Effect {
    event: ApprovalEvent,
    /// What is still missing after it.
    needs: Option<String>,
}

fn effect(
    row: &ApprovalRow,
    user: &Uid,
    roles: &BTreeSet<String>,
    response: &ApprovalResponse<'_>,
    now: Timestamp,
) -> Result<Effect, ApprovalError> {
    let is_open = matches!(row.state, ApprovalState::Pending | ApprovalState::Approved);
    // The maker of a token can answer in its user's name, so both are one person.
    let is_same_person = |person: &str| person == user.id || response.token_makers.contains(person);
    let mut counted = (row.answers.iter()).filter(|answer| answer.approve && answer.took_effect);
    if response.vote == Vote::Approve
        && row.state == ApprovalState::Pending
        && counted.any(|answer| answer.people().any(is_same_person))
        && row.expires > now
    {
        return Err(ApprovalError::Twice {
            id: row.id,
            user: user.id.clone(),
            needs: missing(row, row.approvers.len() as u64),
        });
    }
    if is_open && row.expires <= now {
        let event = ApprovalEvent::Expire;
        return Ok(Effect { event, needs: None });
    }
    let event = match response.vote {
        Vote::Reject => ApprovalEvent::Reject,
        Vote::Approve => {
            let earlier = row.approvers.iter().flat_map(|(_, roles)| roles);
            let held: BTreeSet<String> = roles.iter().chain(earlier).cloned().collect();
            let count = row.approvers.len() as u64 + 1;
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
