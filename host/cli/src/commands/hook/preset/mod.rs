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
    /// Other events that are known. None of them decides about a call.
    pub(super) neutral: &'static [&'static str],
    /// Events at which any hook takes over what the coding agent does, with the reason why this one must not be
    /// there.
    pub(super) foreign: &'static [(&'static str, &'static str)],
    /// Names of members of events.
    pub(super) fields: Fields,
    /// Events before a tool whose answer can carry other arguments, in every version of the coding agent.
    pub(super) rewrites: &'static [&'static str],
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
    /// Whether policy has removed something from them. If the coding agent would ignore the answer, the call
    /// must not run.
    pub(super) is_redacted: bool,
    /// What a path resolves to that leads through a link or begins with `~`. Executed unchanged, the call could
    /// reach another file.
    pub(super) detour: Option<String>,
    /// Whether to skip the coding agent's own permission prompt.
    pub(super) unasked: bool,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    /// A tool is about to run.
    BeforeTool,
    /// A tool has run.
    AfterTool,
    /// A tool has failed.
    AfterFailure,
    /// The user asks for something.
    Prompt,
    /// Something else that is known.
    Neutral,
    /// Nothing that this hook may answer, for this reason.
    Foreign(&'static str),
    /// It is not known.
    Unknown,
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
    /// What the event of this name is about.
    pub(super) fn topic(&self, event: &str) -> Topic {
        let foreign = self.foreign.iter().find(|(name, _)| *name == event);
        if let Some((_, why)) = foreign {
            return Topic::Foreign(why);
        }
        let topics = [
            (self.before_tool, Topic::BeforeTool),
            (self.after_tool, Topic::AfterTool),
            (self.after_failure, Topic::AfterFailure),
            (self.prompts, Topic::Prompt),
            (self.neutral, Topic::Neutral),
        ];
        let found = topics.into_iter().find(|(names, _)| names.contains(&event));
        found.map_or(Topic::Unknown, |(_, topic)| topic)
    }

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
            // Other arguments are only sure to be used together with one of these.
            let decision = match (permit.unasked, &permit.replacement) {
                (true, _) => Some(("allow", "Tollgate's policies allow it.")),
                (false, _) if permit.is_redacted => Some((
                    "ask",
                    "Tollgate's policies have removed parts of the arguments.",
                )),
                (false, Some(_)) => Some(("ask", "Tollgate has resolved a path in the arguments.")),
                (false, None) => None,
            };
            if let Some((decision, reason)) = decision {
                output.insert("permissionDecision".into(), decision.into());
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
