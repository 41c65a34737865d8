//! The roles of a tool's arguments, and proposals from its schema.

mod names;
mod schema;

use std::collections::BTreeSet;

use serde_json::Value;

pub(super) use self::names::by_name;
use self::{
    names::is_other,
    schema::{Property, each_property},
};
use super::{Authority, PointerPattern, Role};

/// The role of some of a tool's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    /// Which arguments.
    pub pattern: PointerPattern,
    /// Their role; `None` if they have none, even if one is proposed.
    pub role: Option<Role>,
    /// Who says it.
    pub by: Authority,
}

/// The roles of a tool's arguments, by pointer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArgumentRoles(Vec<RoleRule>);

impl ArgumentRoles {
    /// The roles that the operator gives, before those that are proposed. `None` takes a proposal away.
    #[must_use]
    pub fn new(
        given: Vec<(PointerPattern, Option<Role>)>,
        proposed: Vec<(PointerPattern, Role)>,
    ) -> Self {
        let given = given.into_iter().map(|(pattern, role)| RoleRule {
            pattern,
            role,
            by: Authority::Operator,
        });
        let mut roles: Vec<RoleRule> = given.collect();
        for (pattern, role) in proposed {
            if !roles.iter().any(|known| known.pattern == pattern) {
                roles.push(RoleRule {
                    pattern,
                    role: Some(role),
                    by: Authority::Definition,
                });
            }
        }
        Self(roles)
    }

    /// The same for a tool that acts: what no one says a role of, and what is not only content or a setting, may
    /// say what it acts on.
    #[must_use]
    pub fn or_identifiers(mut self, schema: &Value) -> Self {
        for (pattern, role) in identifiers(schema) {
            if !self.0.iter().any(|known| known.pattern == pattern) {
                self.0.push(RoleRule {
                    pattern,
                    role,
                    by: Authority::Definition,
                });
            }
        }
        self
    }

    /// The role of an argument: of the pattern that covers it most exactly.
    pub(crate) fn of<S: AsRef<str>>(&self, path: &[S]) -> Option<Role> {
        // Of equally exact ones the first: what the operator gives.
        let mut best: Option<((usize, usize), Option<Role>)> = None;
        for rule in &self.0 {
            if let Some(rank) = rule.pattern.covers(path)
                && best.is_none_or(|(better, _)| rank > better)
            {
                best = Some((rank, rule.role));
            }
        }
        best.and_then(|(_, role)| role)
    }

    /// What is said about arguments.
    #[must_use]
    pub fn rules(&self) -> &[RoleRule] {
        &self.0
    }

    /// The pointers with their roles.
    pub fn iter(&self) -> impl Iterator<Item = (&PointerPattern, Role)> {
        let all = self.0.iter();
        all.filter_map(|rule| Some((&rule.pattern, rule.role?)))
    }
}

/// The roles that a tool's input schema suggests, by the formats and the names of its properties.
#[must_use]
pub fn proposed_roles(schema: &Value) -> Vec<(PointerPattern, Role)> {
    let mut found = Vec::new();
    let mut read = |pattern: PointerPattern, name: &str, property: &Property<'_>| {
        let by_name = || property.may_hold_text().then(|| by_name(name)).flatten();
        if let Some(role) = property.format_role().or_else(by_name) {
            found.push((pattern, role));
        }
    };
    each_property(schema, &mut read);
    found
}

/// Whether a tool with these labels acts on something outside: what its arguments say counts.
#[must_use]
pub fn acts(labels: &BTreeSet<String>) -> bool {
    let mut labels = labels.iter();
    labels.any(|label| matches!(label.as_str(), "egress" | "destructive" | "unlabelled"))
}

/// Every property, with whether it may say what a tool acts on.
fn identifiers(schema: &Value) -> Vec<(PointerPattern, Option<Role>)> {
    let mut found = Vec::new();
    let mut read = |pattern: PointerPattern, name: &str, property: &Property<'_>| {
        let names = property.is_open() || (!is_other(name) && property.may_name());
        found.push((pattern, names.then_some(Role::Identifier)));
    };
    each_property(schema, &mut read);
    found
}

#[cfg(test)]
mod tests;
