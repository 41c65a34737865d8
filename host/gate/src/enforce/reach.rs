//! What a principal could ever call. The rest is not listed to it, so that models do not try; a call of it is
//! decided like any other.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use tollgate_model::entity::Uid;

/// The tools and prompts that one principal could ever call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// The others, by the name by which they are called.
    pub(crate) beyond: BTreeSet<String>,
}

impl Reach {
    /// Whether what is called by this name is within it.
    #[must_use]
    pub fn includes(&self, name: &str) -> bool {
        !self.beyond.contains(name)
    }
}

/// Reaches of the principals that have asked, for one ruleset.
#[derive(Debug, Default)]
pub(crate) struct Reaches(Mutex<HashMap<Uid, Arc<Reach>>>);

impl Reaches {
    /// That of `principal`, made on first use.
    pub(crate) fn of(&self, principal: &Uid, make: impl FnOnce() -> Reach) -> Arc<Reach> {
        let held = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = held().get(principal) {
            return Arc::clone(known);
        }
        let reach = Arc::new(make());
        held().insert(principal.clone(), Arc::clone(&reach));
        reach
    }
}
