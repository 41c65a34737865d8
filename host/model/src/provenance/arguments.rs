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
pub struct ArgumentRoles {
    /// Those that the operator gives come first.
    rules: Vec<RoleRule>,
    /// The members that the schema names.
    members: Vec<PointerPattern>,
    /// Those of maps, of which it says what they are.
    maps: Vec<PointerPattern>,
}

impl ArgumentRoles {
    /// The roles that the operator gives, before those that are proposed: a role covers all below its pointer, and
    /// `None` takes the proposal for its pointer away.
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
        let mut roles = Self {
            rules: given.collect(),
            members: Vec::new(),
            maps: Vec::new(),
        };
        for (pattern, role) in proposed {
            roles.propose(pattern, Some(role));
        }
        roles
    }

    fn propose(&mut self, pattern: PointerPattern, role: Option<Role>) {
        let is_given = self.rules.iter().any(|rule| {
            rule.by == Authority::Operator && rule.role.is_some() && rule.pattern.includes(&pattern)
        });
        if !is_given && !self.rules.iter().any(|rule| rule.pattern == pattern) {
            self.rules.push(RoleRule {
                pattern,
                role,
                by: Authority::Definition,
            });
        }
    }

    /// The same for a tool with this schema: its members have the names that the schema gives, and any other name
    /// is the caller's.
    #[must_use]
    pub fn with_members(mut self, schema: &Value) -> Self {
        let (mut members, mut maps) = (Vec::new(), Vec::new());
        let mut read = |pattern: PointerPattern, _: &str, property: &Property<'_>| {
            if pattern.ends_in_name() {
                members.push(pattern);
            } else if property.is_described() {
                maps.push(pattern);
            }
        };
        each_property(schema, &mut read);
        (self.members, self.maps) = (members, maps);
        self
    }

    /// Whether the names of members at a path are said to be values: the operator gives a role to what is around
    /// them, or the schema has a map there.
    pub(super) fn is_map<S: AsRef<str>>(&self, path: &[S]) -> bool {
        let is_given = self.rules.iter().any(|rule| {
            rule.by == Authority::Operator
                && rule.role.is_some()
                && rule.pattern.covers(path).is_some()
        });
        is_given || self.maps.iter().any(|map| map.is_at(path))
    }

    /// Whether the last name of a path is the tool's own.
    pub(super) fn names<S: AsRef<str>>(&self, path: &[S]) -> bool {
        let given = self.rules.iter().map(|rule| &rule.pattern);
        let mut all = given.chain(&self.members);
        all.any(|pattern| pattern.names_end(path))
    }

    /// The same for a tool that acts: what no one says a role of, and what is not only content or a setting, may
    /// say what it acts on.
    #[must_use]
    pub fn or_identifiers(mut self, schema: &Value) -> Self {
        for (pattern, role) in identifiers(schema) {
            self.propose(pattern, role);
        }
        self
    }

    /// The role of an argument: of the pattern that covers it most exactly.
    pub(crate) fn of<S: AsRef<str>>(&self, path: &[S]) -> Option<Role> {
        // Of equally exact ones the first: what the operator gives.
        let mut best: Option<((usize, usize), Option<Role>)> = None;
        for rule in &self.rules {
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
        &self.rules
    }

    /// The pointers with their roles.
    pub fn iter(&self) -> impl Iterator<Item = (&PointerPattern, Role)> {
        let all = self.rules.iter();
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
