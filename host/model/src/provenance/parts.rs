//! The parts of a value that is several: a list in one text, nested JSON, a name with an address.

use serde_json::Value;

use super::phrase::CallValue;
use crate::canonical;

/// The most parts of a value that is a list.
const MAX_PARTS: usize = 64;

/// A part of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) text: String,
    /// Whether it is a number, not a text.
    pub(super) is_number: bool,
}

impl Part {
    fn text(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            is_number: false,
        }
    }

    pub(super) fn value(&self) -> CallValue<'_> {
        CallValue {
            is_number: self.is_number,
            ..CallValue::text(&self.text)
        }
    }
}

/// The parts of a value that is several.
pub(super) fn parts(value: &str) -> Option<Vec<Part>> {
    if value.starts_with(['{', '[']) {
        // Of a member that is there twice, the tool may take either.
        let json = canonical::parse_with_any_number(value).ok()?;
        let mut leaves = Vec::new();
        collect(&json, &mut leaves);
        return (leaves.len() <= MAX_PARTS).then_some(leaves);
    }
    let separators = [',', ';', '|', '\n', '<', '>'];
    let parts: Vec<Part> = value
        .split(separators)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(Part::text)
        .collect();
    if (2..=MAX_PARTS).contains(&parts.len()) {
        return Some(parts);
    }
    // A date with a time, or addresses in a row: every part is a value in its form.
    let rows: Vec<&str> = value.split_whitespace().collect();
    let is_value =
        |part: &&str| part.contains(['@', ':', '/']) || part.bytes().any(|b| b.is_ascii_digit());
    ((2..=MAX_PARTS).contains(&rows.len()) && rows.iter().all(is_value))
        .then(|| rows.into_iter().map(Part::text).collect())
}

fn collect(json: &Value, leaves: &mut Vec<Part>) {
    match json {
        // No schema says which names are the tool's own.
        Value::Object(members) => {
            for (name, member) in members {
                leaves.push(Part::text(name));
                collect(member, leaves);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, leaves)),
        Value::String(text) => leaves.push(Part::text(text)),
        Value::Number(number) => leaves.push(Part {
            text: number.to_string(),
            is_number: true,
        }),
        Value::Bool(_) | Value::Null => {}
    }
}

/// Whether the name of a member is a value itself, such as an address in a map of addresses.
pub(super) fn is_value(name: &str) -> bool {
    name.contains(['@', '.', ':', '/', '\\']) || name.bytes().any(|b| b.is_ascii_digit())
}
