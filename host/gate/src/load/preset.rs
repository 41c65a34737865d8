//! The own tools of coding agents.
//!
//! Each takes `hook`: the place and the subagent of the call. Two more represent undeclared tools: `mcp`
//! for those of MCP servers, and `other`.

use serde_json::{Value, json};

use super::declaration::{Declaration, declarations};
use crate::config::ExternalPreset;

/// The tools of a preset.
pub(super) fn tools(preset: ExternalPreset) -> Result<Vec<Declaration>, String> {
    let text = match preset {
        ExternalPreset::ClaudeCode => include_str!("presets/claude_code.json"),
        ExternalPreset::Codex => include_str!("presets/codex.json"),
        ExternalPreset::GeminiCli => include_str!("presets/gemini_cli.json"),
        ExternalPreset::Cursor => include_str!("presets/cursor.json"),
    };
    let mut tools = declarations(text)?;
    tools.push(mcp());
    tools.push(other());
    for tool in &mut tools {
        if let Some(schema) = tool.input_schema.as_object_mut() {
            // A later version of the coding agent may add members.
            schema.insert("additionalProperties".into(), true.into());
            let properties = schema.entry("properties").or_insert_with(|| json!({}));
            if let Some(properties) = properties.as_object_mut() {
                properties.insert("hook".into(), caller());
            }
        }
    }
    Ok(tools)
}

/// The place and the subagent of a call.
fn caller() -> Value {
    json!({
        "type": "object",
        "description": "Where and by which subagent it is called.",
        "additionalProperties": false,
        "properties": {
            "cwd": { "type": "string", "description": "The working directory." },
            "agent_id": { "type": "string", "description": "The subagent; absent for the main one." },
            "agent_type": { "type": "string", "description": "The kind of subagent." },
            "permission_mode": { "type": "string", "description": "The coding agent's own mode." },
        },
    })
}

fn mcp() -> Declaration {
    Declaration {
        name: "mcp".into(),
        description: "Any tool of an MCP server.".into(),
        input_schema: json!({
            "type": "object",
            "required": ["server", "tool", "arguments"],
            "properties": {
                "server": { "type": "string", "description": "The server." },
                "tool": { "type": "string", "description": "Its tool." },
                "arguments": { "type": "string", "description": "The arguments, as JSON." },
            },
        }),
    }
}

fn other() -> Declaration {
    Declaration {
        name: "other".into(),
        description: "Any tool that is not declared here.".into(),
        input_schema: json!({
            "type": "object",
            "required": ["tool", "arguments"],
            "properties": {
                "tool": { "type": "string", "description": "The tool." },
                "arguments": { "type": "string", "description": "The arguments, as JSON." },
            },
        }),
    }
}

#[cfg(test)]
mod tests;
