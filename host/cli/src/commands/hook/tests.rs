//! Events of coding agents: which of them decide, what the gate is asked, and how the answer reads.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_server::reply::CallOutcome;

use super::{
    HookAnswer,
    arguments::{Call, ToolSet},
    event::{self, EventKind, HookEvent},
    preset::{Permit, Preset, claude_code, codex, cursor, gemini_cli},
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
    assert!(replaced.blocks.is_some(), "it must not run as it was");
}

#[test]
fn a_prompt_is_what_the_user_asks_for() {
    let event = json!({
        "hook_event_name": "UserPromptSubmit", "session_id": "s-1", "prompt": "Write to ann@example.com",
    });
    let parsed = HookEvent::parse(&claude_code::PRESET, event.to_string().as_bytes()).unwrap();
    let prompt = EventKind::Prompt {
        session: "s-1".into(),
        text: "Write to ann@example.com".into(),
    };
    assert_eq!(parsed.kind, prompt);
    assert!(parsed.tool_use.is_none());
    // What is not told cannot keep a prompt from its agent.
    let torn = json!({ "hook_event_name": "UserPromptSubmit", "session_id": "s-1" }).to_string();
    assert!(HookEvent::parse(&claude_code::PRESET, torn.as_bytes()).is_err());
    assert!(event::decides_nothing(
        &claude_code::PRESET,
        torn.as_bytes()
    ));
}

#[test]
fn a_result_that_policy_keeps_back_is_not_to_be_used() {
    let event = HookEvent {
        name: "PostToolUse".into(),
        kind: EventKind::Other,
        tool_use: None,
    };
    let after = |outcome, redacted| {
        HookAnswer::after_outcome(&claude_code::PRESET, &event, outcome, redacted, None).json
    };
    assert_eq!(after(CallOutcome::Ok, false), json!({}));
    for (outcome, redacted) in [(CallOutcome::Withheld, false), (CallOutcome::Ok, true)] {
        assert_eq!(after(outcome, redacted)["decision"], "block");
    }
}

proptest! {
    #[test]
    fn no_input_is_taken_for_an_event_that_decides_nothing_unless_it_says_so(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cut in 0_usize..120,
    ) {
        for preset in PRESETS {
            let _ = HookEvent::parse(preset, &bytes);
            let whole = claude("Bash", &json!({ "command": "ls" }));
            let part = whole.get(..cut.min(whole.len())).unwrap_or_default();
            prop_assert!(!event::decides_nothing(&claude_code::PRESET, part.as_bytes()));
            prop_assert!(HookEvent::parse(preset, part.as_bytes()).is_err());
        }
    }
}
