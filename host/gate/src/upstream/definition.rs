//! The definition of an upstream server's tool, within limits and comparable.
//!
//! A definition is compared as a whole: name, title, description, schemas and hints. The texts that a model
//! reads are as much a part of a tool as its behaviour.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tollgate_policy::tool_input::{ToolInput, mend};

use super::bounds;
use crate::{
    text::printable,
    tool::{Annotations, ToolDefinition},
};

/// Characters of a problem.
const MAX_PROBLEM: usize = 600;

/// A tool as its server defines it: untrusted, but within limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The server's own name for it: visible ASCII without quotes and backslashes, and blanks between.
    pub name: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For the model.
    pub description: String,
    /// JSON Schema of the arguments: a JSON object.
    #[serde(with = "json_text")]
    pub input_schema: Value,
    /// JSON Schema of structured content: a JSON object.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_json_text"
    )]
    pub output_schema: Option<Value>,
    /// Hints of its author. No decision is based on them.
    pub annotations: Annotations,
}

impl Definition {
    /// The definition in `tool`, an entry of a `tools/list` result.
    ///
    /// # Errors
    /// The name, printable, and why it cannot be used.
    pub(super) fn read(tool: &Value) -> Result<Self, (String, String)> {
        let text = |key: &str| tool.get(key).and_then(Value::as_str);
        let name = text("name").unwrap_or_default();
        let wrong = |problem: String| (printable(name, 80), problem);
        bounds::check_name(name).map_err(wrong)?;
        let hints = tool.get("annotations");
        let hint = |key: &str| hints.and_then(|h| h.get(key)).and_then(Value::as_bool);
        let read_only = hint("readOnlyHint").unwrap_or(false);
        let title =
            text("title").or_else(|| hints.and_then(|h| h.get("title")).and_then(Value::as_str));
        let schema = |key: &str| {
            let schema = tool.get(key).filter(|schema| !schema.is_null())?;
            // Some languages have one form for an empty list and an empty object.
            match schema.as_array().is_some_and(Vec::is_empty) {
                true => Some(json!({})),
                false => Some(schema.clone()),
            }
        };
        let definition = ToolDefinition {
            name: name.to_owned(),
            title: title.map(str::to_owned),
            description: text("description").unwrap_or_default().to_owned(),
            // One that is not there describes no arguments.
            input_schema: schema("inputSchema").unwrap_or_else(|| json!({"type": "object"})),
            output_schema: schema("outputSchema"),
            annotations: Annotations {
                read_only,
                // The defaults of MCP: a tool without hints may do anything.
                destructive: hint("destructiveHint").unwrap_or(!read_only),
                idempotent: hint("idempotentHint").unwrap_or(false),
                open_world: hint("openWorldHint").unwrap_or(true),
            },
        };
        let checked = definition.within_bounds().map_err(wrong)?;
        // Typed here, so that a tool that cannot be decided costs no other.
        let typed =
            ToolInput::from_json_schema(name, &mend(&checked.input_schema), &BTreeMap::new());
        typed.map_err(|e| {
            let problem = format!("its input schema cannot be used: {e}");
            wrong(printable(&problem, MAX_PROBLEM))
        })?;
        Ok(Self {
            name: checked.name,
            title: checked.title,
            description: checked.description,
            input_schema: checked.input_schema,
            output_schema: checked.output_schema,
            annotations: checked.annotations,
        })
    }

    /// The definition in the form for tools of all kinds.
    pub(crate) fn tool(&self) -> ToolDefinition {
        ToolDefinition {
            name: self.name.clone(),
            title: self.title.clone(),
            description: self.description.clone(),
            input_schema: self.input_schema.clone(),
            output_schema: self.output_schema.clone(),
            annotations: self.annotations,
        }
    }
}

/// Schemas as JSON in a string, because TOML has neither null nor JSON's order.
mod json_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _, ser::Error as _};
    use serde_json::Value;
    use tollgate_model::canonical;

    pub(super) fn serialize<S: Serializer>(value: &Value, s: S) -> Result<S::Ok, S::Error> {
        let bytes = canonical::to_canonical(value).map_err(S::Error::custom)?;
        s.serialize_str(&String::from_utf8_lossy(&bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Value, D::Error> {
        let text = String::deserialize(d)?;
        canonical::parse_with_rounded_numbers(&text).map_err(D::Error::custom)
    }
}

mod optional_json_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use serde_json::Value;
    use tollgate_model::canonical;

    pub(super) fn serialize<S: Serializer>(value: &Option<Value>, s: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::json_text::serialize(value, s),
            None => s.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Value>, D::Error> {
        let text = Option::<String>::deserialize(d)?;
        text.map(|text| canonical::parse_with_rounded_numbers(&text).map_err(D::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests;
