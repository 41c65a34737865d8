//! The roles of a tool's arguments, and proposals from its schema.

mod names;
mod schema;

use std::collections::BTreeSet;

use serde_json::Value;

use self::{
    names::{by_name, is_other},
    schema::{Property, each_property},
};
use super::{PointerPattern, Role};

/// The roles of a tool's arguments, by pointer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArgumentRoles(Vec<(PointerPattern, Option<Role>)>);

impl ArgumentRoles {
    /// The roles that the operator gives, before those that are proposed. `None` takes a proposal away.
    #[must_use]
    pub fn new(
        given: Vec<(PointerPattern, Option<Role>)>,
        proposed: Vec<(PointerPattern, Role)>,
    ) -> Self {
        let mut roles = given;
        for (pattern, role) in proposed {
            if !roles.iter().any(|(known, _)| *known == pattern) {
                roles.push((pattern, Some(role)));
            }
        }
        Self(roles)
    }

    /// The same for a tool that acts: what no one says a role of, and what is not only content or a setting, may
    /// say what it acts on.
    #[must_use]
    pub fn or_identifiers(mut self, schema: &Value) -> Self {
        for (pattern, role) in identifiers(schema) {
            if !self.0.iter().any(|(known, _)| *known == pattern) {
                self.0.push((pattern, role));
            }
        }
        self
    }

    /// The role of an argument: of the pattern that covers it most exactly.
    pub(crate) fn of<S: AsRef<str>>(&self, path: &[S]) -> Option<Role> {
        let ranked = self.0.iter().filter_map(|(pattern, role)| {
            let rank = pattern.covers(path)?;
            Some((rank, *role))
        });
        // Of equally exact ones the first: what the operator gives.
        let mut best: Option<((usize, usize), Option<Role>)> = None;
        for (rank, role) in ranked {
            if best.is_none_or(|(better, _)| rank > better) {
                best = Some((rank, role));
            }
        }
        best.and_then(|(_, role)| role)
    }

    /// The pointers with their roles.
    pub fn iter(&self) -> impl Iterator<Item = (&PointerPattern, Role)> {
        let all = self.0.iter();
        all.filter_map(|(pattern, role)| Some((pattern, (*role)?)))
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
