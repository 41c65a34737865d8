//! One question for several calls of a run that wait for the same reason.

use std::fmt::Write as _;

use tollgate_ledger::ApprovalRow;
use tollgate_model::{canonical::Sha256Digest, decision::Requirement, ids::ApprovalId};

use super::ApprovalError;
use crate::enforce::{CallContext, Pep, Refusal, Ruleset};

/// Digest of what is asked: each call by its approval and the digest that it is shown with.
pub(crate) fn question_digest(rows: &[ApprovalRow]) -> Sha256Digest {
    let mut text = String::new();
    for row in rows {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} {}", row.id, row.shown_digest().as_str());
    }
    Sha256Digest::of(text.as_bytes())
}

impl Pep {
    /// The pending calls of the question of an approval, oldest first. Empty if nothing of it is pending.
    pub(crate) fn question(
        &self,
        ruleset: &Ruleset,
        id: ApprovalId,
    ) -> Result<Vec<ApprovalRow>, ApprovalError> {
        let row = self.approval_row(ruleset, id)?;
        if row.elicitation.is_some() {
            return Err(ApprovalError::Question(id));
        }
        let now = self.now();
        let pending = self.ledger.reader().pending_of_run(row.run)?.into_iter();
        let same = pending.filter(|other| other.question == row.question && other.expires > now);
        Ok(same.collect())
    }

    /// The question that a call of this run joins: one that is pending for the same reason.
    pub(crate) fn find_question(
        &self,
        cx: &CallContext,
        requirement: &Requirement,
    ) -> Result<Option<ApprovalId>, Refusal> {
        let pending = self.ledger.reader().pending_of_run(cx.run);
        let pending = pending.map_err(|e| Refusal::Unrecorded {
            reason: e.to_string(),
        })?;
        let now = self.now();
        let joined = pending.into_iter().find(|row| {
            row.expires > now
                && row.capability.is_none()
                && row.elicitation.is_none()
                && row.edited.is_none()
                && row.requirement == *requirement
        });
        Ok(joined.map(|row| row.question))
    }
}
