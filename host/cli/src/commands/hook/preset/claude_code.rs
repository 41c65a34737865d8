//! Claude Code. Source: "Hooks reference", code.claude.com/docs/en/hooks.

use tollgate::config::ExternalPreset;

use super::{Fields, McpName, Preset, SPECIFIC_OUTPUT};

pub(in crate::commands::hook) const HELP: &str = "\
Example, in ~/.claude/settings.json:
  {\"hooks\": {
    \"PreToolUse\": [{\"matcher\": \"*\", \"hooks\": [{\"type\": \"command\", \"timeout\": 60,
      \"command\": \"tollgate --config FILE hook claude-code --agent coder || exit 2\"}]}],
    \"PostToolUse\": [{\"matcher\": \"*\", \"hooks\": [{\"type\": \"command\", \"timeout\": 60,
      \"command\": \"tollgate --config FILE hook claude-code --agent coder\"}]}],
    \"PostToolUseFailure\": [{\"matcher\": \"*\", \"hooks\": [{\"type\": \"command\", \"timeout\": 60,
      \"command\": \"tollgate --config FILE hook claude-code --agent coder\"}]}],
    \"UserPromptSubmit\": [{\"hooks\": [{\"type\": \"command\", \"timeout\": 60,
      \"command\": \"tollgate --config FILE hook claude-code --agent coder\"}]}]}}

and in tollgate.toml:
  [external.claude]
  preset = \"claude-code\"

  $ tollgate --config FILE hook claude-code --agent coder < event.json

Reads the event's JSON on standard input and writes the answer to standard output. `tollgate serve` must
run. Without --config it uses the configuration of the project (CLAUDE_PROJECT_DIR), which must be trusted.
An event that this version does not know is counted (`tollgate_hook_unknown_events_total`) and gets no objection,
unless it is about to run a tool: then it is decided like PreToolUse. WorktreeCreate must not have this hook.
Tools that the preset does not declare are decided as `NAME__mcp` (server, tool, arguments) or
`NAME__other` (tool, arguments). Paths are resolved, and the call is decided and executed with the resolved path.
The user's prompt is sent to the gate if request_from = [\"rest\"] is set for the agent ([agents.NAME]). The
coding agent's shell runs as you, and could send a prompt of its own the same way: set it only where policy, or the
coding agent's own sandbox, keeps the shell from `tollgate` and from the gate's socket.
Allowed calls still pass Claude Code's own permissions, unless --allow is given. Where policy removes something
from the arguments, the call runs without it; unless --allow is given, Claude Code shows it to its user first.
With --socket FILE the account says which agent it is: see [hook] and `login` of agents.

Exit codes: 0, the answer is on standard output; 2, the call is blocked, and standard error says why;
1, an event that decides nothing could not be recorded. `|| exit 2` also blocks if the program cannot
be started.";

pub(in crate::commands::hook) const PRESET: Preset = Preset {
    tools: ExternalPreset::ClaudeCode,
    before_tool: &["PreToolUse"],
    after_tool: &["PostToolUse"],
    after_failure: &["PostToolUseFailure"],
    prompts: &["UserPromptSubmit"],
    neutral: &[
        "ConfigChange",
        "CwdChanged",
        "DirectoryAdded",
        "Elicitation",
        "ElicitationResult",
        "FileChanged",
        "InstructionsLoaded",
        "MessageDisplay",
        "Notification",
        "PermissionDenied",
        "PermissionRequest",
        "PostCompact",
        "PostModelSwitch",
        "PostToolBatch",
        "PreCompact",
        "PreModelSwitch",
        "SessionEnd",
        "SessionStart",
        "Setup",
        "Stop",
        "StopFailure",
        "SubagentStart",
        "SubagentStop",
        "TaskCompleted",
        "TaskCreated",
        "TeammateIdle",
        "UserPromptExpansion",
        "WorktreeRemove",
    ],
    foreign: &[(
        "WorktreeCreate",
        "a hook for it replaces how Claude Code makes worktrees, and its output would be the path of one; remove \
         this hook from the event",
    )],
    fields: Fields {
        event: "hook_event_name",
        session: "session_id",
        tool: "tool_name",
        arguments: "tool_input",
        call: "tool_use_id",
        response: "tool_response",
        error: "error",
    },
    rewrites: &["PreToolUse"],
    paths: &["filePath", "file_path", "notebook_path", "path"],
    mcp: McpName::Joined("mcp__", "__"),
    implied: &[],
    project: Some("CLAUDE_PROJECT_DIR"),
    answers: SPECIFIC_OUTPUT,
};
