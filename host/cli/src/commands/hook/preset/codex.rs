//! Codex. Source: "Hooks", developers.openai.com/codex/hooks.

use tollgate::config::ExternalPreset;

use super::{Fields, McpName, Preset, SPECIFIC_OUTPUT};

pub(in crate::commands::hook) const HELP: &str = "\
Example, in ~/.codex/config.toml:
  [[hooks.PreToolUse]]
  [[hooks.PreToolUse.hooks]]
  type = \"command\"
  command = \"tollgate --config FILE hook codex --agent coder || exit 2\"

  [[hooks.PostToolUse]]
  [[hooks.PostToolUse.hooks]]
  type = \"command\"
  command = \"tollgate --config FILE hook codex --agent coder\"

and in tollgate.toml:
  [external.codex]
  preset = \"codex\"

  $ tollgate --config FILE hook codex --agent coder < event.json

Works like `tollgate hook claude-code`, whose help has the details. A hook without a matcher runs for every tool.";

pub(in crate::commands::hook) const PRESET: Preset = Preset {
    tools: ExternalPreset::Codex,
    before_tool: &["PreToolUse"],
    after_tool: &["PostToolUse"],
    after_failure: &[],
    prompts: &[],
    fields: Fields {
        event: "hook_event_name",
        session: "session_id",
        tool: "tool_name",
        arguments: "tool_input",
        call: "tool_use_id",
        response: "tool_response",
        error: "error",
    },
    paths: &["file_path", "path", "workdir"],
    mcp: McpName::Joined("mcp__", "__"),
    implied: &[],
    project: None,
    answers: SPECIFIC_OUTPUT,
};
