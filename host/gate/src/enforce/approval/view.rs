//! Approvals as people see them, and who may see what.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};

use serde::Serialize;
use serde_json::Value;
use tollgate_ledger::{ApprovalRow, Batch};
use tollgate_model::{
    canonical::Sha256Digest,
    decision::Decision,
    entity::Uid,
    ids::RunId,
    life::ApprovalState,
    provenance::ProvenanceSummary,
    record::{AdminAction, AdministrativeAct, Event, Record},
    request::Action,
};

use super::{ApprovalError, is_here, question::question_digest, subject::Subject};
use crate::{
    elicitation::{Elicitation, ElicitationView},
    enforce::{Pep, Refusal, Ruleset},
    text::printable,
};

/// An approval as an approver sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApprovalView {
    /// The approval.
    #[serde(flatten)]
    pub row: ApprovalRow,
    /// All canonical arguments, with control and bidirectional characters escaped; absent once it is
    /// resolved, or if this person may not answer it.
    pub arguments: Option<String>,
    /// The arguments of the agent's own call, if an approver has changed them; likewise escaped.
    pub original_arguments: Option<String>,
    /// The question of an upstream server; absent where the arguments are.
    pub question: Option<ElicitationView>,
    /// The other calls of the run that wait for the same reason: they can be answered with it.
    pub others: Vec<QuestionCall>,
    /// Digest of the question with all its calls, by which it is answered as a whole.
    pub question_digest: Option<Sha256Digest>,
    /// Reasons of the policies that denied the call.
    pub reasons: Vec<String>,
    /// Labels of the run.
    pub labels: BTreeSet<String>,
    /// Where the values of the call come from; absent where nothing of it is known.
    pub provenance: Option<Box<ProvenanceSummary>>,
}

/// Another call of a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuestionCall {
    /// Its approval.
    pub row: ApprovalRow,
    /// Its arguments, as for [`ApprovalView::arguments`].
    pub arguments: Option<String>,
}

impl Pep {
    /// Whether `user` may approve it now by this channel.
    pub(crate) fn can_answer(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        row: &ApprovalRow,
        channel: &str,
    ) -> bool {
        if !is_here(ruleset, row) {
            return false;
        }
        let action = match row.elicitation {
            Some(_) if *user == row.principal => return false,
            Some(_) => Action::AnswerInput,
            None => Action::Approve,
        };
        let (request, entities) = Subject::waiting(row, channel).request(ruleset, user, action);
        let decision = self.judge(ruleset, request, entities).decision;
        matches!(decision, Decision::Allow(_))
    }

    /// An approval as `user` may see it: the arguments only if they may answer it, and with the other calls of
    /// its question if `whole`. Showing arguments is recorded first.
    pub(crate) async fn approval_view(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        row: ApprovalRow,
        (channel, whole): (&str, bool),
    ) -> Result<ApprovalView, ApprovalError> {
        let (arguments, original_arguments) =
            self.shown_arguments(ruleset, user, &row, channel).await?;
        let calls = match (row.state, &row.elicitation) {
            (ApprovalState::Pending, None) if whole => self.question(ruleset, row.id)?,
            _ => Vec::new(),
        };
        let question = self.shown_question(&row, arguments.is_some())?;
        let question_digest = (calls.len() > 1).then(|| question_digest(&calls));
        let mut others = Vec::new();
        for other in calls.into_iter().filter(|other| other.id != row.id) {
            let (arguments, _) = self.shown_arguments(ruleset, user, &other, channel).await?;
            others.push(QuestionCall {
                row: other,
                arguments,
            });
        }
        let policies = ruleset.pdp.policies();
        let reasons = row
            .requirement
            .lifts
            .iter()
            .filter_map(|lifted| policies.get(&lifted.id))
            .map(|policy| policy.determining.reason.clone())
            .collect();
        let labels = self
            .ledger
            .run_state(row.run, None)?
            .map(|state| state.labels)
            .unwrap_or_default();
        let decision = self.ledger.reader().requesting_decision(&row)?;
        Ok(ApprovalView {
            row,
            arguments,
            original_arguments,
            question,
            others,
            question_digest,
            reasons,
            labels,
            provenance: decision.and_then(|(_, decision)| decision.provenance),
        })
    }

    /// What an upstream server asks, for a person who may answer.
    fn shown_question(
        &self,
        row: &ApprovalRow,
        may_answer: bool,
    ) -> Result<Option<ElicitationView>, ApprovalError> {
        if row.elicitation.is_none() || !may_answer {
            return Ok(None);
        }
        let params = serde_json::from_str::<Value>(&self.sealed_arguments(row)?);
        let elicitation = params
            .ok()
            .and_then(|params| Elicitation::parse(&params).ok());
        Ok(elicitation.map(|elicitation| elicitation.view()))
    }

    /// The arguments that will be executed, and the agent's own if they differ, for a person who may answer.
    async fn shown_arguments(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        row: &ApprovalRow,
        channel: &str,
    ) -> Result<(Option<String>, Option<String>), ApprovalError> {
        if row.payload.is_none() || !self.can_answer(ruleset, user, row, channel) {
            return Ok((None, None));
        }
        let target = row.id.to_string();
        self.note_shown(user, &row.tenant, row.run, target).await?;
        let own = printable(&self.sealed_arguments(row)?, usize::MAX);
        Ok(match self.edited_arguments(row)? {
            Some((edited, _)) => (Some(printable(&edited, usize::MAX)), Some(own)),
            None => (Some(own), None),
        })
    }

    /// Records that `user` is shown the arguments of an approval, or the pattern of a standing one; once per
    /// user.
    pub(super) async fn note_shown(
        &self,
        user: &Uid,
        tenant: &str,
        run: RunId,
        target: String,
    ) -> Result<(), ApprovalError> {
        let shown = || self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown().get(&target).is_some_and(|to| to.contains(user)) {
            return Ok(());
        }
        let event = Event::Administered(AdministrativeAct {
            action: AdminAction::ApprovalArgumentsViewed,
            by: user.id.clone(),
            target: target.clone(),
        });
        let batch = Batch {
            records: vec![Record::new(tenant, Some(run), self.now(), event)],
            ..Batch::default()
        };
        self.commit(batch).await.map_err(Refusal::from)?;
        let mut shown = shown();
        let mut to = shown.get(&target).cloned().unwrap_or_default();
        to.insert(user.clone());
        shown.insert(target, to);
        Ok(())
    }
}
