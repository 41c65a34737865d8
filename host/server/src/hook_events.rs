//! Events of coding agents that their hook does not know, counted since the process started.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tollgate::config::ExternalPreset;

/// How many there were, by coding agent.
#[derive(Debug, Default)]
pub(crate) struct UnknownEvents(Mutex<BTreeMap<&'static str, u64>>);

impl UnknownEvents {
    /// Counts one.
    pub(crate) fn count(&self, preset: ExternalPreset) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(preset.as_str()).or_default() += 1;
    }

    /// The numbers up to now.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
