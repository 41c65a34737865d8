//! Values that the operator configured for a component, as resources of policies.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate_model::{
    entity::{Entity, Kind, Uid},
    request::{Action, ActionContext, Request},
};
use tollgate_sandbox::capability::config::ConfigAct;

use super::{EffectAction, EffectCaller};

/// The entry `<component>/<key>`.
fn uid(act: &ConfigAct, caller: &EffectCaller) -> Uid {
    let id = format!("{}/{}", caller.component, act.key);
    Uid::new(Kind::ConfigEntry, id)
}

impl EffectAction for ConfigAct {
    fn request(&self, caller: &EffectCaller) -> Request {
        Request {
            principal: Uid::new(Kind::Component, &caller.component),
            action: Action::ReadConfig,
            resource: uid(self, caller),
            context: ActionContext::Capability {
                guest: caller.guest(),
                size: 0,
            },
        }
    }

    fn entities(&self, caller: &EffectCaller) -> Vec<Entity> {
        let component = Uid::new(Kind::Component, &caller.component);
        let labels = self.labels.iter().map(|l| Uid::new(Kind::Label, l));
        let parents = [component].into_iter().chain(labels);
        vec![Entity::new(uid(self, caller), parents)]
    }

    fn changes_the_world(&self) -> bool {
        false
    }

    /// The key.
    fn target(&self) -> String {
        self.key.clone()
    }

    fn approval_detail(&self) -> Value {
        Value::Null
    }

    fn result_labels(&self) -> BTreeSet<String> {
        self.labels.clone()
    }
}
