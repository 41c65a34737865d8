//! The rules of decisions: configuration, policies and tools. Immutable, and the same for a whole call.

use std::{collections::BTreeSet, fmt, sync::Arc};

use tollgate_policy::pdp::Pdp;

use crate::{capture::Capture, config::Config, secrets::Vault, tool::Tools};

/// One immutable version of everything that decisions depend on. It contains no executors.
pub struct Ruleset {
    /// The validated configuration.
    pub config: Config,
    /// The decision point for the loaded bundle.
    pub pdp: Pdp,
    /// The bundle's canonical JSON, as stored.
    pub bundle: Vec<u8>,
    /// By the name that agents see.
    pub tools: Tools,
    /// Every label that can occur now.
    pub labels: BTreeSet<String>,
    /// The configured secrets.
    pub secrets: Arc<Vault>,
    /// What is kept of payloads.
    pub capture: Arc<Capture>,
}

impl fmt::Debug for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ruleset")
            .field("bundle", &self.pdp.digest())
            .finish_non_exhaustive()
    }
}
