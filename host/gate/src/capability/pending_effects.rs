//! The effects of a call that are not recorded yet.

use std::collections::BTreeSet;

use tollgate_ledger::{Batch, CommitError, Payload, Receipt, StateUpdate, StateUpdateResult};
use tollgate_model::{ids::SpanId, record::Record};
use tollgate_sandbox::port::Permit;

use super::{Capabilities, progress::ReportCount};
use crate::enforce::Refusal;

/// The most records that wait for the next commit of their call; beyond that they are committed at once.
pub(super) const MAX_WAITING: usize = 256;
/// The most sealed bytes that wait with them.
pub(super) const MAX_WAITING_BYTES: usize = 1 << 20;
/// The most bytes that are sealed for all decisions about one call's effects.
const MAX_SEALED: usize = 64 << 20;

/// The state of a call that is not recorded yet.
#[derive(Debug, Default)]
pub(super) struct PendingEffects {
    pub(super) records: Vec<Record>,
    pub(super) payloads: Vec<Payload>,
    /// Bytes that were sealed for decisions so far.
    sealed: usize,
    /// Labels of the data that the guest has read.
    pub(super) labels: BTreeSet<String>,
    /// Started effects that change the world.
    pub(super) effects: u64,
    /// Lines of the component's log that were recorded.
    pub(super) log_lines: u32,
    /// Their bytes.
    pub(super) log_bytes: usize,
    /// Nested calls.
    pub(super) calls: u32,
    /// Questions of the call's server.
    pub(super) elicitations: u32,
    /// The approval that the call waits for, if any.
    pub(super) awaited: Option<Refusal>,
    /// Its effects so far, in short.
    pub(super) happened: Vec<String>,
    /// The guest has ended: no new effect begins.
    pub(super) draining: bool,
    pub(super) reported: ReportCount,
    /// The call has ended: all requests are refused.
    pub(super) closed: bool,
}

/// What is left to record when a call ends.
#[derive(Debug, Default)]
pub(crate) struct UnrecordedEffects {
    pub(crate) records: Vec<Record>,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) labels: BTreeSet<String>,
    pub(crate) effects: u64,
    /// The pending approval, with the call's effects so far.
    pub(crate) pending: Option<Refusal>,
}

/// The refusal of a request after the end of the call.
pub(super) fn call_over() -> Refusal {
    Refusal::Halted {
        reason: "the call has ended".into(),
    }
}

impl PendingEffects {
    /// Counts a decision and the bytes sealed for it. `effects` is 1 if it changes the world, otherwise 0.
    pub(super) fn begin(&mut self, effects: u64, sealed: usize) -> Result<(), Refusal> {
        if self.closed {
            return Err(call_over());
        }
        self.sealed = self.sealed.saturating_add(sealed);
        if self.sealed > MAX_SEALED {
            return Err(Refusal::Unrecorded {
                reason: "this call has requested more effects than are recorded for one call"
                    .into(),
            });
        }
        self.effects += effects;
        Ok(())
    }

    /// Keeps the decision that allows `act` for the next commit. `span` is the decision's, and the parent of
    /// the effect.
    pub(super) fn queue<A>(
        &mut self,
        act: A,
        span: SpanId,
        record: Record,
        payload: Payload,
    ) -> QueuedAct<A> {
        self.records.push(record);
        self.payloads.push(payload);
        QueuedAct { act, span }
    }

    /// Whether so much waits that it is to be committed at once.
    pub(super) fn is_full(&self) -> bool {
        let bytes: usize = self.payloads.iter().map(|p| p.ciphertext.len()).sum();
        self.records.len() >= MAX_WAITING || bytes >= MAX_WAITING_BYTES
    }

    /// A started effect did not happen.
    pub(super) fn revert(&mut self, effects: u64) {
        self.effects = self.effects.saturating_sub(effects);
    }
}

/// An allowed act whose decision waits in the call's queue: a read. It is recorded before any later effect of
/// the call, and before the call's result leaves. Only [`PendingEffects::queue`] makes one.
#[derive(Debug)]
pub(super) struct QueuedAct<A> {
    act: A,
    span: SpanId,
}

impl<A> QueuedAct<A> {
    /// The same for the sandbox.
    pub(super) fn for_guest(self, label_epoch: u64) -> Permit<A> {
        Permit::issue(self.act, self.span, label_epoch)
    }
}

/// The index of a batch's first record, and the result of its state update.
pub(super) struct CommittedBatch {
    pub(super) first: u64,
    pub(super) receipt: Receipt,
    pub(super) update: StateUpdateResult,
}

impl Capabilities {
    /// Commits a batch together with the call's unrecorded effects. If that fails, the effects wait for the
    /// next commit, or for the end of the call.
    ///
    /// # Errors
    /// [`Refusal`] if nothing was recorded.
    pub(super) async fn commit(
        &self,
        mut own: Batch,
        update: Option<StateUpdate>,
    ) -> Result<CommittedBatch, Refusal> {
        let _guard = self.committing.read().await;
        let (records, payloads) = {
            let mut pending = self.pending();
            // Under the lock: once the call drains, its outcome may be recorded, and nothing may follow it.
            if pending.draining || pending.closed {
                return Err(call_over());
            }
            let records = std::mem::take(&mut pending.records);
            (records, std::mem::take(&mut pending.payloads))
        };
        let before = records.len() as u64;
        own.records.splice(0..0, records.iter().cloned());
        own.payloads.splice(0..0, payloads.iter().cloned());
        let committed: Result<_, CommitError> = match update {
            Some(update) => self.pep.commit_with(own, update).await,
            None => {
                let committed = self.pep.commit(own).await;
                committed.map(|receipt| (receipt, StateUpdateResult::Done { existed: true }))
            }
        };
        match committed {
            Ok((receipt, update)) => Ok(CommittedBatch {
                first: receipt.first() + before,
                receipt,
                update,
            }),
            Err(error) => {
                let mut pending = self.pending();
                pending.records.splice(0..0, records);
                pending.payloads.splice(0..0, payloads);
                Err(error.into())
            }
        }
    }

    /// Waits until no nested call runs and the last request is recorded, and lets no new effect begin.
    pub(crate) async fn drain(&self) {
        self.pending().draining = true;
        drop(self.calling.lock().await);
        drop(self.committing.write().await);
    }

    /// What is left to record; the call has ended.
    pub(crate) fn finish(&self) -> UnrecordedEffects {
        let over = PendingEffects {
            closed: true,
            ..PendingEffects::default()
        };
        let pending = std::mem::replace(&mut *self.pending(), over);
        UnrecordedEffects {
            records: pending.records,
            payloads: pending.payloads,
            labels: pending.labels,
            effects: pending.effects,
            pending: pending
                .awaited
                .map(|refusal| refusal.after(pending.happened)),
        }
    }
}

#[cfg(test)]
mod tests;
