//! Approvals: answer, show, wait, withdraw, cancel.

use tollgate_ledger::{ApprovalFilter, ApprovalRow, Batch, CommitError, Condition};
use tollgate_model::{
    canonical::Sha256Digest, entity::Uid, ids::ApprovalId, life::ApprovalState, record::Record,
};

use super::{Gate, OperateError};
use crate::{
    enforce::{
        ApprovalError, ApprovalResponse, ApprovalResult, ApprovalView, ApprovalWaiter, CallRequest,
        ElicitationResponse, PendingCall, REST, Refusal, Responder, Ruleset, ToolCall,
        question_digest,
    },
    identity::Caller,
    pipeline::parse_call,
};

/// How often open approvals are read again because they change during cancellation.
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
        let edited = self.edited_call(&ruleset, id, response.edit)?;
        let responder = Responder {
            ruleset: &ruleset,
            user,
            response,
            edited: edited.as_ref(),
        };
        let answered = self.pep().answer(responder, id).await;
        self.approvals_changed();
        answered
    }

    /// Answers all calls of the question of an approval as `user`: all of them, or none. The digest that was
    /// seen is [`ApprovalView::question_digest`].
    ///
    /// # Errors
    /// [`ApprovalError`].
    pub async fn answer_all(
        &self,
        user: &Uid,
        id: ApprovalId,
        response: ApprovalResponse<'_>,
    ) -> Result<Vec<ApprovalResult>, ApprovalError> {
        if response.edit.is_some() || response.standing.is_some() {
            let problem = "calls are edited, and approved in advance, one at a time";
            return Err(ApprovalError::NotStanding(problem.into()));
        }
        let ruleset = self.ruleset();
        let responder = Responder {
            ruleset: &ruleset,
            user,
            response,
            edited: None,
        };
        let answered = self.pep().answer_all(responder, id).await;
        self.approvals_changed();
        answered
    }

    /// The call of an approval with other arguments, which match its tool's schema.
    fn edited_call(
        &self,
        ruleset: &Ruleset,
        id: ApprovalId,
        arguments: Option<&str>,
    ) -> Result<Option<ToolCall>, ApprovalError> {
        let Some(arguments) = arguments else {
            return Ok(None);
        };
        let row = self.ledger().reader().approval(id)?;
        let row = row.filter(|row| row.tenant == ruleset.config.gate.tenant);
        let row = row.ok_or(ApprovalError::NotFound(id))?;
        let request = CallRequest {
            tool: row.tool,
            arguments: arguments.into(),
        };
        let call = parse_call(self.pep(), ruleset, &request);
        let call = call.map_err(|invalid| ApprovalError::NotEdited(invalid.refusal().message()))?;
        Ok(Some(call))
    }

    /// Answer a question of an upstream server as `user`.
    ///
    /// # Errors
    /// [`ApprovalError`].
    pub async fn answer_elicitation(
        &self,
        user: &Uid,
        id: ApprovalId,
        response: ElicitationResponse<'_>,
    ) -> Result<ApprovalResult, ApprovalError> {
        let ruleset = self.ruleset();
        let answered = self
            .pep()
            .answer_elicitation(&ruleset, user, id, response)
            .await;
        self.approvals_changed();
        answered
    }

    pub(crate) fn approvals_changed(&self) {
        self.pep().approvals_changed();
    }

    /// An approval as `user` may see it. Showing its arguments is recorded.
    ///
    /// # Errors
    /// [`ApprovalError`]; also if this person may not know of it.
    pub async fn approval(
        &self,
        user: &Uid,
        id: ApprovalId,
    ) -> Result<ApprovalView, ApprovalError> {
        self.approval_by(user, id, (REST, true)).await
    }

    /// An approval of which `caller` may know.
    pub(super) fn visible_approval(
        &self,
        caller: &Caller,
        id: ApprovalId,
    ) -> Result<ApprovalRow, ApprovalError> {
        let row = self.ledger().reader().approval(id)?;
        row.filter(|row| self.sees_approval(caller, row))
            .ok_or(ApprovalError::NotFound(id))
    }

    /// As [`Gate::approval`], by another channel, with the other calls of its question or without them.
    ///
    /// # Errors
    /// [`ApprovalError`]; also if this person may not know of it.
    pub async fn approval_by(
        &self,
        user: &Uid,
        id: ApprovalId,
        (channel, whole): (&str, bool),
    ) -> Result<ApprovalView, ApprovalError> {
        let caller = Caller::User(user.id.clone());
        let row = self.visible_approval(&caller, id)?;
        let ruleset = self.ruleset();
        let by = (channel, whole);
        self.pep().approval_view(&ruleset, user, row, by).await
    }

    /// The pending calls of the question of an approval, oldest first, and the digest to which an answer to all
    /// of them is bound. For notifications: no one's right to see them is decided.
    ///
    /// # Errors
    /// [`ApprovalError`]; also for what an upstream server asks.
    pub fn question(
        &self,
        id: ApprovalId,
    ) -> Result<(Vec<ApprovalRow>, Sha256Digest), ApprovalError> {
        let calls = self.pep().question(&self.ruleset(), id)?;
        let digest = question_digest(&calls);
        Ok((calls, digest))
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
        let mut changes = self.pep().approval_changes.subscribe();
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

    /// An approval that the caller requested for the same user.
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

    /// Cancels an approval that the caller requested. Returns its state: unchanged if it is resolved or its
    /// call has begun.
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

    /// The original call of an approval of the caller.
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

    /// Whether a repeat of the approved call still gets that call's answer.
    #[must_use]
    pub fn is_underway(&self, id: ApprovalId) -> bool {
        self.pep().in_flight.has(id)
    }

    /// Registers a client that waits for an approval and will repeat its call.
    #[must_use]
    pub fn waiter(&self, id: ApprovalId) -> ApprovalWaiter {
        self.pep().in_flight.waiter(id)
    }

    /// Cancels the open approvals that match, and returns their number. An approval that is answered
    /// meanwhile is checked again; one that is consumed or resolved stays unchanged.
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
        let reason = "approvals change faster than they can be cancelled; try again".into();
        Err(Refusal::Unrecorded { reason }.into())
    }
}
