//! Converts the call of a coding agent into the call that the gate decides.
//!
//! Paths are resolved. A tool that the preset does not declare becomes `mcp` or `other`, which it declares. The
//! member `hook` has the working directory, subagent and permission mode.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tollgate_model::canonical;

use super::{
    event::{Caller, ToolUse},
    path,
    preset::{McpTool, Preset},
};
use crate::error::Failure;

/// The member with facts about the caller. The preset declares it for each of its tools.
pub(super) const CALLER: &str = "hook";
/// The tool for all tools of MCP servers.
const MCP: &str = "mcp";
/// The tool for all unknown tools.
const OTHER: &str = "other";

/// The declared tools of an [external] section.
#[derive(Debug)]
pub(super) struct ToolSet {
    /// Its tools, by name.
    pub(super) tools: BTreeSet<String>,
    /// Whether each of them takes [`CALLER`].
    pub(super) caller: bool,
}

/// A call as the gate decides it.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    /// The tool, without the executor's name.
    pub(super) tool: String,
    /// The arguments, as JSON.
    pub(super) arguments: String,
    /// What a path resolves to that leads through a link or begins with `~`, if there is one.
    pub(super) detour: Option<String>,
    /// The original arguments.
    written: Value,
}

impl Call {
    /// The call that the gate is to decide.
    ///
    /// # Errors
    /// A path cannot be resolved.
    pub(super) fn new(
        preset: &Preset,
        tool_use: &ToolUse,
        declared: &ToolSet,
    ) -> Result<Self, Failure> {
        let Ok(written) = canonical::parse(&tool_use.arguments) else {
            // Ambiguous JSON, such as a duplicate key, is passed on: the gate refuses and records it.
            return Ok(Self {
                tool: tool_use.tool.clone(),
                arguments: tool_use.arguments.clone(),
                detour: None,
                written: Value::Null,
            });
        };
        let mut decided = written.clone();
        let detour = match decided.as_object_mut() {
            Some(arguments) => resolve_paths(preset, arguments, &tool_use.caller)?,
            None => None,
        };
        let (tool, mut arguments) = match &tool_use.mcp {
            _ if declared.tools.contains(&tool_use.tool) => (tool_use.tool.as_str(), decided),
            Some(McpTool { server, tool }) => (
                MCP,
                json!({ "server": server, "tool": tool, "arguments": decided.to_string() }),
            ),
            None => (
                OTHER,
                json!({ "tool": tool_use.tool, "arguments": decided.to_string() }),
            ),
        };
        if declared.caller
            && let Some(arguments) = arguments.as_object_mut()
        {
            arguments.insert(CALLER.into(), caller(&tool_use.caller));
        }
        Ok(Self {
            tool: tool.into(),
            arguments: arguments.to_string(),
            detour,
            written,
        })
    }

    /// The arguments that the coding agent must execute instead of the original ones, from the decided ones.
    ///
    /// # Errors
    /// The decided arguments are not valid JSON.
    pub(super) fn replacement(&self, decided: Option<&str>) -> Result<Option<Value>, Failure> {
        let unreadable = || Failure::plain("the gate's answer holds no arguments");
        let decided = canonical::parse(decided.unwrap_or_default()).map_err(|_| unreadable())?;
        let executed = match (self.tool.as_str(), decided) {
            (MCP | OTHER, decided) => {
                let text = decided.get("arguments").and_then(Value::as_str);
                canonical::parse(text.ok_or_else(unreadable)?).map_err(|_| unreadable())?
            }
            (_, Value::Object(mut decided)) => {
                decided.remove(CALLER);
                Value::Object(decided)
            }
            _ => return Err(unreadable()),
        };
        let bytes = |value: &Value| canonical::to_canonical(value).ok();
        Ok((bytes(&executed) != bytes(&self.written)).then_some(executed))
    }
}

/// Resolves the paths. Returns the first one that was a detour, resolved.
fn resolve_paths(
    preset: &Preset,
    arguments: &mut Map<String, Value>,
    caller: &Caller,
) -> Result<Option<String>, Failure> {
    let cwd = caller.cwd.as_deref();
    let mut detour = None;
    for name in preset.paths {
        let written = match arguments.get_mut(*name) {
            Some(Value::Array(several)) => several.as_mut_slice(),
            Some(one) => std::slice::from_mut(one),
            None => continue,
        };
        for path in written {
            if let Value::String(path) = path
                && !path.is_empty()
            {
                let resolved = path::resolve(path, cwd)?;
                if detour.is_none() && path::is_detour(path, cwd, &resolved) {
                    detour = Some(resolved.clone());
                }
                *path = resolved;
            }
        }
    }
    Ok(detour)
}

fn caller(caller: &Caller) -> Value {
    let known = [
        ("agent_id", &caller.agent_id),
        ("agent_type", &caller.agent_type),
        ("cwd", &caller.cwd),
        ("permission_mode", &caller.permission_mode),
    ];
    let known = known
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value.clone()?))));
    Value::Object(known.collect())
}
