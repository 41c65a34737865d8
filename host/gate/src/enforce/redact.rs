//! Removes the values that policy redacts (`@redact`) from a result.
//!
//! The server that returned a result chose its structure, and is not trusted. So a pointer without a match
//! is an error, unless the tool's output schema declares the member optional: nothing of a partly redacted
//! result is released. A pointer that matches only empty lists is satisfied by a result in which nothing else
//! stands, or nothing that the schema does not declare.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate_model::canonical::{self, unescape_segment};

use crate::tool::Content;

/// The placeholder for a redacted value.
const REDACTED: &str = "[redacted]";

/// A result without what policy redacts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RedactedResult {
    /// Structured content, each part after its text. Other content could repeat redacted values, so it is
    /// left out.
    pub(crate) content: Vec<Content>,
    /// How many values were removed.
    pub(crate) count: u64,
}

/// A pointer has no match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pointer}` is not in the result")]
pub(crate) struct NotFound {
    pub(crate) pointer: String,
}

/// Removes the values at `pointers` (RFC 6901; `*` as a segment matches every member or element) from the
/// structured content. If there is none, a text that is a JSON object or array counts as structured
/// content.
///
/// # Errors
/// [`NotFound`].
pub(crate) fn redact(
    content: Vec<Content>,
    pointers: &BTreeSet<String>,
    output_schema: Option<&Value>,
) -> Result<RedactedResult, NotFound> {
    let structured = structured(content);
    let mut redacted = RedactedResult {
        content: Vec::new(),
        count: 0,
    };
    if let (true, Some(pointer)) = (structured.is_empty(), pointers.first()) {
        return Err(NotFound {
            pointer: pointer.clone(),
        });
    }
    for mut value in structured {
        for pointer in pointers {
            let not_found = || NotFound {
                pointer: pointer.clone(),
            };
            let segments = segments(pointer).ok_or_else(not_found)?;
            let removed = remove(&mut value, &segments, output_schema).ok_or_else(not_found)?;
            if removed == 0 && !is_declared(&value, output_schema) {
                return Err(not_found());
            }
            redacted.count += removed;
        }
        // Not the canonical form, which has no integers beyond 2^53.
        let text = value.to_string();
        redacted.content.push(Content::Text { text });
        redacted.content.push(Content::Structured(value));
    }
    Ok(redacted)
}

fn structured(content: Vec<Content>) -> Vec<Value> {
    let mut values = Vec::new();
    let mut texts = Vec::new();
    for part in content {
        match part {
            Content::Structured(value) => values.push(value),
            Content::Text { text } => texts.push(text),
            _ => {}
        }
    }
    if values.is_empty() {
        let parsed = texts.iter().filter_map(|text| canonical::parse(text).ok());
        values.extend(parsed.filter(|value| value.is_object() || value.is_array()));
    }
    values
}

fn segments(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let path = pointer.strip_prefix('/')?;
    Some(path.split('/').map(unescape_segment).collect())
}

/// Replaces the values that `segments` name below `value`, and returns their number. `None` if one is
/// missing and `schema`, which describes `value`, does not declare it optional.
fn remove(value: &mut Value, segments: &[String], schema: Option<&Value>) -> Option<u64> {
    let Some((segment, rest)) = segments.split_first() else {
        *value = Value::String(REDACTED.into());
        return Some(1);
    };
    match (segment.as_str(), value) {
        ("*", Value::Array(items)) => {
            let schema = schema.and_then(|schema| schema.get("items"));
            let mut count = 0;
            for item in items {
                count += remove(item, rest, schema)?;
            }
            Some(count)
        }
        ("*", Value::Object(members)) => {
            let mut count = 0;
            for (name, member) in members {
                count += remove(member, rest, property(schema, name))?;
            }
            Some(count)
        }
        (name, Value::Object(members)) => match members.get_mut(name) {
            Some(member) => remove(member, rest, property(schema, name)),
            None if is_optional(schema, name) => Some(0),
            None => None,
        },
        (index, Value::Array(items)) => {
            let item = items.get_mut(index.parse::<usize>().ok()?)?;
            remove(item, rest, schema.and_then(|schema| schema.get("items")))
        }
        _ => None,
    }
}

/// Whether every value in a result is one that its schema declares. Without a schema, no value is.
fn is_declared(value: &Value, schema: Option<&Value>) -> bool {
    match value {
        Value::Object(members) => members.iter().all(|(name, member)| {
            let property = property(schema, name);
            (schema.is_none() || property.is_some()) && is_declared(member, property)
        }),
        Value::Array(items) => {
            let schema = schema.and_then(|schema| schema.get("items"));
            items.iter().all(|item| is_declared(item, schema))
        }
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.is_some(),
    }
}

fn property<'s>(schema: Option<&'s Value>, name: &str) -> Option<&'s Value> {
    schema?.get("properties")?.get(name)
}

/// Whether the schema of an object declares this member and does not require it.
fn is_optional(schema: Option<&Value>, name: &str) -> bool {
    let declared = property(schema, name).is_some();
    let required = schema
        .and_then(|schema| schema.get("required"))
        .and_then(Value::as_array);
    declared && required.is_none_or(|names| !names.iter().any(|required| required == name))
}

#[cfg(test)]
mod tests;
