//! The policies whose scope can match a request, found without looking at the others.
//!
//! This is sound: a policy whose scope does not match is neither satisfied nor in error, because Cedar
//! evaluates the scope first, and a scope never fails. The result is a superset of the matching policies;
//! the evaluator still checks every scope. Immutable once built.

use std::collections::HashMap;

use cedar_policy_core::{
    ast::{
        ActionConstraint, EntityReference, EntityType, EntityUID, Policy,
        PrincipalOrResourceConstraint as Constraint,
    },
    entities::{Dereference, Entities},
};

/// The position of a policy: policies are numbered from 0 in the order in which they were given.
pub(super) type Position = u32;

/// What a part of a scope requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    /// Nothing.
    Any,
    /// An entity of this type.
    Type(u32),
    /// This entity itself.
    Is(u32),
    /// This entity, or a descendant of it.
    In(u32),
}

type ByResource = HashMap<Key, Vec<Position>>;
type ByPrincipal = HashMap<Key, ByResource>;

/// Policies by scope.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Entities that scopes name, numbered.
    entities: HashMap<EntityUID, u32>,
    /// Types that scopes name, numbered.
    types: HashMap<EntityType, u32>,
    by_action: HashMap<Key, ByPrincipal>,
}

fn number<T: Clone + Eq + std::hash::Hash>(numbers: &mut HashMap<T, u32>, of: &T) -> u32 {
    if let Some(known) = numbers.get(of) {
        return *known;
    }
    // More than 2^32 names do not fit into memory. If they did, they would share the last number, and the
    // evaluator would still distinguish them.
    let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    numbers.insert(of.clone(), next);
    next
}

impl Index {
    /// Index `policies`.
    pub(super) fn new<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Self {
        let mut index = Self::default();
        for (position, policy) in (0..).zip(policies) {
            let principal = index.key(policy.principal_constraint().as_inner());
            let resource = index.key(policy.resource_constraint().as_inner());
            let actions = match policy.action_constraint() {
                ActionConstraint::Any => vec![Key::Any],
                ActionConstraint::Eq(action) => {
                    vec![Key::Is(number(&mut index.entities, action.as_ref()))]
                }
                ActionConstraint::In(actions) => {
                    let within = |a: &std::sync::Arc<EntityUID>| {
                        Key::In(number(&mut index.entities, a.as_ref()))
                    };
                    actions.iter().map(within).collect()
                }
            };
            for action in actions {
                let by_principal = index.by_action.entry(action).or_default();
                let by_resource = by_principal.entry(principal).or_default();
                by_resource.entry(resource).or_default().push(position);
            }
        }
        index
    }

    fn key(&mut self, constraint: &Constraint) -> Key {
        match constraint {
            Constraint::Any => Key::Any,
            Constraint::Is(ty) => Key::Type(number(&mut self.types, ty.as_ref())),
            Constraint::Eq(EntityReference::EUID(uid)) => {
                Key::Is(number(&mut self.entities, uid.as_ref()))
            }
            Constraint::In(EntityReference::EUID(uid))
            | Constraint::IsIn(_, EntityReference::EUID(uid)) => {
                Key::In(number(&mut self.entities, uid.as_ref()))
            }
            // A slot without a value: the evaluator decides what that means.
            Constraint::Eq(EntityReference::Slot(_))
            | Constraint::In(EntityReference::Slot(_))
            | Constraint::IsIn(_, EntityReference::Slot(_)) => Key::Any,
        }
    }

    /// Everything that a scope may require and `uid` satisfies.
    fn keys(&self, uid: &EntityUID, entities: &Entities) -> Vec<Key> {
        let mut keys = vec![Key::Any];
        keys.extend(self.types.get(uid.entity_type()).copied().map(Key::Type));
        if let Some(own) = self.entities.get(uid) {
            keys.extend([Key::Is(*own), Key::In(*own)]);
        }
        if let Dereference::Data(entity) = entities.entity(uid) {
            let above = entity.ancestors().filter(|a| *a != uid);
            keys.extend(
                above
                    .filter_map(|a| self.entities.get(a))
                    .map(|a| Key::In(*a)),
            );
        }
        keys
    }

    /// Positions of the policies whose scope can match, in ascending order.
    pub(super) fn candidates(
        &self,
        principal: &EntityUID,
        action: &EntityUID,
        resource: &EntityUID,
        entities: &Entities,
    ) -> Vec<Position> {
        self.found(
            &self.keys(action, entities),
            &self.keys(principal, entities),
            &self.keys(resource, entities),
        )
    }

    /// Positions of the policies whose scope may contain that of `policy`, in ascending order.
    pub(super) fn wider(&self, policy: &Policy, entities: &Entities) -> Vec<Position> {
        let actions = match policy.action_constraint() {
            ActionConstraint::Eq(action) => self.keys(action, entities),
            // What contains all of them contains the first.
            ActionConstraint::In(actions) => match actions.first() {
                Some(first) => self.keys(first, entities),
                None => vec![Key::Any],
            },
            ActionConstraint::Any => vec![Key::Any],
        };
        let part = |constraint| self.wider_keys(constraint, entities);
        self.found(
            &actions,
            &part(policy.principal_constraint().as_inner()),
            &part(policy.resource_constraint().as_inner()),
        )
    }

    fn wider_keys(&self, narrow: &Constraint, entities: &Entities) -> Vec<Key> {
        let of_type = |ty: &EntityType| self.types.get(ty).copied().map(Key::Type);
        match narrow {
            Constraint::Is(ty) => [Key::Any].into_iter().chain(of_type(ty)).collect(),
            Constraint::Eq(EntityReference::EUID(uid))
            | Constraint::In(EntityReference::EUID(uid)) => self.keys(uid, entities),
            Constraint::IsIn(ty, EntityReference::EUID(uid)) => {
                let mut keys = self.keys(uid, entities);
                keys.extend(of_type(ty));
                keys
            }
            _ => vec![Key::Any],
        }
    }

    /// What is indexed under one of these keys of each kind, in ascending order.
    fn found(&self, actions: &[Key], principals: &[Key], resources: &[Key]) -> Vec<Position> {
        let mut found = Vec::new();
        for action in actions {
            let Some(by_principal) = self.by_action.get(action) else {
                continue;
            };
            for by_resource in principals.iter().filter_map(|key| by_principal.get(key)) {
                for policies in resources.iter().filter_map(|key| by_resource.get(key)) {
                    found.extend_from_slice(policies);
                }
            }
        }
        found.sort_unstable();
        // An action may be in two of the groups that one scope lists.
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests;
