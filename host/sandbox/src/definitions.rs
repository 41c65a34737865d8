//! What a component says about its tools, checked: names, sizes and schemas.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate_model::canonical;

use super::{Annotations, SandboxError, ToolDefinition, bindings::Tool};
use crate::text::printable;

/// Tools of a component.
const MAX_TOOLS: usize = 256;
/// Bytes of a tool's title.
const MAX_TITLE: usize = 256;
/// Bytes of a tool's description.
const MAX_DESCRIPTION: usize = 16 << 10;
/// Bytes of a schema. Its depth is bounded by [`canonical::MAX_DEPTH`].
const MAX_SCHEMA: usize = 256 << 10;
/// Characters of a tool's name.
const MAX_NAME: usize = 64;

/// The tools, if everything about them is within bounds.
pub(super) fn checked(tools: Vec<Tool>) -> Result<Vec<ToolDefinition>, SandboxError> {
    if tools.len() > MAX_TOOLS {
        let reason = format!(
            "it lists {} tools, more than {MAX_TOOLS}; split it",
            tools.len()
        );
        return Err(SandboxError::ListTools { reason });
    }
    let mut names = BTreeSet::new();
    tools
        .into_iter()
        .map(|tool| {
            let shown = printable(&tool.name, 80);
            let wrong = |problem: String| SandboxError::Tool {
                tool: shown.clone(),
                problem,
            };
            if !names.insert(tool.name.clone()) {
                return Err(wrong("two tools have this name".into()));
            }
            definition(tool).map_err(wrong)
        })
        .collect()
}

impl ToolDefinition {
    /// The same, if title, description and schemas are within the bounds of a component's.
    pub(crate) fn within_bounds(self) -> Result<Self, String> {
        within(
            "title",
            self.title.as_deref().unwrap_or_default(),
            MAX_TITLE,
        )?;
        within("description", &self.description, MAX_DESCRIPTION)?;
        let checked = |what: &str, value: &Value| schema(what, &value.to_string());
        Ok(Self {
            input_schema: checked("input schema", &self.input_schema)?,
            output_schema: self
                .output_schema
                .as_ref()
                .map(|value| checked("output schema", value))
                .transpose()?,
            ..self
        })
    }
}

fn definition(tool: Tool) -> Result<ToolDefinition, String> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !(1..=MAX_NAME).contains(&tool.name.len()) || !tool.name.bytes().all(letter) {
        return Err("a name has 1 to 64 letters (a to z), digits, `_` and `-`".into());
    }
    within(
        "title",
        tool.title.as_deref().unwrap_or_default(),
        MAX_TITLE,
    )?;
    within("description", &tool.description, MAX_DESCRIPTION)?;
    Ok(ToolDefinition {
        input_schema: schema("input schema", &tool.input_schema)?,
        output_schema: tool
            .output_schema
            .as_deref()
            .map(|s| schema("output schema", s))
            .transpose()?,
        name: tool.name,
        title: tool.title,
        description: tool.description,
        annotations: Annotations {
            read_only: tool.annotations.read_only,
            destructive: tool.annotations.destructive,
            idempotent: tool.annotations.idempotent,
            open_world: tool.annotations.open_world,
        },
    })
}

fn within(what: &str, text: &str, max: usize) -> Result<(), String> {
    if text.len() > max {
        Err(format!(
            "the {what} has {} bytes, more than {max}",
            text.len()
        ))
    } else {
        Ok(())
    }
}

fn schema(what: &str, text: &str) -> Result<Value, String> {
    within(what, text, MAX_SCHEMA)?;
    match canonical::parse(text) {
        Ok(schema @ Value::Object(_)) => Ok(schema),
        Ok(_) => Err(format!("the {what} is no JSON object")),
        Err(e) => Err(format!("the {what} is refused: {e}")),
    }
}
