//! Calls that an approval has let run, while they run: a repeat meanwhile gets the same answer.
//!
//! An approval is for one execution. Two clients that wait for the same one both repeat the call once it
//! is given; without this the second would ask for another.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;
use tollgate_ledger::Binding;
use tollgate_model::ids::{ApprovalId, SpanId};

use super::Answer;

type Outcome = watch::Receiver<Option<Answer>>;

/// The calls that an approval has let run.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlightCalls(Arc<Mutex<Calls>>);

#[derive(Debug, Default)]
struct Calls {
    /// By what identifies them, with the span of the one that runs and what has let it.
    by_binding: HashMap<Binding, (SpanId, ApprovalId, Outcome)>,
    /// How many wait for an approval, and will repeat the call that it is for.
    waiters: HashMap<ApprovalId, usize>,
    /// Calls that have ended, and that some who waited have not repeated yet.
    kept: HashMap<ApprovalId, Binding>,
}

/// A call that is about to run, or runs.
#[derive(Debug)]
pub(crate) struct InFlightGuard {
    all: InFlightCalls,
    approval: ApprovalId,
    binding: Binding,
    outcome: watch::Sender<Option<Answer>>,
}

/// Somebody who waits for an approval, and will repeat the call that it is for: while this lasts, the
/// first one's answer is kept for them.
#[derive(Debug)]
pub struct ApprovalWaiter {
    all: InFlightCalls,
    approval: ApprovalId,
}

/// The answer of another call, once there is one.
#[derive(Debug)]
pub(crate) struct AnswerSubscription(Outcome);

impl InFlightCalls {
    fn with<T>(&self, f: impl FnOnce(&mut Calls) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Note that the call that arrived as `own` is about to run, by `approval`; or get the answer of the
    /// one that does.
    pub(crate) fn begin(
        &self,
        approval: ApprovalId,
        binding: Binding,
        own: SpanId,
        mine: &mut Option<InFlightGuard>,
    ) -> Result<(), AnswerSubscription> {
        self.with(|calls| match calls.by_binding.get(&binding) {
            Some((other, _, outcome)) if *other != own => Err(AnswerSubscription(outcome.clone())),
            Some(_) => Ok(()),
            None => {
                let (outcome, heard) = watch::channel(None);
                calls
                    .by_binding
                    .insert(binding.clone(), (own, approval, heard));
                *mine = Some(InFlightGuard {
                    all: self.clone(),
                    approval,
                    binding,
                    outcome,
                });
                Ok(())
            }
        })
    }

    /// The answer of the same call, if that runs. `binding` is asked only where anything does.
    pub(crate) fn of(
        &self,
        own: SpanId,
        binding: impl FnOnce() -> Binding,
    ) -> Option<AnswerSubscription> {
        self.with(|calls| {
            if calls.by_binding.is_empty() {
                return None;
            }
            let (other, _, outcome) = calls.by_binding.get(&binding())?;
            (*other != own).then(|| AnswerSubscription(outcome.clone()))
        })
    }

    /// Whether the call that an approval has let run still runs, or its answer is kept for those who
    /// waited.
    pub(crate) fn has(&self, approval: ApprovalId) -> bool {
        self.with(|calls| calls.by_binding.values().any(|(_, by, _)| *by == approval))
    }

    /// Count one more who waits.
    pub(crate) fn waiter(&self, approval: ApprovalId) -> ApprovalWaiter {
        self.with(|calls| *calls.waiters.entry(approval).or_default() += 1);
        ApprovalWaiter {
            all: self.clone(),
            approval,
        }
    }
}

impl InFlightGuard {
    /// Give the answer to all who wait for it.
    pub(crate) fn finish(self, answer: &Answer) {
        self.outcome.send_replace(Some(answer.clone()));
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let answered = self.outcome.borrow().is_some();
        self.all.with(|calls| {
            if answered && calls.waiters.contains_key(&self.approval) {
                calls.kept.insert(self.approval, self.binding.clone());
            } else {
                calls.by_binding.remove(&self.binding);
            }
        });
    }
}

impl Drop for ApprovalWaiter {
    fn drop(&mut self) {
        self.all.with(|calls| {
            let Some(waiters) = calls.waiters.get_mut(&self.approval) else {
                return;
            };
            *waiters = waiters.saturating_sub(1);
            if *waiters == 0 {
                calls.waiters.remove(&self.approval);
                if let Some(binding) = calls.kept.remove(&self.approval) {
                    calls.by_binding.remove(&binding);
                }
            }
        });
    }
}

impl AnswerSubscription {
    /// The answer; nothing if the other call ended without one.
    pub(crate) async fn answer(mut self) -> Option<Answer> {
        let answer = self.0.wait_for(Option::is_some).await.ok()?;
        answer.clone()
    }
}
