//! Policies that nothing that is loaded can satisfy.

use std::{collections::BTreeSet, sync::Arc};

use cedar_policy_core::ast::{
    self, EntityType, EntityUID, PrincipalOrResourceConstraint as Constraint,
};
use tollgate_model::entity::NAMESPACE;

use super::{RequestSpace, Satisfiability, named_entities};
use crate::policy::{Diagnostic, Level, LoadedPolicy};

impl RequestSpace<'_> {
    /// The kind of entity that the policy's scope is open to and every request has to name, but of which
    /// none exists.
    fn missing_kind(&self, policy: &LoadedPolicy) -> Option<String> {
        let cedar: &ast::Policy = policy.cedar.as_ref();
        // A name that does not exist is reported separately.
        let is_open =
            |constraint: &Constraint| matches!(constraint, Constraint::Any | Constraint::Is(_));
        if !is_open(cedar.principal_constraint().as_inner())
            || !is_open(cedar.resource_constraint().as_inner())
        {
            return None;
        }
        let mut missing = None;
        for action in self.pdp.actions.values() {
            if !self.is_of(cedar.action_constraint(), action) {
                continue;
            }
            let types = self.pdp.schema.as_ref().get_action_id(action)?;
            let absent = |types: &mut dyn Iterator<Item = &EntityType>| {
                let mut last = None;
                for ty in types {
                    if self.by_type.contains_key(ty) {
                        return None;
                    }
                    last = Some(ty.name().basename().to_string().to_lowercase());
                }
                last
            };
            let kind = absent(&mut types.applies_to_principals())
                .or_else(|| absent(&mut types.applies_to_resources()))?;
            missing = Some(kind);
        }
        missing
    }

    /// Whether one entity alone can be both principal and resource of what the policy is about: a rule about two
    /// of them applies once there is another.
    fn lacks_second(&self, policy: &LoadedPolicy) -> bool {
        let cedar: &ast::Policy = policy.cedar.as_ref();
        let about = |action: &&Arc<EntityUID>| self.is_of(cedar.action_constraint(), action);
        let mut actions = self.pdp.actions.values().filter(about).peekable();
        actions.peek().is_some()
            && actions.all(|action| {
                let Some(types) = self.pdp.schema.as_ref().get_action_id(action) else {
                    return false;
                };
                let resources: BTreeSet<&EntityType> = types.applies_to_resources().collect();
                let mut both = types
                    .applies_to_principals()
                    .filter(|ty| resources.contains(ty));
                both.any(|ty| self.by_type.get(ty).is_some_and(|all| all.len() == 1))
            })
    }

    pub(super) fn dead(&self, policy: &LoadedPolicy) -> Diagnostic {
        let id = &policy.determining.policy.id;
        if let Some(kind) = self.missing_kind(policy) {
            return policy.diagnostic(
                Level::Note,
                "policy::idle",
                format!("policy `{id}` applies to nothing yet: no {kind} is loaded"),
                "nothing to do if you will add some later",
            );
        }
        let unsatisfiable = matches!(
            self.satisfiability(policy, &self.labelled),
            Satisfiability::Unsatisfiable
        );
        if unsatisfiable && self.lacks_second(policy) {
            return policy.diagnostic(
                Level::Note,
                "policy::idle",
                format!(
                    "policy `{id}` applies to nothing yet: it is about two users, and one is loaded"
                ),
                "nothing to do if you will add some later",
            );
        }
        if unsatisfiable {
            return policy.diagnostic(
                Level::Warning,
                "policy::dead",
                format!(
                    "policy `{id}` can never apply: no agent, user, component, tool or secret that is loaded fits \
                     its scope and condition"
                ),
                "compare its principal, action and resource with `tollgate tools list` and tollgate.toml, or remove it",
            );
        }
        let cedar: &ast::Policy = policy.cedar.as_ref();
        let labels: BTreeSet<String> = named_entities(cedar)
            .filter(|uid| uid.entity_type().to_string() == format!("{NAMESPACE}::Label"))
            .map(|uid| AsRef::<str>::as_ref(uid.eid()).to_owned())
            .collect();
        let labels: Vec<String> = labels.into_iter().collect();
        policy.diagnostic(
            Level::Note,
            "policy::idle",
            format!(
                "policy `{id}` applies to nothing yet: nothing that is loaded has a label that it requires ({})",
                labels.join(", ")
            ),
            "nothing to do if it is meant for future tools",
        )
    }
}
