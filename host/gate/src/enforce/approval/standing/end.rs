//! Standing approvals: shown, and ended by people.

use std::sync::Arc;

use tollgate_ledger::{Batch, CommitError, StandingRow};
use tollgate_model::{
    decision::Decision,
    entity::Uid,
    ids::{DecisionId, StandingId},
    life::StandingState,
    record::Record,
    request::Action,
    standing::ArgumentPattern,
};

use super::{
    super::{ApprovalError, REST, subject::Subject},
    StandingView,
};
use crate::{
    enforce::{Pep, Refusal, Ruleset},
    text::printable,
};

impl Pep {
    /// The standing approval with this id, if it is of this gate's tenant.
    pub(crate) fn standing(
        &self,
        ruleset: &Ruleset,
        id: StandingId,
    ) -> Result<StandingRow, ApprovalError> {
        let row = self.ledger.reader().standing_approval(id)?;
        row.filter(|row| row.tenant == ruleset.config.gate.tenant)
            .ok_or(ApprovalError::NoStanding(id))
    }

    /// Ends a standing approval as `user`, who needs the right to reject such calls. Returns the decision.
    pub(crate) async fn revoke(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        id: StandingId,
        note: Option<&str>,
        channel: &str,
    ) -> Result<DecisionId, ApprovalError> {
        let row = self.standing(ruleset, id)?;
        let subject = Subject::standing(&row, channel);
        let (request, entities) = subject.request(ruleset, user, Action::Reject);
        let judged = self.judge(ruleset, request, entities);
        let (record, payload) = self.standing_record(ruleset, &judged, row.run, id)?;
        let mut batch = Batch {
            records: vec![record],
            payloads: vec![payload],
            conditions: Vec::new(),
        };
        let is_allowed = matches!(judged.decision, Decision::Allow(_));
        if is_allowed && row.state == StandingState::Active {
            let note = note.map(|note| printable(note, 1000));
            let ended = row.ended_by(StandingState::Revoked, Some(user), note);
            let ended = Record::new(row.tenant.clone(), None, judged.facts.now, ended);
            batch.records.push(ended);
        }
        let decision = match self.commit(batch).await {
            Ok(receipt) => DecisionId(receipt.first()),
            // It was used up, or ended, since it was read.
            Err(CommitError::ApprovalChanged) => {
                let state = self.standing(ruleset, id)?.state;
                return Err(ApprovalError::StandingOver { id, state });
            }
            Err(error) => return Err(Refusal::from(error).into()),
        };
        if !is_allowed {
            let basis = Box::new(judged.decision.basis().clone());
            return Err(Refusal::Denied { decision, basis }.into());
        }
        match row.state {
            StandingState::Active => Ok(decision),
            state => Err(ApprovalError::StandingOver { id, state }),
        }
    }

    /// Whether `user` may approve or reject such calls now.
    pub(crate) fn can_answer_for(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        row: &StandingRow,
    ) -> bool {
        let subject = Subject::standing(row, REST);
        [Action::Approve, Action::Reject].into_iter().any(|action| {
            let (request, entities) = subject.request(ruleset, user, action);
            let decision = self.judge(ruleset, request, entities).decision;
            matches!(decision, Decision::Allow(_))
        })
    }

    /// A standing approval as `user` may see it: the pattern only if they may answer for such calls. Showing
    /// it is recorded first.
    pub(crate) async fn standing_view(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        row: StandingRow,
    ) -> Result<StandingView, ApprovalError> {
        if !self.can_answer_for(ruleset, user, &row) {
            return Ok(StandingView { row, pattern: None });
        }
        let plain = self
            .ledger
            .unseal(row.opened, row.granted.pattern, "pattern");
        let pattern = plain
            .ok()
            .and_then(|plain| serde_json::from_slice::<ArgumentPattern>(&plain).ok());
        let Some(pattern) = pattern else {
            return Ok(StandingView { row, pattern: None });
        };
        let target = row.granted.id.to_string();
        self.note_shown(user, &row.tenant, row.run, target).await?;
        let text = serde_json::to_string(&pattern.constraints());
        let text = text.map_err(|e| ApprovalError::Store(e.to_string()))?;
        let pattern = Some(printable(&text, usize::MAX));
        Ok(StandingView { row, pattern })
    }
}
