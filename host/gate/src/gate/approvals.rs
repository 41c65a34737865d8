//! Approvals: answered, looked at, waited for, withdrawn, cancelled.

use tollgate_ledger::{ApprovalFilter, ApprovalRow, Batch, CommitError, Condition};
use tollgate_model::{entity::Uid, ids::ApprovalId, life::ApprovalState, record::Record};

use super::{Gate, OperateError};
use crate::{
    enforce::{
        ApprovalError, ApprovalResponse, ApprovalResult, ApprovalView, ApprovalWaiter, PendingCall,
        Refusal,
    },
    identity::Caller,
};

/// How often open approvals are read again because they change while they are cancelled.
const MAX_ROUNDS: u32 = 100;

impl Gate {
    /// Answer an approval as `user`.
    ///
    /// # Errors
    /// [`ApprovalError`].
    pub async fn answer(
        &self,
        user: &Uid,
        id: ApprovalId,
        response: ApprovalResponse<'_>,
    ) -> Result<ApprovalResult, ApprovalError> {
        let ruleset = self.ruleset();
        let answered = self.pep().answer(&ruleset, user, id, response).await;
        self.approvals_changed();
        answered
    }

    pub(crate) fn approvals_changed(&self) {
        self.0.approvals.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// An approval as `user` may see it. That its arguments are shown is recorded.
    ///
    /// # Errors
    /// [`ApprovalError`]; also where this person may not know of it.
    pub async fn approval(
        &self,
        user: &Uid,
        id: ApprovalId,
    ) -> Result<ApprovalView, ApprovalError> {
        let caller = Caller::User(user.id.clone());
        let row = self.ledger().reader().approval(id)?;
        let row = row
            .filter(|row| self.sees_approval(&caller, row))
            .ok_or(ApprovalError::NotFound(id))?;
        let ruleset = self.ruleset();
        self.pep().approval_view(&ruleset, user, row).await
    }

    /// Wait until an approval is no longer pending, or `timeout` has passed.
    ///
    /// # Errors
    /// [`ApprovalError`].
    pub async fn approval_settled(
        &self,
        id: ApprovalId,
        timeout: std::time::Duration,
    ) -> Result<ApprovalState, ApprovalError> {
        let mut changes = self.0.approvals.subscribe();
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            changes.borrow_and_update();
            let row = self
                .ledger()
                .reader()
                .approval(id)?
                .ok_or(ApprovalError::NotFound(id))?;
            let changed = tokio::time::timeout_at(deadline, changes.changed());
            if row.state != ApprovalState::Pending || changed.await.is_err() {
                return Ok(row.state);
            }
        }
    }

    /// An approval that the caller asked for, on the same person's behalf.
    ///
    /// # Errors
    /// [`ApprovalError::NotFound`] for all others; [`ApprovalError::Store`] if it cannot be read.
    pub fn own_approval(
        &self,
        caller: &Caller,
        id: ApprovalId,
    ) -> Result<ApprovalRow, ApprovalError> {
        self.pep().own_approval(&self.ruleset(), caller, id)
    }

    /// Cancel an approval that the caller asked for. Returns its state: unchanged if it is over or its call
    /// has begun.
    ///
    /// # Errors
    /// [`ApprovalError::NotFound`] for all others; [`ApprovalError::Store`] if it cannot be recorded.
    pub async fn withdraw(
        &self,
        caller: &Caller,
        id: ApprovalId,
    ) -> Result<ApprovalState, ApprovalError> {
        let withdrawn = self.pep().withdraw(&self.ruleset(), caller, id).await;
        self.approvals_changed();
        withdrawn
    }

    /// The call that an approval of the caller's is for, as it was made.
    ///
    /// # Errors
    /// [`ApprovalError::NotFound`] for all others.
    pub fn pending_call(
        &self,
        caller: &Caller,
        id: ApprovalId,
    ) -> Result<PendingCall, ApprovalError> {
        self.pep().pending_call(&self.ruleset(), caller, id)
    }

    /// Whether a repeat of the call that an approval has let run still gets that call's answer.
    #[must_use]
    pub fn is_underway(&self, id: ApprovalId) -> bool {
        self.pep().in_flight.has(id)
    }

    /// Announce a client that waits for an approval and will repeat the call that it is for.
    #[must_use]
    pub fn waiter(&self, id: ApprovalId) -> ApprovalWaiter {
        self.pep().in_flight.waiter(id)
    }

    /// Cancel the open approvals that match, and say how many. One that is answered meanwhile is looked at
    /// again; one that is used up, or over, stays what it is.
    pub(super) async fn cancel_approvals(
        &self,
        matches: impl Fn(&ApprovalRow) -> bool,
    ) -> Result<usize, OperateError> {
        let mut cancelled = 0;
        for _ in 0..MAX_ROUNDS {
            let open = self.ledger().reader().approvals(&ApprovalFilter::open())?;
            let mut changed = false;
            for row in open.into_iter().filter(&matches) {
                let resolved = row.resolved(ApprovalState::Cancelled);
                let now = self.pep().now();
                let batch = Batch {
                    conditions: vec![Condition::ApprovalUnchanged(row.id, row.version)],
                    records: vec![Record::new(row.tenant, Some(row.run), now, resolved)],
                    ..Batch::default()
                };
                match self.pep().commit(batch).await {
                    Ok(_) => cancelled += 1,
                    Err(CommitError::ApprovalChanged | CommitError::Illegal(_)) => changed = true,
                    Err(error) => return Err(Refusal::from(error).into()),
                }
            }
            if !changed {
                self.approvals_changed();
                return Ok(cancelled);
            }
        }
        let reason = "approvals change faster than they can be cancelled; do it again".into();
        Err(Refusal::Unrecorded { reason }.into())
    }
}
