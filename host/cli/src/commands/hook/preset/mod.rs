//! The differences between coding agents: names of events and members, members that are paths, and the form of
//! answers. One file per coding agent.

pub(super) mod claude_code;
pub(super) mod codex;
pub(super) mod cursor;
pub(super) mod gemini_cli;

use serde_json::{Value, json};
use tollgate::config::ExternalPreset;

/// A coding agent's hook.
pub(super) struct Preset {
    /// The tools that `[external.NAME] preset` declares.
    pub(super) tools: ExternalPreset,
    /// Events before a tool runs: those that can be blocked.
    pub(super) before_tool: &'static [&'static str],
    /// Events after a tool has run.
    pub(super) after_tool: &'static [&'static str],
    /// Events after a tool has failed, if they have a different name.
    pub(super) after_failure: &'static [&'static str],
    /// Events that tell what the user asks for, in the member `prompt`.
    pub(super) prompts: &'static [&'static str],
    /// Names of members of events.
    pub(super) fields: Fields,
    /// Members of arguments that hold a path, or several.
    pub(super) paths: &'static [&'static str],
    /// How an event names a tool of an MCP server.
    pub(super) mcp: McpName,
    /// Events for one tool: the event, its tool, and the members that are its arguments.
    pub(super) implied: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// The environment variable with the project's directory.
    pub(super) project: Option<&'static str>,
    /// The form of its answers.
    pub(super) answers: Answers,
}

/// How an event names a tool of an MCP server.
pub(super) enum McpName {
    /// In the tool's name: the prefix, and the separator of server and tool. A server with the separator in its own name
    /// is taken for one with the shorter name.
    Joined(&'static str, &'static str),
    /// In the members `server_name` and `tool_name` of this member. The tool's name, which the separator makes
    /// ambiguous, says nothing.
    Apart(&'static str),
}

/// Names of members of events.
pub(super) struct Fields {
    pub(super) event: &'static str,
    pub(super) session: &'static str,
    pub(super) tool: &'static str,
    pub(super) arguments: &'static str,
    /// The call's id.
    pub(super) call: &'static str,
    pub(super) response: &'static str,
    pub(super) error: &'static str,
}

/// The form of answers.
pub(super) struct Answers {
    /// The call must not run, for this reason.
    pub(super) deny: fn(event: &str, reason: &str) -> Value,
    /// Policy allows the call.
    pub(super) permit: fn(event: &str, permit: Permit) -> Value,
    /// The result must not be used, for this reason.
    pub(super) withhold: fn(event: &str, reason: &str) -> Value,
}

/// A call that policy allows.
pub(super) struct Permit {
    /// Arguments to execute instead of the original ones.
    pub(super) replacement: Option<Value>,
    /// Whether to skip the coding agent's own permission prompt.
    pub(super) unasked: bool,
}

/// A tool of an MCP server of the coding agent.
#[derive(Debug, PartialEq)]
pub(super) struct McpTool {
    pub(super) server: String,
    pub(super) tool: String,
}

impl McpName {
    /// The tool with this name in an event with these members, if it is one of an MCP server.
    pub(super) fn tool(
        &self,
        name: &str,
        member: impl Fn(&str) -> Option<Value>,
    ) -> Option<McpTool> {
        match self {
            Self::Joined(prefix, between) => {
                let (server, tool) = name.strip_prefix(prefix)?.split_once(between)?;
                Some(McpTool {
                    server: server.into(),
                    tool: tool.into(),
                })
            }
            Self::Apart(object) => {
                let object = member(object)?;
                let text = |key: &str| object.get(key)?.as_str().map(str::to_owned);
                Some(McpTool {
                    server: text("server_name")?,
                    tool: text("tool_name")?,
                })
            }
        }
    }
}

impl Preset {
    /// The tool of an event that does not name one, and the members that are its arguments.
    pub(super) fn implied_tool(
        &self,
        event: &str,
    ) -> Option<(&'static str, &'static [&'static str])> {
        let found = self.implied.iter().find(|(name, ..)| *name == event)?;
        Some((found.1, found.2))
    }
}

/// The answers of Claude Code, and of coding agents with the same form.
pub(super) const SPECIFIC_OUTPUT: Answers = Answers {
    deny: |event, reason| {
        json!({ "hookSpecificOutput": {
            "hookEventName": event,
            "permissionDecision": "deny",
            "permissionDecisionReason": reason,
        } })
    },
    permit: |event, permit| {
        let mut output = json!({ "hookEventName": event });
        if let Some(output) = output.as_object_mut() {
            if permit.unasked {
                output.insert("permissionDecision".into(), "allow".into());
                let reason = "Tollgate's policies allow it.";
                output.insert("permissionDecisionReason".into(), reason.into());
            }
            if let Some(replacement) = permit.replacement {
                output.insert("updatedInput".into(), replacement);
            }
        }
        json!({ "hookSpecificOutput": output })
    },
    withhold: |_, reason| json!({ "decision": "block", "reason": reason }),
};
