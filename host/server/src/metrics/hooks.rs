//! Metrics of coding agents' hooks.

use std::{fmt, sync::Arc};

use super::{Sample, Source, number};
use crate::hook_events::UnknownEvents;

/// Metrics of the hooks that ask this process.
pub struct HookMetrics(Arc<UnknownEvents>);

impl fmt::Debug for HookMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookMetrics")
    }
}

impl HookMetrics {
    pub(crate) fn of(events: &Arc<UnknownEvents>) -> Self {
        Self(Arc::clone(events))
    }
}

impl Source for HookMetrics {
    fn samples(&self) -> Vec<Sample> {
        let counts = self.0.counts().into_iter();
        counts
            .map(|(preset, count)| Sample {
                name: "hook_unknown_events",
                help: "Events of coding agents that their hook does not know",
                counter: true,
                labels: vec![("preset", preset.to_owned())],
                value: number(count),
            })
            .collect()
    }
}
