//! Single flight of approved calls: a repeat of a running call gets the same answer.
//!
//! An approval is for one execution. Two clients that wait for the same one both repeat the call once it is
//! granted; otherwise the second would request another approval.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;
use tollgate_ledger::Binding;
use tollgate_model::ids::{ApprovalId, SpanId};

use super::Answer;

type Outcome = watch::Receiver<Option<Answer>>;

/// Running calls that an approval allowed.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlightCalls(Arc<Mutex<Calls>>);

#[derive(Debug, Default)]
struct Calls {
    /// By their identity: the span of the running call, and its approval.
    by_binding: HashMap<Binding, (SpanId, ApprovalId, Outcome)>,
    /// How many clients wait for an approval, and will repeat its call.
    waiters: HashMap<ApprovalId, usize>,
    /// Ended calls that some waiting clients have not repeated yet.
    kept: HashMap<ApprovalId, Binding>,
}

/// A call that is about to run, or is running.
#[derive(Debug)]
pub(crate) struct InFlightGuard {
    all: InFlightCalls,
    approval: ApprovalId,
    binding: Binding,
    outcome: watch::Sender<Option<Answer>>,
}

/// A client that waits for an approval and will repeat its call: as long as this exists, the first client's
/// answer is kept for it.
#[derive(Debug)]
pub struct ApprovalWaiter {
    all: InFlightCalls,
    approval: ApprovalId,
}

/// The answer of another call, once available.
#[derive(Debug)]
pub(crate) struct AnswerSubscription(Outcome);

impl InFlightCalls {
    fn with<T>(&self, f: impl FnOnce(&mut Calls) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Registers the call that arrived as `own` and is about to run with `approval`; or returns the answer
    /// of the running one.
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

    /// The answer of the same call, if it is running. `binding` is evaluated only if any call is.
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

    /// Whether the call that an approval allowed is still running, or its answer is kept for waiting
    /// clients.
    pub(crate) fn has(&self, approval: ApprovalId) -> bool {
        self.with(|calls| calls.by_binding.values().any(|(_, by, _)| *by == approval))
    }

    /// Counts one more waiting client.
    pub(crate) fn waiter(&self, approval: ApprovalId) -> ApprovalWaiter {
        self.with(|calls| *calls.waiters.entry(approval).or_default() += 1);
        ApprovalWaiter {
            all: self.clone(),
            approval,
        }
    }
}

impl InFlightGuard {
    /// Gives the answer to all waiting clients.
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
    /// The answer; `None` if the other call ended without one.
    pub(crate) async fn answer(mut self) -> Option<Answer> {
        let answer = self.0.wait_for(Option::is_some).await.ok()?;
        answer.clone()
    }
}
