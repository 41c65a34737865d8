//! What an approver allows instead of a waiting call's own values.

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::constraint::{Constraint, ScalarKind, is_at_most};
use crate::provenance::Role;

/// The most arguments of one pattern that may differ.
pub const MAX_ALLOWANCES: usize = 32;
/// The most values of one argument.
pub const MAX_VALUES: usize = 32;

/// What an approver allows for one argument instead of the value that it has in the waiting call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allowance {
    /// One of these values, or the call's own.
    OneOf(Vec<Value>),
    /// A text that begins with this one.
    Prefix(String),
    /// A number up to this one, and not below 0 or, if that is lower, the call's own.
    AtMost(Number),
    /// Any value of the same kind: text, number, or truth value.
    Any,
}

/// Why an allowance is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pointer}`: {problem}")]
pub struct AllowanceError {
    /// The JSON pointer of the argument.
    pub pointer: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl Allowance {
    /// The constraint that it puts on an argument, whose value in the waiting call is `own`.
    pub(super) fn constraint(self, own: &Value, role: Option<Role>) -> Result<Constraint, String> {
        let constraint = match self {
            Self::OneOf(values) => one_of(values, own)?,
            Self::Prefix(prefix) => {
                check_prefix(&prefix, own, role)?;
                Constraint::Prefix(prefix)
            }
            Self::AtMost(at_most) => {
                check_role(role, "a limit")?;
                let own = own
                    .as_number()
                    .ok_or("a limit needs a number in the call")?;
                let zero = Number::from(0);
                let at_least = if is_at_most(own, &zero) {
                    own.clone()
                } else {
                    zero
                };
                Constraint::Range { at_least, at_most }
            }
            Self::Any => {
                check_role(role, "any value")?;
                let kind = ScalarKind::of(own);
                let kind = kind.ok_or("only a text, a number or a truth value may be any")?;
                Constraint::Any(kind)
            }
        };
        if constraint.admits(own) {
            Ok(constraint)
        } else {
            Err("it does not fit the value in the call itself".into())
        }
    }
}

/// Values, with the call's own.
fn one_of(mut values: Vec<Value>, own: &Value) -> Result<Constraint, String> {
    if !values.contains(own) {
        values.push(own.clone());
    }
    match values.len() > MAX_VALUES {
        true => Err(format!("name at most {MAX_VALUES} values")),
        false => Ok(Constraint::OneOf(values)),
    }
}

/// What decides where a call goes or what it acts on is named value by value.
fn check_role(role: Option<Role>, allowance: &str) -> Result<(), String> {
    match role {
        None => Ok(()),
        Some(role) => Err(format!(
            "it is a {role} of the call, for which {allowance} is too wide; name the values with one_of"
        )),
    }
}

fn check_prefix(prefix: &str, own: &Value, role: Option<Role>) -> Result<(), String> {
    if prefix.trim_matches('/').is_empty() {
        return Err("this prefix is any text or any path; name more of it, or use any".into());
    }
    let own = own.as_str().ok_or("a prefix needs a text in the call")?;
    if !matches!(role, Some(Role::Path | Role::Url)) {
        check_role(role, "a prefix")?;
    }
    let is_url = role == Some(Role::Url) || own.contains("://");
    if is_url && !names_authority(prefix) {
        return Err(
            "the prefix of a URL contains its host and ends in `/`: https://example.com/docs/"
                .into(),
        );
    }
    let is_path = role == Some(Role::Path) || own.starts_with('/');
    if is_path && !prefix.ends_with('/') {
        return Err("the prefix of a path is a folder and ends in `/`".into());
    }
    Ok(())
}

/// Whether a text is the beginning of a URL with its whole authority, up to a `/`.
fn names_authority(prefix: &str) -> bool {
    let after = prefix.split_once("://").map(|(_, after)| after);
    let has_host = after
        .and_then(|after| after.split_once('/'))
        .is_some_and(|(host, _)| !host.is_empty());
    has_host && prefix.ends_with('/') && !prefix.contains(['?', '#', '\\'])
}
