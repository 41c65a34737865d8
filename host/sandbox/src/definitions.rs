//! Checks a component's tool definitions: names, sizes and schemas.

use std::collections::BTreeMap;

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

/// The tools of a component, and what it lists that cannot be one.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolList {
    /// Checked.
    pub tools: Vec<ToolDefinition>,
    /// The others: a name, printable, and the reason. What is declared badly costs itself alone.
    pub left_out: Vec<(String, String)>,
}

/// The tools whose definitions are within their limits. Two with one name are both left out.
pub(crate) fn checked(tools: Vec<Tool>) -> Result<ToolList, SandboxError> {
    check_count(tools.len())?;
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for tool in &tools {
        *names.entry(tool.name.clone()).or_default() += 1;
    }
    let mut list = ToolList {
        tools: Vec::new(),
        left_out: Vec::new(),
    };
    for tool in tools {
        let shown = printable(&tool.name, 80);
        let definition = match names.get(&tool.name) {
            Some(1) => definition(tool),
            _ => Err("two tools have this name".into()),
        };
        match definition {
            Ok(definition) => list.tools.push(definition),
            Err(problem) => list.left_out.push((shown, problem)),
        }
    }
    Ok(list)
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
