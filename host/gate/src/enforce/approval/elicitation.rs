//! A person's answer to what an upstream server asks.
//!
//! The agent never answers: only users do, never the principal of the run, and never with a token whose maker may not
//! answer. Who else may is decided as `answer_input`, and recorded with the answer before the waiting call gets it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Map, Value};
use tollgate_ledger::{ApprovalRow, Batch, CommitError, Condition, Payload};
use tollgate_model::{
    canonical,
    decision::Decision,
    entity::{Kind, Uid},
    ids::{ApprovalId, DecisionId},
    life::ApprovalState,
    record::{ApprovalAnswered, ElicitationAction, ElicitationAnswered, Event, Record},
    request::Action,
    time::Timestamp,
};

use super::{ApprovalError, ApprovalResult, MAX_ATTEMPTS, require_shown, subject::Subject};
use crate::{
    capture::CaptureSession,
    config::PRIVATE,
    elicitation::{Elicitation, ElicitationAnswer, InputError},
    enforce::{Pep, Refusal, Ruleset},
    text::printable,
};

/// The values that a person gives.
#[derive(Debug, Clone, PartialEq)]
pub enum GivenInput {
    /// None, or the form's defaults.
    Nothing,
    /// JSON values, by field.
    Values(Map<String, Value>),
    /// Texts, by field: several for a field in which several can be chosen.
    Texts(BTreeMap<String, Vec<String>>),
}

/// An answer to a question of an upstream server.
#[derive(Debug, Clone)]
pub struct ElicitationResponse<'a> {
    /// What the person does.
    pub action: ElicitationAction,
    /// The values, if the person accepts.
    pub input: GivenInput,
    /// Digest of the question that the person saw, which must be that of the waiting one.
    pub seen: Option<&'a str>,
    /// A note for the record.
    pub note: Option<&'a str>,
    /// The channel, such as `cli` or `rest`.
    pub channel: &'a str,
    /// Users other than the one who answers who made the token by which that user is known.
    pub token_makers: &'a BTreeSet<String>,
}

/// What is recorded of an answer, with the payload if something is kept.
struct RecordedAnswer {
    answered: ElicitationAnswered,
    payload: Option<Payload>,
}

impl From<InputError> for ApprovalError {
    fn from(error: InputError) -> Self {
        Self::Input(error)
    }
}

impl Pep {
    /// Answers a question of an upstream server as `user`.
    pub(crate) async fn answer_elicitation(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        id: ApprovalId,
        response: ElicitationResponse<'_>,
    ) -> Result<ApprovalResult, ApprovalError> {
        let mut last_state = ApprovalState::Pending;
        for _ in 0..MAX_ATTEMPTS {
            let row = self.approval_row(ruleset, id)?;
            if row.elicitation.is_none() {
                return Err(ApprovalError::NoQuestion(id));
            }
            last_state = row.state;
            require_shown(&row, response.seen)?;
            let answered = self.answer_question(ruleset, user, &row, &response).await?;
            if let Some(result) = answered {
                return Ok(result);
            }
        }
        Err(ApprovalError::Resolved {
            id,
            state: last_state,
        })
    }

    /// Decides and records the answer. `None` if the question has changed since it was read.
    async fn answer_question(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        row: &ApprovalRow,
        response: &ElicitationResponse<'_>,
    ) -> Result<Option<ApprovalResult>, ApprovalError> {
        let id = row.id;
        let subject = Subject::waiting(row, response.channel);
        let (asked, entities) = subject.request(ruleset, user, Action::AnswerInput);
        let judged = self.judge(ruleset, asked, entities);
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
        let elicitation = self.open_question(row, judged.facts.now)?;
        let roles = roles_of(ruleset, user);
        let excluded = self.excluded(ruleset, user, row, response);
        let accepts = response.action == ElicitationAction::Accept;
        if excluded.is_none() && accepts {
            require_role(user, row, &roles)?;
        }
        let answer = ElicitationAnswer {
            action: response.action,
            content: content(&elicitation, response)?,
        };
        let now = judged.facts.now;
        let recorded = self.recorded(ruleset, row, &answer, now)?;
        let of_run = |event| Record::new(row.tenant.clone(), Some(row.run), now, event);
        let answered = answered(user, row, response, recorded.answered, excluded.is_none());
        let answered = ApprovalAnswered { roles, ..answered };
        let answered = of_run(Event::ApprovalAnswered(answered));
        batch.records.push(answered);
        if let Some(error) = excluded {
            self.commit(batch).await.map_err(Refusal::from)?;
            return Err(error);
        }
        let state = state_after(response.action);
        batch.payloads.extend(recorded.payload);
        batch
            .conditions
            .push(Condition::ApprovalUnchanged(id, row.version));
        batch.records.push(of_run(row.resolved(state)));
        let decision = match self.commit(batch).await {
            Ok(receipt) => DecisionId(receipt.first()),
            Err(CommitError::ApprovalChanged) => return Ok(None),
            Err(error) => return Err(Refusal::from(error).into()),
        };
        self.elicitations.answer(id, answer);
        Ok(Some(ApprovalResult {
            id,
            state,
            decision,
            needs: None,
            standing: None,
        }))
    }

    /// The question, if its call still waits for the answer.
    fn open_question(
        &self,
        row: &ApprovalRow,
        now: Timestamp,
    ) -> Result<Arc<Elicitation>, ApprovalError> {
        let open = self.elicitations.find(row.id);
        let state = match (row.state, open) {
            (ApprovalState::Pending, _) if row.expires <= now => ApprovalState::Expired,
            (ApprovalState::Pending, Some(elicitation)) => return Ok(elicitation),
            // Its call has ended.
            (ApprovalState::Pending, None) => ApprovalState::Cancelled,
            (state, _) => state,
        };
        Err(ApprovalError::Resolved { id: row.id, state })
    }

    /// Why an answer of this user does not count under any policy: it could be the run's own, or that of someone
    /// who may not answer.
    fn excluded(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        row: &ApprovalRow,
        response: &ElicitationResponse<'_>,
    ) -> Option<ApprovalError> {
        if *user == row.principal {
            return Some(ApprovalError::OwnQuestion {
                user: user.id.clone(),
            });
        }
        let may_answer = |maker: &&String| {
            let maker = Uid::new(Kind::User, maker.as_str());
            let subject = Subject::waiting(row, response.channel);
            let (request, entities) = subject.request(ruleset, &maker, Action::AnswerInput);
            let decision = self.judge(ruleset, request, entities).decision;
            maker != row.principal && matches!(decision, Decision::Allow(_))
        };
        let mut makers = response.token_makers.iter();
        let maker = makers.find(|maker| !may_answer(maker))?;
        Some(ApprovalError::TokenOfAsker {
            id: row.id,
            user: user.id.clone(),
            maker: maker.clone(),
        })
    }

    /// What is recorded of an answer: never its values, unless `[capture]` names them.
    fn recorded(
        &self,
        ruleset: &Arc<Ruleset>,
        row: &ApprovalRow,
        answer: &ElicitationAnswer,
        now: Timestamp,
    ) -> Result<RecordedAnswer, ApprovalError> {
        let mut answered = ElicitationAnswered {
            action: answer.action,
            capture: None,
            content: None,
            size: 0,
        };
        let Some(content) = &answer.content else {
            return Ok(RecordedAnswer {
                answered,
                payload: None,
            });
        };
        let content = Value::Object(content.clone());
        let canonical =
            canonical::to_canonical(&content).map_err(|e| ApprovalError::Store(e.to_string()))?;
        let tenant = &ruleset.config.gate.tenant;
        let parts = [
            b"elicitation".as_slice(),
            row.arguments.as_str().as_bytes(),
            &canonical,
        ];
        let labels = self.ledger.run_state(row.run, None)?;
        let is_private = labels.is_some_and(|state| state.labels.contains(PRIVATE));
        let keys = self.ledger.keys();
        let session = CaptureSession::new(&ruleset.capture, keys, tenant, now, Some(row.run));
        let text = String::from_utf8_lossy(&canonical);
        let captured = session.answer(&row.tool, &content, &text, is_private);
        answered.content = Some(self.ledger.digest(tenant, &parts)?);
        answered.size = canonical.len() as u64;
        answered.capture = Some(captured.kept);
        Ok(RecordedAnswer {
            answered,
            payload: captured.payload,
        })
    }
}

/// The answer as it is recorded.
fn answered(
    user: &Uid,
    row: &ApprovalRow,
    response: &ElicitationResponse<'_>,
    given: ElicitationAnswered,
    took_effect: bool,
) -> ApprovalAnswered {
    ApprovalAnswered {
        approve: given.action == ElicitationAction::Accept,
        by: user.clone(),
        channel: response.channel.into(),
        edited: None,
        elicitation: Some(given),
        id: row.id,
        link: None,
        question: None,
        roles: BTreeSet::new(),
        took_effect,
        note: response.note.map(|note| printable(note, 1000)),
        token_makers: response.token_makers.clone(),
    }
}

fn roles_of(ruleset: &Ruleset, user: &Uid) -> BTreeSet<String> {
    let configured = ruleset.config.users.get(&user.id);
    configured.map_or_else(BTreeSet::new, |user| user.roles.clone())
}

/// Requires a role that the policies ask for.
fn require_role(
    user: &Uid,
    row: &ApprovalRow,
    roles: &BTreeSet<String>,
) -> Result<(), ApprovalError> {
    match row.requirement.met_by(roles, 1) {
        true => Ok(()),
        false => Err(ApprovalError::RoleMissing {
            user: user.id.clone(),
            needs: row.requirement.to_string(),
        }),
    }
}

/// The state of a question after this answer.
fn state_after(action: ElicitationAction) -> ApprovalState {
    match action {
        ElicitationAction::Accept => ApprovalState::Approved,
        ElicitationAction::Decline => ApprovalState::Rejected,
        ElicitationAction::Cancel => ApprovalState::Cancelled,
    }
}

/// The content of an answer, checked against the form; none of a page or without acceptance.
fn content(
    elicitation: &Elicitation,
    response: &ElicitationResponse<'_>,
) -> Result<Option<Map<String, Value>>, ApprovalError> {
    let accepts = response.action == ElicitationAction::Accept;
    let (Some(form), true) = (elicitation.form(), accepts) else {
        return match response.input {
            GivenInput::Nothing => Ok(None),
            GivenInput::Values(_) | GivenInput::Texts(_) => {
                let problem = match accepts {
                    true => "a page takes no values: they are given on the page itself",
                    false => "values are given only with `accept`",
                };
                Err(InputError {
                    field: None,
                    problem: problem.into(),
                }
                .into())
            }
        };
    };
    let values = match &response.input {
        GivenInput::Nothing => Map::new(),
        GivenInput::Values(values) => values.clone(),
        GivenInput::Texts(texts) => form.typed(texts)?,
    };
    Ok(Some(form.check(&values)?))
}
