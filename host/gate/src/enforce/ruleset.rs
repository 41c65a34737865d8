//! The rules of decisions: configuration, policies and tools. Immutable, and the same for a whole call.

use std::{collections::BTreeSet, fmt, sync::Arc};

use tollgate_model::{
    entity::{Kind, Uid},
    request::Action,
};
use tollgate_policy::{pdp::Pdp, tool_input::ToolInput};

use super::{Reach, Reaches};
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
    /// Tools that can be run with their reads alone, by the name of that. They are listed to no one.
    pub previews: Tools,
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
    /// What is called by this name: a tool, a prompt, the resources of a server, or the preview of a tool.
    #[must_use]
    pub fn callable(&self, name: &str) -> Option<&Arc<Tool>> {
        let listed = self.tools.get(name).or_else(|| self.others.get(name));
        listed.or_else(|| self.previews.get(name))
    }

    /// The typed arguments of a tool or a prompt. A resource has only its URI.
    pub(crate) fn input_of(&self, tool: &Tool) -> Option<&ToolInput> {
        match tool.feature {
            Feature::Tool | Feature::Preview => self.pdp.tool(tool.tool_name()),
            Feature::Prompt => self.pdp.prompt(&tool.prompt_name()),
            Feature::Resources => None,
        }
    }

    /// What `principal` could ever call, with any arguments and facts, and with any approval. Everything, if the
    /// configuration does not have the principal.
    #[must_use]
    pub fn reach(&self, principal: &Uid) -> Arc<Reach> {
        // Only configured principals are kept, so that there is an end of them.
        if !self.pdp.knows(principal) {
            return Arc::default();
        }
        self.reaches.of(principal, || {
            let callables = self.callables();
            let beyond = callables.filter(|tool| !self.may_call(principal, tool));
            Reach {
                beyond: beyond.map(|tool| tool.name.clone()).collect(),
            }
        })
    }

    fn may_call(&self, principal: &Uid, tool: &Tool) -> bool {
        let (action, resource) = match tool.feature {
            Feature::Tool => {
                let resource = Uid::new(Kind::Tool, &tool.name);
                (Action::Call(tool.name.clone()), resource)
            }
            Feature::Prompt => {
                let resource = Uid::new(Kind::Prompt, tool.prompt_name());
                (Action::GetPrompt, resource)
            }
            // Resources have labels and names of their own, and the list of them is the server's. Previews are not
            // listed.
            Feature::Resources | Feature::Preview => return true,
        };
        let environment = &self.config.gate.environment;
        self.pdp
            .may_allow(principal, &action, &resource, environment)
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
