//! The definition of an upstream server's prompt, within limits and comparable.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::bounds::{self, MAX_TITLE};
use crate::text::printable;

/// The most arguments of a prompt.
const MAX_ARGUMENTS: usize = 64;

/// A prompt as its server defines it: untrusted, but within limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptDefinition {
    /// The server's own name for it: ASCII without quotes and backslashes, with blanks only between other characters.
    pub name: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For people and the model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its arguments: texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<PromptArgument>,
}

/// An argument of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptArgument {
    /// Its name: ASCII without quotes and backslashes, with blanks only between other characters.
    pub name: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For people and the model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether the prompt cannot be had without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

impl PromptDefinition {
    /// The definition in `prompt`, an entry of a `prompts/list` result.
    ///
    /// # Errors
    /// The name, printable, and why it cannot be used.
    pub(super) fn read(prompt: &Value) -> Result<Self, (String, String)> {
        let name = bounds::text(prompt, "name").unwrap_or_default();
        let wrong = |problem: String| (printable(name, 80), problem);
        bounds::check_name(name).map_err(wrong)?;
        let arguments = match prompt.get("arguments") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(arguments)) if arguments.len() <= MAX_ARGUMENTS => {
                let arguments = arguments.iter().map(PromptArgument::read);
                arguments
                    .collect::<Result<Vec<_>, String>>()
                    .map_err(wrong)?
            }
            // Some languages have one form for an empty list and an empty object.
            Some(Value::Object(none)) if none.is_empty() => Vec::new(),
            Some(Value::Array(_)) => {
                return Err(wrong(format!("it has more than {MAX_ARGUMENTS} arguments")));
            }
            Some(_) => return Err(wrong("its arguments are not a list".into())),
        };
        let names: BTreeSet<&str> = arguments.iter().map(|a| a.name.as_str()).collect();
        if names.len() < arguments.len() {
            return Err(wrong("two of its arguments have one name".into()));
        }
        Ok(Self {
            name: name.to_owned(),
            title: bounds::optional(prompt, "title", MAX_TITLE).map_err(wrong)?,
            description: bounds::description(prompt).map_err(wrong)?,
            arguments,
        })
    }

    /// A JSON Schema of its arguments: an object of texts, and nothing else.
    pub(crate) fn input_schema(&self) -> Value {
        let property = |argument: &PromptArgument| {
            let text = match argument.description.as_str() {
                "" => json!({ "type": "string" }),
                description => json!({ "type": "string", "description": description }),
            };
            (argument.name.clone(), text)
        };
        let properties: Map<String, Value> = self.arguments.iter().map(property).collect();
        let required = self.arguments.iter().filter(|argument| argument.required);
        let required: Vec<&str> = required.map(|argument| argument.name.as_str()).collect();
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }
}

impl PromptArgument {
    fn read(argument: &Value) -> Result<Self, String> {
        let name = bounds::text(argument, "name").unwrap_or_default();
        bounds::check_name(name).map_err(|problem| format!("of an argument, {problem}"))?;
        Ok(Self {
            name: name.to_owned(),
            title: bounds::optional(argument, "title", MAX_TITLE)?,
            description: bounds::description(argument)?,
            required: argument
                .get("required")
                .and_then(Value::as_bool)
                .unwrap_or(false),
        })
    }
}

#[cfg(test)]
mod tests;
