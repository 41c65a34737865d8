//! Events of coding agents, as anyone may send them.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate_fuzz::Target;
use tollgate_model::canonical;

use super::{
    arguments::{CALLER, Call, ToolSet},
    event::{self, EventKind, HookEvent},
    preset::{Preset, claude_code, codex, cursor, gemini_cli},
};

const HOOK: Target = Target {
    name: "hook",
    package: "tollgate-cli",
    corpus: || {
        let texts = [
            r#"{"session_id":"s-1","cwd":"/srv/app","permission_mode":"plan","agent_id":"a-1","hook_event_name":"PreToolUse","tool_name":"Write","tool_input":{"file_path":"/srv/app/docs/.././ci.yml","content":"x"},"tool_use_id":"u-1"}"#,
            r#"{"session_id":"s-1","cwd":"/srv/app","hook_event_name":"PreToolUse","tool_name":"mcp__desk__send_letter","tool_input":{"to":"ada","hook":{"agent_id":"forged"}}}"#,
            r#"{"session_id":"s-1","hook_event_name":"PreToolUse","tool_name":"NextMonth","tool_input":null}"#,
            r#"{"session_id":"s-1","hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":{"command":"ls","command":"rm -r x"}}"#,
            r#"{"session_id":"s-1","hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":{"command":"ls"},"tool_response":{"stdout":"a","is_error":false},"tool_use_id":"u-1"}"#,
            r#"{"session_id":"s-1","hook_event_name":"Stop","hook_event_name":"PreToolUse","stop_hook_active":false}"#,
            r#"{"session_id":"s-1","cwd":"/srv","hook_event_name":"BeforeTool","tool_name":"run_shell_command","tool_input":{"command":"ls","dir_path":".."}}"#,
            r#"{"conversation_id":"c-1","hook_event_name":"beforeShellExecution","command":"ls","cwd":"/srv","workspace_roots":["/srv"]}"#,
        ];
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    },
    variants: 1_500,
    check: hook,
};

fn hook(input: &[u8]) {
    for preset in [
        &claude_code::PRESET,
        &codex::PRESET,
        &gemini_cli::PRESET,
        &cursor::PRESET,
    ] {
        let event = match HookEvent::parse(preset, input) {
            Ok(event) => event,
            Err(failure) => {
                assert!(!failure.to_string().is_empty());
                continue;
            }
        };
        match &event.kind {
            EventKind::BeforeTool => {
                assert!(
                    !event::decides_nothing(preset, input),
                    "it would pass without a decision"
                );
                decided(preset, &event);
            }
            EventKind::AfterTool { .. } => assert!(event.tool_use.is_some()),
            EventKind::Prompt { .. }
            | EventKind::Neutral
            | EventKind::Foreign(_)
            | EventKind::Unknown => {
                assert!(event.tool_use.is_none());
                assert!(
                    event::decides_nothing(preset, input),
                    "{} would be blocked",
                    event.name
                );
            }
        }
    }
}

/// What is executed is what the gate has decided, and no argument speaks for the caller.
fn decided(preset: &Preset, event: &HookEvent) {
    let used = event.tool_use.as_ref().unwrap();
    let tools = BTreeSet::from(["Bash", "Write", "Shell", "mcp", "other"].map(str::to_owned));
    let declared = ToolSet {
        tools,
        caller: true,
    };
    let Ok(call) = Call::new(preset, used, &declared) else {
        return;
    };
    assert!(
        call.replacement(None).is_err(),
        "nothing runs that was not decided"
    );
    let Ok(decided) = canonical::parse(&call.arguments) else {
        assert!(
            canonical::parse(&used.arguments).is_err(),
            "the gate sees what the agent wrote"
        );
        return;
    };
    let Some(members) = decided.as_object() else {
        return;
    };
    let agent = members
        .get(CALLER)
        .and_then(|caller| caller.get("agent_id"));
    assert_eq!(
        agent.and_then(Value::as_str),
        used.caller.agent_id.as_deref()
    );
    let replacement = call.replacement(Some(&call.arguments)).unwrap();
    let written = canonical::parse(&used.arguments).unwrap();
    let executed = replacement.unwrap_or(written);
    let seen = match call.tool.as_str() {
        "mcp" | "other" => canonical::parse(members["arguments"].as_str().unwrap()).unwrap(),
        _ => {
            let mut seen = members.clone();
            seen.remove(CALLER);
            Value::Object(seen)
        }
    };
    let bytes = |value: &Value| canonical::to_canonical(value).unwrap();
    assert_eq!(bytes(&executed), bytes(&seen));
}

#[test]
fn fuzz_hook() {
    HOOK.play();
}
