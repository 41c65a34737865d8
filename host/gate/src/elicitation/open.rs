//! Questions that wait for a person now: each belongs to a call that is running in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;
use tollgate_model::ids::{ApprovalId, RunId};

use super::{Elicitation, ElicitationAnswer};

/// The most open questions of one server in one run.
const MAX_OF_RUN: usize = 4;
/// The most open questions of all servers.
const MAX_OPEN: usize = 1_000;

/// Open questions. Clones share the registry.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenElicitations(Arc<Mutex<HashMap<ApprovalId, OpenElicitation>>>);

#[derive(Debug)]
struct OpenElicitation {
    upstream: String,
    run: RunId,
    elicitation: Arc<Elicitation>,
    answer: oneshot::Sender<ElicitationAnswer>,
}

/// Keeps a question open until it is dropped.
#[derive(Debug)]
pub(crate) struct ElicitationGuard {
    all: OpenElicitations,
    id: ApprovalId,
}

impl Drop for ElicitationGuard {
    fn drop(&mut self) {
        self.all.with(|open| drop(open.remove(&self.id)));
    }
}

impl OpenElicitations {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<ApprovalId, OpenElicitation>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens a question, and returns the receiver of its answer; `None` if too many are open.
    pub(crate) fn open(
        &self,
        id: ApprovalId,
        upstream: &str,
        run: RunId,
        elicitation: &Arc<Elicitation>,
    ) -> Option<(ElicitationGuard, oneshot::Receiver<ElicitationAnswer>)> {
        let (answer, answered) = oneshot::channel();
        let is_open = self.with(|open| {
            let of_run = open
                .values()
                .filter(|other| other.run == run && other.upstream == upstream);
            if open.len() >= MAX_OPEN || of_run.count() >= MAX_OF_RUN {
                return false;
            }
            let new = OpenElicitation {
                upstream: upstream.to_owned(),
                run,
                elicitation: Arc::clone(elicitation),
                answer,
            };
            open.insert(id, new);
            true
        });
        is_open.then(|| {
            let all = self.clone();
            (ElicitationGuard { all, id }, answered)
        })
    }

    /// The question, if it is open.
    pub(crate) fn find(&self, id: ApprovalId) -> Option<Arc<Elicitation>> {
        self.with(|open| open.get(&id).map(|open| Arc::clone(&open.elicitation)))
    }

    /// Gives the waiting call its answer, which is recorded. The call may have ended meanwhile.
    pub(crate) fn answer(&self, id: ApprovalId, answer: ElicitationAnswer) {
        if let Some(open) = self.with(|open| open.remove(&id)) {
            let _ = open.answer.send(answer);
        }
    }
}
