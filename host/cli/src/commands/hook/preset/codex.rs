//! Codex. Source: "Hooks", developers.openai.com/codex/hooks.

use serde_json::json;
use tollgate::config::ExternalPreset;

use super::{Answers, Fields, McpName, Preset, SPECIFIC_OUTPUT};

pub(in crate::commands::hook) const HELP: &str = "\
Example, in ~/.codex/config.toml:
  [[hooks.PreToolUse]]
  [[hooks.PreToolUse.hooks]]
  type = \"command\"
  command = \"tollgate --config FILE hook codex --agent coder || { echo 'Tollgate has not decided it' >&2; exit 2; }\"

  [[hooks.PostToolUse]]
  [[hooks.PostToolUse.hooks]]
  type = \"command\"
  command = \"tollgate --config FILE hook codex --agent coder\"

and in tollgate.toml:
  [external.codex]
  preset = \"codex\"

  $ tollgate --config FILE hook codex --agent coder < event.json

Works like `tollgate hook claude-code`, whose help has the details. A hook without a matcher runs for every tool.
Codex blocks a call only if standard error has a reason. Not all of its versions can be given other arguments. So
where policy removes some, or where a path leads through a link or begins with `~`, the call is denied. --allow has no
effect; Codex asks for its own permissions elsewhere.";

pub(in crate::commands::hook) const PRESET: Preset = Preset {
    tools: ExternalPreset::Codex,
    before_tool: &["PreToolUse"],
    after_tool: &["PostToolUse"],
    after_failure: &[],
    prompts: &[],
    neutral: &[
        "Interrupt",
        "Notification",
        "PermissionRequest",
        "PostCompact",
        "PreCompact",
        "SessionEnd",
        "SessionStart",
        "Stop",
        "StopFailure",
        "SubagentStart",
        "SubagentStop",
        "UserPromptSubmit",
    ],
    foreign: &[],
    fields: Fields {
        event: "hook_event_name",
        session: "session_id",
        tool: "tool_name",
        arguments: "tool_input",
        call: "tool_use_id",
        response: "tool_response",
        error: "error",
    },
    // Versions differ: some take other arguments with `permissionDecision` "allow", others discard such an answer
    // and run the call as it was.
    rewrites: &[],
    paths: &["file_path", "path", "workdir"],
    mcp: McpName::Joined("mcp__", "__"),
    implied: &[],
    project: None,
    answers: Answers {
        // Codex takes a call without objection as allowed, and discards an answer that says so.
        permit: |_, _| json!({}),
        ..SPECIFIC_OUTPUT
    },
};
