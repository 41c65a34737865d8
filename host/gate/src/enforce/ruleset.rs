//! The rules of decisions: configuration, policies and tools. Immutable, and the same for a whole call.

use std::{collections::BTreeSet, fmt, sync::Arc};

use tollgate_policy::{pdp::Pdp, tool_input::ToolInput};

use super::Reaches;
use crate::{
    capture::Capture,
    config::Config,
    secrets::Vault,
    tool::{Feature, Tool, Tools},
};

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
    /// Prompts and resources of upstream servers, by the name by which they are called.
    pub others: Tools,
    /// Every label that can occur now.
    pub labels: BTreeSet<String>,
    /// The configured secrets.
    pub secrets: Arc<Vault>,
    /// What is kept of payloads.
    pub capture: Arc<Capture>,
    /// What principals could ever call.
    pub(crate) reaches: Reaches,
}

impl Ruleset {
    /// What is called by this name: a tool, a prompt, or the resources of a server.
    #[must_use]
    pub fn callable(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.get(name).or_else(|| self.others.get(name))
    }

    /// The typed arguments of a tool or a prompt. A resource has only its URI.
    pub(crate) fn input_of(&self, tool: &Tool) -> Option<&ToolInput> {
        match tool.feature {
            Feature::Tool => self.pdp.tool(&tool.name),
            Feature::Prompt => self.pdp.prompt(&tool.prompt_name()),
            Feature::Resources => None,
        }
    }

    /// Everything that can be called: tools, then prompts and resources, each by name.
    pub fn callables(&self) -> impl Iterator<Item = &Arc<Tool>> {
        self.tools.values().chain(self.others.values())
    }
}

impl fmt::Debug for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ruleset")
            .field("bundle", &self.pdp.digest())
            .finish_non_exhaustive()
    }
}
