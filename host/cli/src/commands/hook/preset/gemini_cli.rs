//! Gemini CLI. Source: "Hooks reference", geminicli.com/docs/hooks/reference.

use serde_json::json;
use tollgate::config::ExternalPreset;

use super::{Answers, Fields, McpName, Preset};

pub(in crate::commands::hook) const HELP: &str = "\
Example, in ~/.gemini/settings.json:
  {\"hooks\": {
    \"BeforeTool\": [{\"matcher\": \".*\", \"hooks\": [{\"type\": \"command\", \"timeout\": 60000,
      \"command\": \"tollgate --config FILE hook gemini-cli --agent coder || exit 2\"}]}],
    \"AfterTool\": [{\"matcher\": \".*\", \"hooks\": [{\"type\": \"command\", \"timeout\": 60000,
      \"command\": \"tollgate --config FILE hook gemini-cli --agent coder\"}]}]}}

and in tollgate.toml:
  [external.gemini]
  preset = \"gemini-cli\"

  $ tollgate --config FILE hook gemini-cli --agent coder < event.json

Works like `tollgate hook claude-code`, whose help has the details. Without --config it uses the
configuration of the project (GEMINI_PROJECT_DIR), which must be trusted.";

pub(in crate::commands::hook) const PRESET: Preset = Preset {
    tools: ExternalPreset::GeminiCli,
    before_tool: &["BeforeTool"],
    after_tool: &["AfterTool"],
    after_failure: &[],
    prompts: &[],
    neutral: &[
        "AfterAgent",
        "AfterModel",
        "BeforeAgent",
        "BeforeModel",
        "BeforeToolSelection",
        "Notification",
        "PreCompress",
        "SessionEnd",
        "SessionStart",
    ],
    foreign: &[],
    fields: Fields {
        event: "hook_event_name",
        session: "session_id",
        tool: "tool_name",
        arguments: "tool_input",
        call: "tool_call_id",
        response: "tool_response",
        error: "error",
    },
    rewrites: &["BeforeTool"],
    paths: &[
        "file_path",
        "absolute_path",
        "dir_path",
        "path",
        "paths",
        "directory",
    ],
    mcp: McpName::Apart("mcp_context"),
    implied: &[],
    project: Some("GEMINI_PROJECT_DIR"),
    answers: Answers {
        deny: |_, reason| json!({ "decision": "deny", "reason": reason }),
        permit: |event, permit| match permit.replacement {
            Some(replacement) => json!({ "hookSpecificOutput": {
                "hookEventName": event,
                "tool_input": replacement,
            } }),
            None => json!({}),
        },
        withhold: |_, reason| json!({ "decision": "deny", "reason": reason }),
    },
};
