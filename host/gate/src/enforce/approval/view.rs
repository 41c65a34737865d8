//! What an approver is shown of an approval.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};

use serde::Serialize;
use serde_json::Value;
use tollgate_ledger::{ApprovalRow, Batch};
use tollgate_model::{
    entity::Uid,
    provenance::ProvenanceSummary,
    record::{AdminAction, AdministrativeAct, Event, Record},
};

use super::ApprovalError;
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
    /// The question of an upstream server; absent where the arguments are.
    pub question: Option<ElicitationView>,
    /// Reasons of the policies that denied the call.
    pub reasons: Vec<String>,
    /// Labels of the run.
    pub labels: BTreeSet<String>,
    /// Where the values of the call come from; absent where nothing of it is known.
    pub provenance: Option<Box<ProvenanceSummary>>,
}

impl Pep {
    /// An approval as `user` may see it: the arguments only if they may answer it. Showing them is recorded
    /// first.
    pub(crate) async fn approval_view(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        row: ApprovalRow,
        channel: &str,
    ) -> Result<ApprovalView, ApprovalError> {
        let may_answer = self.can_answer(ruleset, user, &row, channel);
        let sealed = match row.payload {
            Some(digest) if may_answer => {
                self.note_shown(user, &row).await?;
                let plain = self.ledger.unseal(row.opened, digest, "arguments")?;
                let text: String = serde_json::from_slice(&plain)
                    .map_err(|e| ApprovalError::Store(e.to_string()))?;
                Some(text)
            }
            _ => None,
        };
        let question = sealed
            .as_deref()
            .filter(|_| row.elicitation.is_some())
            .and_then(|text| serde_json::from_str(text).ok())
            .and_then(|params: Value| Elicitation::parse(&params).ok())
            .map(|elicitation| elicitation.view());
        let arguments = sealed.map(|text| printable(&text, usize::MAX));
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
            question,
            reasons,
            labels,
            provenance: decision.and_then(|decision| decision.provenance),
        })
    }

    /// Records that `user` is shown the arguments of an approval; once per user.
    async fn note_shown(&self, user: &Uid, row: &ApprovalRow) -> Result<(), ApprovalError> {
        let shown = || self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown().get(&row.id).is_some_and(|to| to.contains(user)) {
            return Ok(());
        }
        let event = Event::Administered(AdministrativeAct {
            action: AdminAction::ApprovalArgumentsViewed,
            by: user.id.clone(),
            target: row.id.to_string(),
        });
        let batch = Batch {
            records: vec![Record::new(
                row.tenant.clone(),
                Some(row.run),
                self.now(),
                event,
            )],
            ..Batch::default()
        };
        self.commit(batch).await.map_err(Refusal::from)?;
        let mut shown = shown();
        let mut to = shown.get(&row.id).cloned().unwrap_or_default();
        to.insert(user.clone());
        shown.insert(row.id, to);
        Ok(())
    }
}
