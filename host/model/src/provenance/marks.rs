//! What a tool's output schema says about the fields of its results: marks, and shapes that suggest trust.

use serde_json::Value;

use super::{PointerPattern, Role, Trust, arguments::by_name};
use crate::canonical::escape_segment;

/// The keyword by which a schema marks a field as `trusted` or `untrusted`.
pub const MARK: &str = "dev.tollgate/trust";
/// The most levels of a schema that are read.
const MAX_DEPTH: usize = 12;
/// The most marks and proposals of one schema.
const MAX_FOUND: usize = 512;

/// A field that the operator may want to trust, because strangers seldom write fields of its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustProposal {
    /// The field.
    pub pattern: PointerPattern,
    /// Its shape, such as `a number` or `format uuid`.
    pub shape: String,
}

/// The fields that the schema marks with [`MARK`]. What covers a whole result is not a field.
#[must_use]
pub fn marked_trust(schema: &Value) -> Vec<(PointerPattern, Trust)> {
    let mut found = Vec::new();
    each_field(schema, &mut |pattern, field| {
        let mark = field.get(MARK).and_then(Value::as_str);
        if let Some(trust) = mark.and_then(Trust::from_name) {
            found.push((pattern, trust));
        }
    });
    found
}

/// The fields that hold an identifier, an address, a number, a date, a switch or a choice, and have no mark.
#[must_use]
pub fn proposed_trust(schema: &Value) -> Vec<TrustProposal> {
    let mut found: Vec<TrustProposal> = Vec::new();
    each_field(schema, &mut |pattern, field| {
        let is_new = |proposal: &TrustProposal| proposal.pattern != pattern;
        if field.get(MARK).is_none()
            && found.iter().all(is_new)
            && let Some(shape) = shape(&pattern, field)
        {
            found.push(TrustProposal { pattern, shape });
        }
    });
    found
}

/// The shape of a field that strangers seldom write as they like.
fn shape(pattern: &PointerPattern, field: &Value) -> Option<String> {
    if field.get("enum").is_some() || field.get("const").is_some() {
        return Some("one of a fixed choice".into());
    }
    let format = field.get("format").and_then(Value::as_str);
    if let Some(
        format @ ("uuid" | "email" | "idn-email" | "date" | "date-time" | "time" | "duration"
        | "hostname" | "idn-hostname" | "ipv4" | "ipv6"),
    ) = format
    {
        return Some(format!("format {format}"));
    }
    match field.get("type").and_then(Value::as_str) {
        Some("integer" | "number") => Some("a number".into()),
        Some("boolean") => Some("a switch".into()),
        Some("string") => {
            let role = pattern.names().last().and_then(by_name)?;
            let is_kept = matches!(role, Role::Identifier | Role::Account | Role::Recipient);
            is_kept.then(|| format!("by its name {} {}", article(role), role.as_str()))
        }
        _ => None,
    }
}

fn article(role: Role) -> &'static str {
    match role.as_str().starts_with(['a', 'e', 'i', 'o', 'u']) {
        true => "an",
        false => "a",
    }
}

/// Calls `each` for every field that the schema describes, with the pattern of its pointer.
fn each_field(schema: &Value, each: &mut impl FnMut(PointerPattern, &Value)) {
    let mut left = MAX_FOUND;
    fields(schema, &mut Vec::new(), &mut |path, field| {
        if let Ok(pattern) = PointerPattern::parse(&format!("/{}", path.join("/")))
            && left > 0
        {
            left -= 1;
            each(pattern, field);
        }
    });
}

fn fields(schema: &Value, path: &mut Vec<String>, each: &mut impl FnMut(&[String], &Value)) {
    if path.len() > MAX_DEPTH {
        return;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        path.push(escape_segment(name));
        each(path, property);
        fields(property, path, each);
        path.pop();
    }
    for several in ["items", "additionalProperties"] {
        if let Some(item) = schema.get(several).filter(|item| item.is_object()) {
            path.push("*".into());
            each(path, item);
            fields(item, path, each);
            path.pop();
        }
    }
    for branches in ["anyOf", "oneOf", "allOf"] {
        let branches = schema.get(branches).and_then(Value::as_array);
        for branch in branches.into_iter().flatten() {
            fields(branch, path, each);
        }
    }
}

#[cfg(test)]
mod tests;
