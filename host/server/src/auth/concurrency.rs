//! Limits the concurrent requests or calls of each principal, so that one cannot use up the capacity of all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tollgate::identity::Caller;
use tollgate_model::entity::Uid;

/// A limit, and the count of each principal. An agent is one principal, for all users for whom it acts.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    limit: usize,
    of: Mutex<HashMap<Uid, usize>>,
}

impl ConcurrencyLimit {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            of: Mutex::default(),
        })
    }

    /// Takes a slot, which is free again when the returned value is dropped. `None` if the limit is reached.
    pub(crate) fn enter(self: &Arc<Self>, caller: &Caller) -> Option<ConcurrencyPermit> {
        let principal = caller.principal();
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let count = of.entry(principal.clone()).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(ConcurrencyPermit {
            among: Arc::clone(self),
            principal,
        })
    }
}

/// One slot of a principal.
#[derive(Debug)]
pub(crate) struct ConcurrencyPermit {
    among: Arc<ConcurrencyLimit>,
    principal: Uid,
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        let mut of = self.among.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = of.get_mut(&self.principal) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                of.remove(&self.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests;
