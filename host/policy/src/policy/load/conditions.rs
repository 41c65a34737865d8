//! Parts of conditions that can only be mistakes.

use std::sync::Arc;

use super::Check;
use crate::policy::{LoadedPolicy, remedy::listed, scope::PolicyScope};

impl<'a> Check<'a> {
    /// What no request fits is a mistake also where the policy can apply without it.
    pub(super) fn misfits(&mut self, policies: &[&'a Arc<LoadedPolicy>]) {
        for policy in policies {
            let id = &policy.determining.policy.id;
            let source = self.sources.get(policy.file.as_str());
            let Some(source) = source.filter(|_| !self.faulty.contains(id.as_str())) else {
                continue;
            };
            let scope = PolicyScope::new(self.schema.as_ref(), policy.cedar.as_ref());
            for misfit in scope.misfits_of_condition() {
                let place = source.at(misfit.loc.as_ref());
                let message = format!(
                    "policy `{id}` asks for what is never so: {}",
                    misfit.message
                );
                self.said
                    .push(place.warning("policy::suspicious", message, &misfit.help));
            }
        }
    }

    /// A `has` that asks for an attribute which does not exist is always false.
    pub(super) fn unknown_attributes(&mut self, policies: &[&'a Arc<LoadedPolicy>]) {
        for policy in policies {
            let Some(source) = self.sources.get(policy.file.as_str()) else {
                continue;
            };
            let scope = PolicyScope::new(self.schema.as_ref(), policy.cedar.as_ref());
            let id = &policy.determining.policy.id;
            for unknown in scope.unknown_attributes(&policy.condition) {
                let help = match unknown.near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if scope.names_its_actions() => {
                        let names: Vec<&str> = unknown.names.iter().map(String::as_str).collect();
                        format!("`{}` has {}", unknown.of, listed(&names))
                    }
                    // It may be meant for future tools.
                    None => continue,
                };
                let message = format!(
                    "policy `{id}` asks whether `{}` has `{}`, which nothing that it is about has",
                    unknown.of, unknown.name
                );
                let place = source.at(unknown.loc.as_ref());
                let code = "policy::unknown-attribute";
                self.said.push(place.warning(code, message, &help));
                self.faulty.insert(id);
            }
        }
    }
}
