//! Standing approvals: list, show, revoke, and void those that a halt is about.

use tollgate_ledger::{Batch, CommitError, StandingFilter, StandingRow};
use tollgate_model::{
    entity::{Kind, Uid},
    ids::{DecisionId, StandingId},
    life::StandingState,
    record::Record,
    request::Action,
};

use super::{Gate, OperateError};
use crate::{
    enforce::{ApprovalError, Refusal, StandingView},
    identity::Caller,
};

impl Gate {
    /// Whether `caller` may know of a standing approval: its principal, the user for whom its calls are,
    /// its approver, and people who may answer for such calls or read the run in which it was given. Not
    /// recorded.
    #[must_use]
    pub fn sees_standing(&self, caller: &Caller, row: &StandingRow) -> bool {
        let (ruleset, granted) = (self.ruleset(), &row.granted);
        if row.tenant != ruleset.config.gate.tenant {
            return false;
        }
        let own = granted.principal == caller.principal()
            && self.on_behalf_of(caller).as_ref() == Some(&granted.on_behalf_of);
        let Caller::User(name) = caller else {
            return own;
        };
        let user = Uid::new(Kind::User, name);
        own || granted.on_behalf_of == user
            || granted.by == user
            || self.pep().can_answer_for(&ruleset, &user, row)
            || self.is_allowed_on_run(&user, Action::ViewRun, row.run, &row.tenant)
    }

    /// A standing approval as `user` may see it. Showing its pattern is recorded.
    ///
    /// # Errors
    /// [`ApprovalError`]; also if this person may not know of it.
    pub async fn standing(
        &self,
        user: &Uid,
        id: StandingId,
    ) -> Result<StandingView, ApprovalError> {
        let ruleset = self.ruleset();
        let row = self.pep().standing(&ruleset, id)?;
        if !self.sees_standing(&Caller::User(user.id.clone()), &row) {
            return Err(ApprovalError::NoStanding(id));
        }
        self.pep().standing_view(&ruleset, user, row).await
    }

    /// Ends a standing approval as `user` by this channel, at once. Returns the decision that allows it.
    ///
    /// # Errors
    /// [`ApprovalError`].
    pub async fn revoke_standing(
        &self,
        user: &Uid,
        id: StandingId,
        note: Option<&str>,
        channel: &str,
    ) -> Result<DecisionId, ApprovalError> {
        let ruleset = self.ruleset();
        self.pep().revoke(&ruleset, user, id, note, channel).await
    }

    /// Voids the standing approvals that match, and returns their number.
    pub(super) async fn void_standing(
        &self,
        by: &Uid,
        reason: &str,
        matches: impl Fn(&StandingRow) -> bool,
    ) -> Result<usize, OperateError> {
        let active = StandingFilter {
            active: true,
            ..StandingFilter::default()
        };
        let rows = self.ledger().reader().standing_approvals(&active)?;
        let mut voided = 0;
        for row in rows.into_iter().filter(&matches) {
            let ended = row.ended_by(StandingState::Voided, Some(by), Some(reason.into()));
            let batch = Batch {
                records: vec![Record::new(row.tenant, None, self.pep().now(), ended)],
                ..Batch::default()
            };
            match self.pep().commit(batch).await {
                Ok(_) => voided += 1,
                // It was used up, or ended, just now.
                Err(CommitError::ApprovalChanged) => {}
                Err(error) => return Err(Refusal::from(error).into()),
            }
        }
        Ok(voided)
    }
}
