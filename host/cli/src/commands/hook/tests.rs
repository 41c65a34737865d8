//! Events of coding agents: which of them decide, what the gate is asked, and how the answer reads.

mod paths;
mod reports;

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_server::reply::CallOutcome;

use super::{
    HookAnswer,
    arguments::{Call, ToolSet},
    event::{self, EventKind, HookEvent},
    preset::{Permit, Preset, Topic, claude_code, codex, cursor, gemini_cli},
};

const PRESETS: [&Preset; 4] = [
    &claude_code::PRESET,
    &codex::PRESET,
    &gemini_cli::PRESET,
    &cursor::PRESET,
];

fn claude(tool: &str, input: &Value) -> String {
    json!({
        "session_id": "s", "cwd": "/srv/app", "permission_mode": "plan", "agent_id": "a-1",
        "hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": input, "tool_use_id": "t-1",
    })
    .to_string()
}

fn call(preset: &Preset, event: &str) -> Call {
    let event = HookEvent::parse(preset, event.as_bytes()).unwrap();
    assert_eq!(event.kind, EventKind::BeforeTool);
    let tools = ["Bash", "Write", "Shell", "mcp", "other"];
    let declared = ToolSet {
        tools: BTreeSet::from(tools.map(str::to_owned)),
        caller: true,
    };
    Call::new(preset, &event.tool_use.unwrap(), &declared).unwrap()
}

fn arguments(call: &Call) -> Value {
    serde_json::from_str(&call.arguments).unwrap()
}

/// Half of a surrogate pair, a repeated key, too many levels: the model gets them, so the gate does.
#[test]
fn a_response_that_no_reader_takes_is_passed_on_as_text() {
    let deep = format!("{}\"evil.example\"{}", "[".repeat(200), "]".repeat(200));
    for response in [
        r#""cut \ud83d\nevil.example""#,
        r#"{"text": "cut \ude00 evil.example"}"#,
        r#"{"a": "evil.example", "a": ""}"#,
        &deep,
    ] {
        let event = format!(
            r#"{{"session_id": "s", "hook_event_name": "PostToolUse", "tool_name": "WebFetch", "tool_input": {{}},
                "tool_use_id": "t", "tool_response": {response}}}"#
        );
        let event = HookEvent::parse(&claude_code::PRESET, event.as_bytes()).unwrap();
        let EventKind::AfterTool { content, .. } = event.kind else {
            panic!("{event:?}");
        };
        assert!(content.contains("evil.example"), "{response}: {content}");
        assert!(!content.contains("nevil"), "{response}: {content}");
    }
}

#[test]
fn only_events_before_a_tool_can_be_blocked() {
    for preset in PRESETS {
        let name = |name: &str| json!({ preset.fields.event: name }).to_string();
        for before in preset.before_tool {
            assert!(!event::decides_nothing(preset, name(before).as_bytes()));
        }
        for other in [
            "Stop",
            "SubagentStop",
            "UserPromptSubmit",
            "stop",
            "NextMonth",
        ] {
            assert!(
                event::decides_nothing(preset, name(other).as_bytes()),
                "{other}"
            );
        }
        // What cannot be read may be any event.
        for unreadable in ["", "{", "[]", "{\"hook_event_name\": 7}"] {
            assert!(
                !event::decides_nothing(preset, unreadable.as_bytes()),
                "{unreadable}"
            );
        }
    }
    let stop = b"{\"hook_event_name\": \"Stop\", \"last_assistant_message\": \"\xff\"}";
    assert!(event::decides_nothing(&claude_code::PRESET, stop));
    assert!(HookEvent::parse(&claude_code::PRESET, stop).is_err());
}

/// "Hooks reference", code.claude.com/docs/en/hooks.
const CLAUDE_EVENTS: [&str; 33] = [
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
    "PostToolUse",
    "PostToolUseFailure",
    "PreCompact",
    "PreModelSwitch",
    "PreToolUse",
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
    "UserPromptSubmit",
    "WorktreeCreate",
    "WorktreeRemove",
];

#[test]
fn every_event_of_claude_code_is_known() {
    for name in CLAUDE_EVENTS {
        assert_ne!(claude_code::PRESET.topic(name), Topic::Unknown, "{name}");
    }
    for preset in PRESETS {
        let handled = [
            preset.before_tool,
            preset.after_tool,
            preset.after_failure,
            preset.prompts,
        ];
        let mut names: Vec<&str> = handled.concat();
        names.extend(preset.neutral);
        names.extend(preset.foreign.iter().map(|(name, _)| name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "an event is about one thing");
    }
}

/// A new event that runs a tool does not pass without a decision; other new events pass.
#[test]
fn an_unknown_event_that_runs_a_tool_is_decided() {
    for preset in PRESETS {
        let fields = &preset.fields;
        let about = |more: &[(&str, Value)]| -> Vec<u8> {
            let mut event = json!({ fields.event: "NextMonth", fields.session: "s" });
            for (name, value) in more {
                event[*name] = value.clone();
            }
            event.to_string().into_bytes()
        };
        let (tool, input) = ((fields.tool, json!("Bash")), (fields.arguments, json!({})));
        let runs = about(&[tool.clone(), input.clone()]);
        assert!(!event::decides_nothing(preset, &runs));
        let parsed = HookEvent::parse(preset, &runs).unwrap();
        assert_eq!(parsed.kind, EventKind::BeforeTool);
        // Whether its JSON would count is not known, so the exit code blocks.
        let denied = HookAnswer::deny(preset, &parsed, "no".into());
        assert_eq!(
            (denied.json, denied.blocks.as_deref()),
            (Value::Null, Some("no"))
        );
        let permit = Permit {
            replacement: Some(json!({ "command": "[redacted]" })),
            is_redacted: true,
            detour: None,
            unasked: true,
        };
        let pointers = BTreeSet::from(["/command".to_owned()]);
        assert!(permit.obstacle(preset, &parsed, &pointers).is_some());

        let ran = (fields.response, json!("done"));
        for other in [
            about(&[]),
            about(std::slice::from_ref(&tool)),
            about(&[tool.clone(), input.clone(), ran]),
        ] {
            assert!(event::decides_nothing(preset, &other));
            let parsed = HookEvent::parse(preset, &other).unwrap();
            assert_eq!(parsed.kind, EventKind::Unknown);
        }
    }
}

#[test]
fn the_gate_is_told_where_and_by_whom_a_tool_is_called() {
    let call = call(
        &claude_code::PRESET,
        &claude("Bash", &json!({ "command": "ls" })),
    );
    assert_eq!(call.tool, "Bash");
    assert_eq!(
        arguments(&call),
        json!({ "command": "ls",
            "hook": { "cwd": "/srv/app", "agent_id": "a-1", "permission_mode": "plan" } })
    );
    assert_eq!(call.replacement(Some(&call.arguments)).unwrap(), None);
    let decided = json!({ "command": "[redacted]", "hook": {} }).to_string();
    let replacement = call.replacement(Some(&decided)).unwrap();
    assert_eq!(replacement, Some(json!({ "command": "[redacted]" })));
    assert!(
        call.replacement(None).is_err(),
        "nothing may be executed then"
    );
}

#[test]
fn tools_that_are_not_declared_are_decided_too() {
    let input = json!({ "title": "Bug" });
    let mcp = call(
        &claude_code::PRESET,
        &claude("mcp__github__create_issue", &input),
    );
    assert_eq!(mcp.tool, "mcp");
    let arguments_of = arguments(&mcp);
    assert_eq!(
        (&arguments_of["server"], &arguments_of["tool"]),
        (&json!("github"), &json!("create_issue"))
    );
    assert_eq!(arguments_of["arguments"], input.to_string());
    assert_eq!(mcp.replacement(Some(&mcp.arguments)).unwrap(), None);
    let unknown = call(&claude_code::PRESET, &claude("NextMonth", &Value::Null));
    assert_eq!(unknown.tool, "other");
    let unknown = arguments(&unknown);
    assert_eq!(
        (&unknown["tool"], &unknown["arguments"]),
        (&json!("NextMonth"), &json!("{}"))
    );
}

/// A policy about a folder covers every tool that the preset declares, because each of its paths is resolved.
#[test]
fn every_declared_path_is_resolved() {
    for (preset, tools) in [
        (
            &claude_code::PRESET,
            include_str!("../../../../gate/src/load/presets/claude_code.json"),
        ),
        (
            &codex::PRESET,
            include_str!("../../../../gate/src/load/presets/codex.json"),
        ),
        (
            &gemini_cli::PRESET,
            include_str!("../../../../gate/src/load/presets/gemini_cli.json"),
        ),
        (
            &cursor::PRESET,
            include_str!("../../../../gate/src/load/presets/cursor.json"),
        ),
    ] {
        let tools: Vec<Value> = serde_json::from_str(tools).unwrap();
        let mut found = 0;
        for tool in &tools {
            let members = tool["inputSchema"]["properties"].as_object();
            for name in members.into_iter().flat_map(|members| members.keys()) {
                let lower = name.to_lowercase();
                if ["path", "dir", "file"]
                    .iter()
                    .any(|part| lower.contains(part))
                {
                    assert!(
                        preset.paths.contains(&name.as_str()),
                        "{}: {name}",
                        tool["name"]
                    );
                    found += 1;
                }
            }
        }
        assert!(found > 1, "{found} paths of {} tools", tools.len());
    }
    let several = json!({ "session_id": "s", "cwd": "/srv/app", "hook_event_name": "BeforeTool",
        "tool_name": "Write", "tool_input": { "paths": ["../etc/a", "/x//y", ""] } });
    let several = call(&gemini_cli::PRESET, &several.to_string());
    assert_eq!(
        arguments(&several)["paths"],
        json!(["/srv/etc/a", "/x/y", ""])
    );
}

/// `mcp_github_x_y` may be `x_y` of `github`, or `y` of `github_x`: a permit for the one must not cover the other.
#[test]
fn an_ambiguous_name_is_no_server() {
    let event = |context: Value| {
        json!({ "session_id": "s", "cwd": "/srv/app", "hook_event_name": "BeforeTool",
            "tool_name": "mcp_github_x_create_issue", "tool_input": {}, "mcp_context": context })
        .to_string()
    };
    let given = event(json!({ "server_name": "github_x", "tool_name": "create_issue" }));
    let given = call(&gemini_cli::PRESET, &given);
    assert_eq!(given.tool, "mcp");
    let said = arguments(&given);
    assert_eq!(
        (&said["server"], &said["tool"]),
        (&json!("github_x"), &json!("create_issue"))
    );
    for context in [
        Value::Null,
        json!({}),
        json!({ "server_name": 7, "tool_name": "x" }),
    ] {
        let unknown = call(&gemini_cli::PRESET, &event(context));
        assert_eq!(unknown.tool, "other");
        assert_eq!(arguments(&unknown)["tool"], "mcp_github_x_create_issue");
    }
}

#[test]
fn paths_are_decided_and_executed_in_resolved_form() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let root = root.to_str().unwrap();
    let write = |path: &str| {
        let event = json!({ "session_id": "s", "cwd": root, "hook_event_name": "PreToolUse",
            "tool_name": "Write", "tool_input": { "file_path": path, "content": "x" } });
        call(&claude_code::PRESET, &event.to_string())
    };
    let expected = format!("{root}/.github/workflows/ci.yml");
    for spelling in [
        format!("{root}/.github/./workflows/ci.yml"),
        format!("{root}/docs/../.github//workflows/ci.yml"),
        ".github/workflows/ci.yml".to_owned(),
    ] {
        let call = write(&spelling);
        assert_eq!(arguments(&call)["file_path"], expected);
        let replacement = call.replacement(Some(&call.arguments)).unwrap().unwrap();
        assert_eq!(
            replacement,
            json!({ "file_path": expected, "content": "x" })
        );
    }
    let plain = write(&expected);
    assert_eq!(plain.replacement(Some(&plain.arguments)).unwrap(), None);
}

#[test]
fn the_gate_sees_a_key_that_occurs_twice() {
    let event = r#"{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"Bash",
        "tool_input":{"command":"ls","command":"rm -rf /srv"}}"#;
    let call = call(&claude_code::PRESET, event);
    assert_eq!(
        call.arguments,
        r#"{"command":"ls","command":"rm -rf /srv"}"#
    );
    let twice = r#"{"session_id":"s","hook_event_name":"Stop","hook_event_name":"PreToolUse"}"#;
    assert!(HookEvent::parse(&claude_code::PRESET, twice.as_bytes()).is_err());
}

#[test]
fn every_coding_agent_is_answered_in_its_own_words() {
    let event = |preset: &Preset| HookEvent {
        name: preset.before_tool[0].to_owned(),
        kind: EventKind::BeforeTool,
        tool_use: None,
    };
    let denied = PRESETS.map(|preset| HookAnswer::deny(preset, &event(preset), "no".into()));
    assert!(
        denied
            .iter()
            .all(|answer| answer.blocks.as_deref() == Some("no"))
    );
    let [claude, codex, gemini, cursor] = denied.map(|answer| answer.json);
    for specific in [claude, codex] {
        let output = &specific["hookSpecificOutput"];
        assert_eq!(output["permissionDecision"], "deny");
        assert_eq!(output["permissionDecisionReason"], "no");
    }
    assert_eq!(
        (&gemini["decision"], &gemini["reason"]),
        (&json!("deny"), &json!("no"))
    );
    assert_eq!(cursor["permission"], "deny");
    // The coding agent's own permissions still count, unless the operator says otherwise.
    let permit = |replacement: Option<Value>, unasked| {
        let permit = Permit {
            replacement,
            is_redacted: false,
            detour: None,
            unasked,
        };
        HookAnswer::permit(&claude_code::PRESET, &event(&claude_code::PRESET), permit)
    };
    let asked = permit(None, false);
    assert_eq!(
        asked.json["hookSpecificOutput"].get("permissionDecision"),
        None
    );
    assert_eq!(asked.blocks, None);
    let unasked = permit(None, true);
    assert_eq!(
        unasked.json["hookSpecificOutput"]["permissionDecision"],
        "allow"
    );
    let replaced = permit(Some(json!({ "command": "x" })), false);
    assert_eq!(
        replaced.json["hookSpecificOutput"]["updatedInput"]["command"],
        "x"
    );
    assert_eq!(
        replaced.json["hookSpecificOutput"]["permissionDecision"], "ask",
        "other arguments are only sure to be used with a decision"
    );
    assert!(replaced.blocks.is_some(), "it must not run as it was");
}

#[test]
fn what_policy_removes_reaches_no_coding_agent_that_would_keep_it() {
    let pointers = BTreeSet::from(["/command".to_owned()]);
    let redacted = |replacement: Option<Value>| Permit {
        replacement,
        is_redacted: true,
        detour: None,
        unasked: false,
    };
    for preset in PRESETS {
        for name in preset.before_tool {
            let event = HookEvent {
                name: (*name).to_owned(),
                kind: EventKind::BeforeTool,
                tool_use: None,
            };
            let replacement = json!({ "command": "[redacted]" });
            let permit = redacted(Some(replacement.clone()));
            let obstacle = permit.obstacle(preset, &event, &pointers);
            let answer = HookAnswer::permit(preset, &event, permit);
            let is_told = answer.json.to_string().contains("[redacted]");
            assert_eq!(obstacle.is_none(), is_told, "{name}: {answer:?}");
            assert_eq!(answer.blocks.is_some(), is_told, "{name}");
            // Where only facts about the caller were removed, nothing is lost.
            let facts = redacted(None);
            assert_eq!(facts.obstacle(preset, &event, &pointers), None, "{name}");
        }
    }
    let event = HookEvent {
        name: "PreToolUse".into(),
        kind: EventKind::BeforeTool,
        tool_use: None,
    };
    // Codex runs a call that is denied without a reason.
    let denied = HookAnswer::deny(&codex::PRESET, &event, " ".into());
    let reason = &denied.json["hookSpecificOutput"]["permissionDecisionReason"];
    assert_eq!(reason, "Policy denies it.");
}
