//! Checks a component's tool definitions: names, sizes and schemas.

use std::collections::BTreeSet;

use tollgate_model::{
    text::printable,
    tool::{Annotations, SchemaTexts, ToolDefinition},
};

use crate::{SandboxError, bindings::Tool};

/// The most tools of a component.
const MAX_TOOLS: usize = 256;

/// Requires that a component has no more than this many tools.
pub(crate) fn check_count(tools: usize) -> Result<(), SandboxError> {
    if tools > MAX_TOOLS {
        let reason = format!("it lists {tools} tools, more than {MAX_TOOLS}; split it");
        return Err(SandboxError::ListTools { reason });
    }
    Ok(())
}

/// The tools, if all definitions are within their limits.
pub(crate) fn checked(tools: Vec<Tool>) -> Result<Vec<ToolDefinition>, SandboxError> {
    check_count(tools.len())?;
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

/// The tool, if its definition is within its limits.
pub(crate) fn definition(tool: Tool) -> Result<ToolDefinition, String> {
    let annotations = Annotations {
        read_only: tool.annotations.read_only,
        destructive: tool.annotations.destructive,
        idempotent: tool.annotations.idempotent,
        open_world: tool.annotations.open_world,
    };
    let schemas = SchemaTexts {
        input: &tool.input_schema,
        output: tool.output_schema.as_deref(),
    };
    ToolDefinition::new(
        tool.name,
        tool.title,
        tool.description,
        schemas,
        annotations,
    )
}
