//! Cursor. Source: "Hooks", cursor.com/docs/agent/hooks.

use serde_json::json;
use tollgate::config::ExternalPreset;

use super::{Answers, Fields, McpName, Preset};

pub(in crate::commands::hook) const HELP: &str = "\
Example, in ~/.cursor/hooks.json:
  {\"version\": 1, \"hooks\": {
    \"preToolUse\": [{\"failClosed\": true, \"timeout\": 60,
      \"command\": \"tollgate --config FILE hook cursor --agent coder || exit 2\"}],
    \"postToolUse\": [{\"timeout\": 60,
      \"command\": \"tollgate --config FILE hook cursor --agent coder\"}],
    \"postToolUseFailure\": [{\"timeout\": 60,
      \"command\": \"tollgate --config FILE hook cursor --agent coder\"}]}}

and in tollgate.toml:
  [external.cursor]
  preset = \"cursor\"

  $ tollgate --config FILE hook cursor --agent coder < event.json

Works like `tollgate hook claude-code`, whose help has the details. Without --config it uses the
configuration of the project (CURSOR_PROJECT_DIR), which must be trusted. beforeShellExecution and beforeReadFile are decided
as the tools Shell and Read: use them instead of preToolUse, not in addition.";

pub(in crate::commands::hook) const PRESET: Preset = Preset {
    tools: ExternalPreset::Cursor,
    before_tool: &[
        "preToolUse",
        "beforeShellExecution",
        "beforeMCPExecution",
        "beforeReadFile",
    ],
    after_tool: &["postToolUse"],
    after_failure: &["postToolUseFailure"],
    prompts: &[],
    neutral: &[
        "afterAgentResponse",
        "afterAgentThought",
        "afterFileEdit",
        "afterMCPExecution",
        "afterShellExecution",
        "afterTabFileEdit",
        "beforeSubmitPrompt",
        "beforeTabFileRead",
        "preCompact",
        "sessionEnd",
        "sessionStart",
        "stop",
        "subagentStart",
        "subagentStop",
        "workspaceOpen",
    ],
    foreign: &[],
    fields: Fields {
        event: "hook_event_name",
        session: "conversation_id",
        tool: "tool_name",
        arguments: "tool_input",
        call: "tool_use_id",
        response: "tool_output",
        error: "error_message",
    },
    rewrites: &["preToolUse"],
    paths: &[
        "file_path",
        "path",
        "target_directory",
        "target_file",
        "working_directory",
    ],
    mcp: McpName::Joined("MCP:", "/"),
    implied: &[
        ("beforeShellExecution", "Shell", &["command"]),
        ("beforeReadFile", "Read", &["file_path"]),
    ],
    project: Some("CURSOR_PROJECT_DIR"),
    answers: Answers {
        deny: |_, reason| json!({ "permission": "deny", "user_message": reason, "agent_message": reason }),
        permit: |_, permit| {
            let mut answer = json!({});
            if let Some(answer) = answer.as_object_mut() {
                if permit.unasked {
                    answer.insert("permission".into(), "allow".into());
                }
                if let Some(replacement) = permit.replacement {
                    answer.insert("updated_input".into(), replacement);
                }
            }
            answer
        },
        withhold: |_, reason| json!({ "additional_context": reason }),
    },
};
