//! Which calls are alike, by their arguments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    allowance::{Allowance, AllowanceError, MAX_ALLOWANCES},
    constraint::Constraint,
};
use crate::{canonical::escape_segment, provenance::ArgumentRoles};

/// The arguments of the calls that a standing approval covers: objects with exactly these members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArgumentPattern {
    members: BTreeMap<String, MemberPattern>,
}

/// One member of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MemberPattern {
    /// A value.
    Value(Constraint),
    /// An object, of which some members may differ.
    Object(ArgumentPattern),
}

impl ArgumentPattern {
    /// The pattern of a call with these arguments: each value is as it is, except where an allowance says
    /// otherwise. Allowances are by the JSON pointer of a value in the call; an array is one value.
    ///
    /// # Errors
    /// [`AllowanceError`] if an allowance does not fit the call, or is too wide for an argument with a role.
    pub fn of(
        arguments: &Value,
        allowances: BTreeMap<String, Allowance>,
        roles: &ArgumentRoles,
    ) -> Result<Self, AllowanceError> {
        let error = |pointer: &str, problem: &str| AllowanceError {
            pointer: pointer.into(),
            problem: problem.into(),
        };
        let Some(arguments) = arguments.as_object() else {
            return Err(error("", "the arguments are not an object"));
        };
        if allowances.len() > MAX_ALLOWANCES {
            let problem = format!("more than {MAX_ALLOWANCES} arguments may differ");
            return Err(error("", &problem));
        }
        let mut template = Template { allowances, roles };
        let pattern = template.object(arguments, &mut Vec::new())?;
        match template.allowances.keys().next() {
            Some(unused) => Err(error(
                unused,
                "the call has no such argument, or it is part of an array or of another allowance",
            )),
            None => Ok(pattern),
        }
    }

    /// Whether a call with these arguments is covered.
    #[must_use]
    pub fn admits(&self, arguments: &Value) -> bool {
        arguments.as_object().is_some_and(|members| {
            members.len() == self.members.len()
                && members.iter().all(|(name, value)| {
                    let member = self.members.get(name);
                    member.is_some_and(|member| match member {
                        MemberPattern::Value(constraint) => constraint.admits(value),
                        MemberPattern::Object(object) => object.admits(value),
                    })
                })
        })
    }

    /// Whether each constraint is narrow enough for the role that its argument has by now.
    #[must_use]
    pub fn suits(&self, roles: &ArgumentRoles) -> bool {
        self.suits_below(roles, &mut Vec::new())
    }

    fn suits_below(&self, roles: &ArgumentRoles, path: &mut Vec<String>) -> bool {
        self.members.iter().all(|(name, member)| {
            path.push(name.clone());
            let suits = match member {
                MemberPattern::Value(constraint) => constraint.suits(roles.of(path)),
                MemberPattern::Object(object) => object.suits_below(roles, path),
            };
            path.pop();
            suits
        })
    }

    /// Its constraints, by the JSON pointer of the argument.
    #[must_use]
    pub fn constraints(&self) -> BTreeMap<String, &Constraint> {
        let mut found = BTreeMap::new();
        self.collect("", &mut found);
        found
    }

    fn collect<'a>(&'a self, above: &str, found: &mut BTreeMap<String, &'a Constraint>) {
        for (name, member) in &self.members {
            let pointer = format!("{above}/{}", escape_segment(name));
            match member {
                MemberPattern::Value(constraint) => drop(found.insert(pointer, constraint)),
                MemberPattern::Object(object) => object.collect(&pointer, found),
            }
        }
    }
}

/// A pattern in the making.
struct Template<'a> {
    /// Those that were not used yet.
    allowances: BTreeMap<String, Allowance>,
    roles: &'a ArgumentRoles,
}

impl Template<'_> {
    fn object(
        &mut self,
        members: &Map<String, Value>,
        path: &mut Vec<String>,
    ) -> Result<ArgumentPattern, AllowanceError> {
        let mut patterns = BTreeMap::new();
        for (name, value) in members {
            path.push(name.clone());
            let pattern = self.member(value, path)?;
            path.pop();
            patterns.insert(name.clone(), pattern);
        }
        Ok(ArgumentPattern { members: patterns })
    }

    fn member(
        &mut self,
        value: &Value,
        path: &mut Vec<String>,
    ) -> Result<MemberPattern, AllowanceError> {
        let pointer = pointer(path);
        if let Some(allowance) = self.allowances.remove(&pointer) {
            let constraint = allowance.constraint(value, self.roles.of(path));
            let constraint = constraint.map_err(|problem| AllowanceError { pointer, problem })?;
            return Ok(MemberPattern::Value(constraint));
        }
        let below = format!("{pointer}/");
        let differs = self
            .allowances
            .keys()
            .any(|other| other.starts_with(&below));
        match value.as_object() {
            Some(members) if differs => Ok(MemberPattern::Object(self.object(members, path)?)),
            _ => Ok(MemberPattern::Value(Constraint::Equal(value.clone()))),
        }
    }
}

fn pointer(path: &[String]) -> String {
    let segments = path.iter().map(|name| format!("/{}", escape_segment(name)));
    segments.collect()
}
