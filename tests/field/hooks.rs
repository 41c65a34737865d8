//! Events of a coding agent, as its hooks send them.

use serde_json::{Value, json};

use crate::gate::{Gate, Ran};

struct Hooked {
    gate: Gate,
    served: crate::gate::Served,
}

impl Hooked {
    fn new(policies: &[(&str, &str)]) -> Self {
        let gate = Gate::with_tools(&json!([{"name": "echo", "inputSchema": {"type": "object"}}]));
        gate.configure("[external.claude]\npreset = \"claude-code\"\n");
        for (name, text) in policies {
            gate.policy(name, text);
        }
        let served = gate.serve();
        Self { gate, served }
    }

    fn send(&self, event: &[u8]) -> Ran {
        self.gate
            .run_with(&["hook", "claude-code", "--agent", "client"], event)
    }

    fn tell(&self, event: &Value) -> Ran {
        self.send(event.to_string().as_bytes())
    }
}

fn event(name: &str, more: &Value) -> Value {
    let mut event = json!({"session_id": "c0ffee00-0000-4000-8000-000000000001", "cwd": "/srv/shop",
        "permission_mode": "default", "transcript_path": "/home/ada/t.jsonl", "hook_event_name": name});
    let more = more.as_object().unwrap().clone();
    event.as_object_mut().unwrap().extend(more);
    event
}

fn before(tool: &str, input: &Value) -> Value {
    event(
        "PreToolUse",
        &json!({"tool_name": tool, "tool_input": input, "tool_use_id": format!("u-{tool}")}),
    )
}

/// The decision that is written for the coding agent.
fn decision(ran: &Ran) -> Option<String> {
    let answer: Value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
    let decision = &answer["hookSpecificOutput"]["permissionDecision"];
    decision.as_str().map(str::to_owned)
}

const NO_WORKFLOWS: (&str, &str) = (
    "no-workflows",
    "forbid (principal, action in [Tollgate::Action::\"claude__Write\", Tollgate::Action::\"claude__Edit\"], resource)\n\
     when { context.input.file_path like \"*/.github/workflows/*\" };",
);
const NO_OTHER: (&str, &str) = (
    "nothing-unknown",
    "forbid (principal, action == Tollgate::Action::\"claude__other\", resource)\n\
     when { context.input.tool like \"Next*\" };",
);
const NO_MCP: (&str, &str) = (
    "no-letters",
    "forbid (principal, action == Tollgate::Action::\"claude__mcp\", resource)\n\
     when { context.input.server == \"desk\" && context.input.tool like \"send_*\" };",
);
const NO_SUBAGENT: (&str, &str) = (
    "no-shell-for-helpers",
    "forbid (principal, action == Tollgate::Action::\"claude__Bash\", resource)\n\
     when { context.input has hook && context.input.hook has agent_type && context.input.hook.agent_type == \"Explore\" };",
);

#[test]
fn tools_of_today_and_of_next_month_are_decided() {
    let hooked = Hooked::new(&[NO_OTHER, NO_MCP, NO_SUBAGENT]);
    for (tool, input) in [
        ("Bash", json!({"command": "ls", "description": "Lists."})),
        (
            "Agent",
            json!({"description": "d", "prompt": "p", "subagent_type": "Explore", "model": "m", "run_in_background": true}),
        ),
        (
            "AskUserQuestion",
            json!({"questions": [{"question": "Which?", "header": "h", "multiSelect": false,
            "options": [{"label": "A", "description": "a"}, {"label": "B", "description": "b"}]}]}),
        ),
        (
            "ToolSearch",
            json!({"query": "select:Read", "max_results": 5}),
        ),
        (
            "ExitPlanMode",
            json!({"plan": "1.", "allowedPrompts": [{"tool": "Bash", "prompt": "tests"}]}),
        ),
        ("TodoRead", Value::Null),
        ("mcp__desk__read_letter", json!({"id": 7})),
        (
            "mcp__tollgate__files__read",
            json!({"path": "/srv/shop/a.txt"}),
        ),
        ("BrandNew", json!({"anything": [1]})),
    ] {
        let ran = hooked.tell(&before(tool, &input)).exits(0);
        assert_eq!(decision(&ran), None, "{tool}: {ran:?}");
    }
    // Arguments that are replaced are used only with a decision.
    let relative = before("mcp__tollgate__files__read", &json!({"path": "a.txt"}));
    let ran = hooked.tell(&relative).exits(0);
    assert_eq!(decision(&ran).as_deref(), Some("ask"), "{ran:?}");
    assert!(ran.out.contains("/srv/shop/a.txt"), "{ran:?}");
    let by_helper = {
        let mut event = before("Bash", &json!({"command": "ls"}));
        event["agent_id"] = "a-7".into();
        event["agent_type"] = "Explore".into();
        event
    };
    for (event, reason) in [
        (before("NextMonth", &json!({})), "nothing-unknown"),
        (
            before("mcp__desk__send_letter", &json!({"to": "ada"})),
            "no-letters",
        ),
        (by_helper, "no-shell-for-helpers"),
    ] {
        let ran = hooked.tell(&event).exits(0);
        assert_eq!(decision(&ran).as_deref(), Some("deny"), "{ran:?}");
        assert!(ran.out.contains(reason), "{ran:?}");
    }
}

/// One rule catches every spelling of a path.
#[test]
fn every_spelling_of_a_path_is_one_path() {
    let hooked = Hooked::new(&[NO_WORKFLOWS]);
    for path in [
        "/srv/shop/.github/workflows/ci.yml",
        "/srv/shop/.github/./workflows/ci.yml",
        "/srv/shop/docs/../.github/workflows/ci.yml",
        "/srv/shop//.github///workflows/ci.yml",
        ".github/workflows/ci.yml",
        "./docs/../.github/workflows/ci.yml",
    ] {
        let ran = hooked.tell(&before(
            "Write",
            &json!({"file_path": path, "content": "x"}),
        ));
        let ran = ran.exits(0);
        assert_eq!(decision(&ran).as_deref(), Some("deny"), "{path}: {ran:?}");
    }
    // What this system cannot resolve is not let through.
    for path in [
        "C:\\srv\\shop\\.github\\workflows\\ci.yml",
        "d:/shop/ci.yml",
        "\\\\host\\share\\ci.yml",
    ] {
        let windows = hooked.tell(&before(
            "Write",
            &json!({"file_path": path, "content": "x"}),
        ));
        windows.exits(2).says("Windows");
    }
    let fine = hooked.tell(&before(
        "Write",
        &json!({"file_path": "/srv/shop/readme.md", "content": "x"}),
    ));
    assert_eq!(decision(&fine.exits(0)), None);
}

/// Only what comes before a tool can be blocked: elsewhere exit code 2 would keep an agent from stopping.
#[test]
fn no_other_event_is_ever_blocked() {
    let hooked = Hooked::new(&[]);
    for (name, more) in [
        (
            "PermissionRequest",
            json!({"tool_name": "Bash", "tool_input": {"command": "npm publish"}, "permission_suggestions": []}),
        ),
        (
            "Stop",
            json!({"stop_hook_active": false, "last_assistant_message": "Done."}),
        ),
        (
            "SubagentStop",
            json!({"stop_hook_active": true, "agent_id": "a-1"}),
        ),
        ("SessionStart", json!({"source": "resume", "model": "m"})),
        ("SessionEnd", json!({"reason": "exit"})),
        ("UserPromptSubmit", json!({"prompt": "hello"})),
        ("Notification", json!({"message": "m"})),
        ("PreCompact", json!({"trigger": "auto"})),
        ("NextMonth", json!({})),
    ] {
        let ran = hooked.tell(&event(name, &more)).exits(0);
        assert!(ran.err.is_empty(), "{name}: {ran:?}");
    }
    let stray = event(
        "PostToolUse",
        &json!({"tool_name": "Bash", "tool_input": {"command": "true"},
        "tool_response": {"stdout": ""}, "tool_use_id": "u-none"}),
    );
    hooked.tell(&stray).exits(1);
    let asked = before("Bash", &json!({"command": "ls"}));
    hooked.tell(&asked).exits(0);
    let after = event(
        "PostToolUse",
        &json!({"tool_name": "Bash", "tool_input": {"command": "ls"},
        "tool_response": {"stdout": "a\nb\n", "stderr": "", "interrupted": false, "isImage": false},
        "tool_use_id": "u-Bash", "duration_ms": 41}),
    );
    hooked.tell(&after).exits(0);
    let runs = hooked.gate.run(&["runs", "show"]).exits(0);
    runs.says("claude__Bash");
}

/// Events of next month are counted, and decided if they run a tool.
#[test]
fn an_unknown_event_is_counted_and_runs_no_tool_undecided() {
    let hooked = Hooked::new(&[NO_OTHER]);
    hooked.tell(&event("NextMonth", &json!({}))).exits(0);
    let metrics = hooked.served.metrics();
    let counted = "tollgate_hook_unknown_events_total{preset=\"claude-code\"} 1";
    assert!(metrics.contains(counted), "{metrics:?}");
    let runs = |tool: &str| {
        let call = json!({"tool_name": tool, "tool_input": {}, "tool_use_id": "u-next"});
        hooked.tell(&event("PreToolUse2", &call))
    };
    assert_eq!(runs("Brand").exits(0).out.trim(), "{}");
    runs("NextTool").exits(2).says("nothing-unknown");
    // A hook there would take over what the coding agent does, and says so.
    let ran = hooked.tell(&event("WorktreeCreate", &json!({"name": "w"})));
    assert!(ran.out.is_empty(), "{ran:?}");
    ran.exits(1).says("remove this hook from the event");
}

/// A coding agent that does not get the answer is stopped by the exit code.
#[test]
fn a_denial_that_cannot_be_printed_blocks() {
    let hooked = Hooked::new(&[NO_WORKFLOWS]);
    let hook = ["hook", "claude-code", "--agent", "client"];
    let write = |path: &str| before("Write", &json!({"file_path": path, "content": "x"}));
    let tell = |output: &str, path: &str| {
        let event = write(path).to_string();
        hooked.gate.run_with_output(output, &hook, event.as_bytes())
    };
    for output in [">&-", ">/dev/null", ">/dev/full"] {
        let denied = tell(output, "/srv/shop/.github/workflows/ci.yml");
        let denied = denied.exits(2);
        assert!(
            denied.err.contains("blocked by Tollgate"),
            "{output}: {denied:?}"
        );
        // It may run with the resolved path only.
        tell(output, "/srv/shop/docs/../readme.md").exits(2);
    }
    // Nothing is said of a call without an objection.
    tell(">&-", "/srv/shop/readme.md").exits(0);
}

/// An input that is not an event, or that has a member twice, blocks the call.
#[test]
fn an_event_that_cannot_be_understood_blocks() {
    let hooked = Hooked::new(&[]);
    let twice = br#"{"session_id":"s","cwd":"/srv","hook_event_name":"PreToolUse","tool_name":"Bash","tool_use_id":"u","tool_input":{"command":"ls","command":"rm -rf /srv"}}"#;
    let ran = hooked.send(twice).exits(0);
    assert_eq!(decision(&ran).as_deref(), Some("deny"), "{ran:?}");
    assert!(ran.out.contains("occurs twice"), "{ran:?}");
    let as_text = before("Bash", &json!({"command": "sleep 1", "timeout": "5000"}));
    let ran = hooked.tell(&as_text).exits(0);
    assert_eq!(decision(&ran).as_deref(), Some("deny"), "{ran:?}");
    let mut not_utf8 = before("Bash", &json!({"command": "ls X"}))
        .to_string()
        .into_bytes();
    let at = not_utf8.iter().position(|b| *b == b'X').unwrap();
    not_utf8[at] = 0xff;
    for event in [&not_utf8[..], b"", b"[]", b"{"] {
        hooked.send(event).exits(2).says("blocked by Tollgate");
    }
}

/// What policy removes from the arguments is not executed.
#[test]
fn a_redacted_argument_is_not_executed() {
    let redacts = (
        "no-passwords",
        "@redact(\"/arguments/password\")\n\
         forbid (principal, action == Tollgate::Action::\"claude__mcp\", resource)\n\
         when { context.input.arguments like \"*password*\" };",
    );
    let hooked = Hooked::new(&[redacts]);
    let login = json!({"user": "ada", "password": "hunter2"});
    let event = before("mcp__desk__login", &login);
    let ran = hooked.tell(&event).exits(0);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    let output = &answer["hookSpecificOutput"];
    let redacted = json!({"user": "ada", "password": "[redacted]"});
    assert_eq!(output["updatedInput"], redacted, "{ran:?}");
    // Without a decision some versions run the call as it was.
    assert_eq!(output["permissionDecision"], "ask", "{ran:?}");
    let unasked = ["hook", "claude-code", "--agent", "client", "--allow"];
    let ran = hooked
        .gate
        .run_with(&unasked, event.to_string().as_bytes())
        .exits(0);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    let output = &answer["hookSpecificOutput"];
    assert_eq!(output["updatedInput"], redacted, "{ran:?}");
    assert_eq!(output["permissionDecision"], "allow");
    // A coding agent that cannot be given other arguments does not run it at all.
    let codex = ["hook", "codex", "--agent", "client", "--external", "claude"];
    let ran = hooked
        .gate
        .run_with(&codex, event.to_string().as_bytes())
        .exits(0);
    assert_eq!(decision(&ran).as_deref(), Some("deny"), "{ran:?}");
    assert!(ran.out.contains("/arguments/password"), "{ran:?}");
    hooked
        .gate
        .run(&["runs", "show"])
        .exits(0)
        .says("redacted: /arguments/password");
}

/// When a policy changes the arguments, the answer has those that the coding agent must execute.
#[test]
fn a_resolved_path_is_what_is_executed() {
    let hooked = Hooked::new(&[]);
    let written = json!({"file_path": "/srv/shop/docs/../notes.md", "content": "x"});
    let ran = hooked.tell(&before("Write", &written)).exits(0);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    let updated = &answer["hookSpecificOutput"]["updatedInput"];
    assert_eq!(
        *updated,
        json!({"file_path": "/srv/shop/notes.md", "content": "x"}),
        "{ran:?}"
    );
}

/// An account that is not the gate's has its agent's calls decided, and needs nothing else of the gate.
#[test]
fn the_account_of_an_agent_needs_only_the_hook_socket() {
    let own = crate::gate::own_login();
    let gate = Gate::with_tools(&json!([{"name": "echo", "inputSchema": {"type": "object"}}]));
    gate.open_directory("run");
    gate.configure(
        "[external.claude]\npreset = \"claude-code\"\n[hook]\nsocket = \"../run/hook.sock\"\nmode = \"0666\"\n",
    );
    gate.agent_login("client", &own);
    gate.policy(
        "nothing-forced",
        "forbid (principal, action == Tollgate::Action::\"claude__Bash\", resource)\n\
         when { context.input.command like \"*--force*\" };",
    );
    let served = gate.serve();
    let socket = gate.path("run/hook.sock").display().to_string();
    let hook = ["hook", "claude-code", "--socket", &socket];
    let tell = |command: &str| {
        let event = before("Bash", &json!({ "command": command })).to_string();
        gate.tollgate_with(&hook, event.as_bytes(), None)
    };
    // Without a configuration.
    assert_eq!(decision(&tell("ls").exits(0)), None);
    let denied = tell("git push --force").exits(0);
    assert_eq!(decision(&denied).as_deref(), Some("deny"), "{denied:?}");
    let after = event(
        "PostToolUse",
        &json!({"tool_name": "Bash", "tool_input": {"command": "ls"},
        "tool_response": {"stdout": "a"}, "tool_use_id": "u-Bash"}),
    );
    gate.tollgate_with(&hook, after.to_string().as_bytes(), None)
        .exits(0);
    let run = gate.run(&["runs", "show"]).exits(0);
    run.says("claude__Bash").says("client");
    // What the user asks for is not told by the account of the agent.
    let prompt = event(
        "UserPromptSubmit",
        &json!({"prompt": "Write to ann@example.com"}),
    );
    gate.tollgate_with(&hook, prompt.to_string().as_bytes(), None)
        .exits(0);
    let named = [
        "hook",
        "claude-code",
        "--socket",
        &socket,
        "--agent",
        "other",
    ];
    gate.tollgate_with(&named, b"{}", None).exits(2);

    if let Some(other) = gate.other_account() {
        let event = before("Bash", &json!({ "command": "ls" })).to_string();
        let ran = gate.tollgate_with(&hook, event.as_bytes(), Some(other));
        ran.exits(2).says("no agent of this gate has the login");
        drop(served);
        gate.change_agent_login(&own, "daemon");
        let _served = gate.serve();
        let ran = gate.tollgate_with(&hook, event.as_bytes(), Some(other));
        assert_eq!(decision(&ran.exits(0)), None);
        // The ledger and the owner's socket stay closed to it.
        let config = gate.path("gate/tollgate.toml").display().to_string();
        let list = ["--config", &config, "runs", "show"];
        assert_ne!(gate.tollgate_with(&list, b"", Some(other)).code, Some(0));
    }
}
