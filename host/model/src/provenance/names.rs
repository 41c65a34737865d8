//! Names of members that are not content.

use std::collections::BTreeSet;

use serde_json::Value;

use super::PointerPattern;
use crate::canonical::{escape_segment, unescape_segment};

/// The most names of a tool.
const MAX_NAMES: usize = 4096;
/// The most levels of a schema that are read.
const MAX_DEPTH: usize = 64;
/// The most digits of the number of an item.
const MAX_DIGITS: usize = 4;

/// Names of members that a tool's definition or its operator declares. Any other name in arguments or results
/// is content, such as the addresses in a map of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeclaredNames(BTreeSet<String>);

impl DeclaredNames {
    /// The names in patterns.
    pub fn of_patterns<'a>(patterns: impl IntoIterator<Item = &'a PointerPattern>) -> Self {
        let names = patterns.into_iter().flat_map(PointerPattern::names);
        Self(names.map(str::to_owned).collect())
    }

    /// The names of a JSON Schema's properties.
    #[must_use]
    pub fn of_schema(schema: &Value) -> Self {
        let mut names = Self::default();
        names.add_schema(schema);
        names
    }

    /// Adds the names of a JSON Schema's properties.
    pub fn add_schema(&mut self, schema: &Value) {
        properties(schema, 0, &mut self.0);
    }

    /// A pointer in which `*` stands for every name that is not declared.
    #[must_use]
    pub fn redact(&self, pointer: &str) -> String {
        let mut redacted = String::new();
        for segment in pointer.split('/').skip(1) {
            let is_item =
                segment.len() <= MAX_DIGITS && segment.bytes().all(|b| b.is_ascii_digit());
            let name = unescape_segment(segment);
            redacted.push('/');
            match is_item || matches!(segment, "*" | "…") || self.0.contains(&name) {
                true => redacted.push_str(&escape_segment(&name)),
                false => redacted.push('*'),
            }
        }
        redacted
    }
}

fn properties(schema: &Value, depth: usize, names: &mut BTreeSet<String>) {
    if depth > MAX_DEPTH || names.len() >= MAX_NAMES {
        return;
    }
    match schema {
        Value::Object(members) => {
            if let Some(Value::Object(properties)) = members.get("properties") {
                names.extend(properties.keys().cloned());
            }
            for (keyword, member) in members {
                // Texts of these are values.
                if !matches!(keyword.as_str(), "default" | "examples" | "enum" | "const") {
                    properties(member, depth + 1, names);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                properties(item, depth + 1, names);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;
