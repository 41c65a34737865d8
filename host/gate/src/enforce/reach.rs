//! What a principal could ever call. The rest is not listed to it, so that models do not try; a call of it is
//! decided like any other.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use tollgate_model::{
    entity::{Kind, Uid},
    request::Action,
};

use super::Ruleset;
use crate::tool::{Feature, Tool};

/// The tools and prompts that one principal could ever call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// The others, by the name by which they are called.
    beyond: BTreeSet<String>,
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

impl Ruleset {
    /// What `principal` could ever call, with any arguments and facts, and with any approval. Everything, if the
    /// configuration does not have the principal.
    #[must_use]
    pub fn reach(&self, principal: &Uid) -> Arc<Reach> {
        // Only configured principals are kept, so that there is an end of them.
        if !self.pdp.knows(principal) {
            return Arc::default();
        }
        let held = || {
            self.reaches
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(known) = held().get(principal) {
            return Arc::clone(known);
        }
        let beyond = self
            .callables()
            .filter(|tool| !self.may_call(principal, tool));
        let reach = Arc::new(Reach {
            beyond: beyond.map(|tool| tool.name.clone()).collect(),
        });
        held().insert(principal.clone(), Arc::clone(&reach));
        reach
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
            // They have labels and names of their own, and the list of them is the server's.
            Feature::Resources => return true,
        };
        let environment = &self.config.gate.environment;
        self.pdp
            .may_allow(principal, &action, &resource, environment)
    }
}
