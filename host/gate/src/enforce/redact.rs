//! Removes the values that policy redacts (`@redact`) from a result.
//!
//! The server that returned a result chose its structure, and is not trusted. So a pointer without a match
//! is an error, unless the tool's output schema declares the member optional: nothing of a partly redacted
//! result is released. A pointer that matches only empty lists is satisfied by a result in which nothing else
//! stands, or nothing that the schema does not declare.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate_model::{
    canonical,
    redaction::{self, NotFound},
};

use crate::tool::Content;

/// A result without what policy redacts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RedactedResult {
    /// Structured content, each part after its text. Other content could repeat redacted values, so it is
    /// left out.
    pub(crate) content: Vec<Content>,
    /// How many values were removed.
    pub(crate) count: u64,
}

/// Removes the values at `pointers` from the structured content. If there is none, a text that is a JSON object
/// or array counts as structured content.
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
        let is_optional = |path: &[String]| is_optional(output_schema, path);
        for pointer in pointers {
            let removed = redaction::redact(&mut value, [pointer], &is_optional)?;
            if removed == 0 && !is_declared(&value, output_schema) {
                return Err(NotFound {
                    pointer: pointer.clone(),
                });
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

/// Whether the schema declares the member with this path and does not require it.
fn is_optional(schema: Option<&Value>, path: &[String]) -> bool {
    let (Some(schema), Some((name, above))) = (schema, path.split_last()) else {
        return false;
    };
    let object = above
        .iter()
        .try_fold(schema, |schema, segment| match segment.as_str() {
            "*" => schema.get("items"),
            name => schema.get("properties")?.get(name),
        });
    let Some(object) = object else {
        return false;
    };
    let declared = object.get("properties").and_then(|all| all.get(name));
    let required = object.get("required").and_then(Value::as_array);
    declared.is_some()
        && required.is_none_or(|names| !names.iter().any(|required| required == name))
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

#[cfg(test)]
mod tests;
