//! Every documented exit code, by a command that ends with it. 7 takes a kill in mid-call: `owner`.

use std::process::Stdio;

use tollgate_testkit::{
    binary,
    command::{DELETE, READ, REFUND, World},
};

#[test]
fn every_exit_code_is_what_it_says() {
    let world = World::new();
    let missing = &["call", "files__read", "--args", r#"{"path":"none.txt"}"#];
    let rows: &[(i32, &[&str], &str)] = &[
        (0, READ, "Dear Ada"),
        (1, &["--config", "none.toml", "tools", "list"], "none.toml"),
        (1, &["call", "--from", "none.jsonl"], "none.jsonl"),
        (2, &["call"], "TOOL"),
        (2, &["call", "files__read", "--nope"], "--nope"),
        (2, &["cal"], "call"),
        (2, &["halt", "agent"], "NAME"),
        (3, DELETE, "Nothing is deleted here."),
        (4, REFUND, "approval by finance"),
        (5, missing, "nothing is there"),
        (5, &["call", "hostile__trap"], "hostile__trap"),
        (6, &["call", "files__read"], "path"),
        (6, &["call", "files__raed"], "files__read"),
    ];
    for (code, args, says) in rows {
        world.run(args).exits(*code).says(&[says]);
    }
}

/// Any other end lets the call run.
#[test]
fn a_hook_that_is_not_decided_in_time_blocks() {
    let world = World::new();
    let mut command = world.command(binary());
    let args = [
        "hook",
        "claude-code",
        "--agent",
        "support",
        "--timeout",
        "0",
    ];
    command.args(args).stdin(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // Nothing is said, and nothing ends.
    let open = child.stdin.take();
    let ended = child.wait_with_output().unwrap();
    drop(open);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("blocked"), "{said}");
}

/// `tollgate hook claude-code` with this event, after the shell has set limits; how it ended, and what it said.
fn hook(world: &World, limits: &str, event: &str) -> (Option<i32>, String) {
    let program = binary();
    let script = format!(
        "{limits} exec {} --config tollgate.toml hook claude-code --agent support --timeout 5",
        program.display()
    );
    world.write("event.json", event);
    let mut command = world.command("sh");
    let event = std::fs::File::open(world.path("event.json")).unwrap();
    let ended = command.args(["-c", &script]).stdin(event).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    (ended.status.code(), said)
}

const BEFORE: &str = r#"{"session_id":"s","cwd":"/","hook_event_name":"PreToolUse","tool_name":"Bash",
    "tool_input":{"command":"ls"},"tool_use_id":"t"}"#;

/// The limits are what a call that was allowed earlier may have left: 3 and less keep the program from being
/// started at all, which `|| exit 2` in the hook's command is for.
#[test]
fn a_hook_blocks_under_limits_of_descriptors_and_processes() {
    let world = World::new();
    for limits in [
        "",
        "ulimit -n 4;",
        "ulimit -n 5;",
        "ulimit -n 6;",
        "ulimit -n 7;",
        "ulimit -n 8;",
    ] {
        let (code, said) = hook(&world, limits, BEFORE);
        assert_eq!(code, Some(2), "{limits} {said}");
    }
    for limits in ["ulimit -u 1;", "ulimit -u 2;"] {
        let (code, said) = hook(&world, limits, BEFORE);
        assert_eq!(code, Some(2), "{limits} {said}");
    }
}

#[test]
fn only_events_before_a_tool_are_blocked() {
    let world = World::new();
    for event in [
        "Stop",
        "SubagentStop",
        "UserPromptSubmit",
        "SessionStart",
        "PermissionRequest",
        "NextMonth",
    ] {
        let text = format!(r#"{{"session_id":"s","hook_event_name":"{event}","prompt":"Pay."}}"#);
        let (code, said) = hook(&world, "", &text);
        assert_eq!(code, Some(0), "{event}: {said}");
    }
    let after = BEFORE.replace("PreToolUse", "PostToolUse");
    assert_eq!(hook(&world, "", &after).0, Some(1));
    let after = after.replace("\"session_id\":\"s\",", "");
    assert_eq!(hook(&world, "", &after).0, Some(1));
    for unreadable in ["", "{", "[]", "{\"hook_event_name\": 7}"] {
        assert_eq!(hook(&world, "", unreadable).0, Some(2), "{unreadable}");
    }
}

#[test]
fn a_hook_uses_no_configuration_that_lies_where_the_agent_stands() {
    let world = World::new();
    let mut command = world.command(binary());
    command.args(["hook", "claude-code", "--agent", "support"]);
    let ended = command.env_remove("CLAUDE_PROJECT_DIR").output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
}

#[test]
fn a_file_of_calls_ends_with_the_worst() {
    let world = World::new();
    let line = |args: &[&str]| format!("{{\"tool\":\"{}\",\"arguments\":{}}}\n", args[1], args[3]);
    world.write("run.jsonl", line(READ) + &line(REFUND));
    let play = &["call", "--from", "run.jsonl", "--agent", "support"];
    world.run(play).exits(4);
    world.write("run.jsonl", line(DELETE) + &line(REFUND) + &line(READ));
    world.run(play).exits(3).says(&["Dear Ada", "1 denied"]);
    let stop = [play, &["--stop-on-denial"][..]].concat();
    let stopped = world.run(&stop).exits(3);
    assert!(!stopped.out.contains("Dear Ada"), "{stopped:?}");
    world.write("run.jsonl", line(READ) + "{\"tool\": \"files__read\",\n");
    world.run(play).exits(6).says(&["run.jsonl:2:", "Dear Ada"]);
}

#[test]
fn an_approval_is_answered_by_somebody_else_and_used_once() {
    let world = World::new();
    world.run(REFUND).exits(4);
    let id = world.pending();
    world
        .run(&["approvals", "approve", &id, "--yes"])
        .exits(3)
        .says(&["another person must approve"]);
    world.own_token("dana", "dana.token");
    let as_dana = ["--as", "dana", "--token-file", "dana.token"];
    let approve = [&["approvals", "approve", &id, "--yes"][..], &as_dana].concat();
    world.run(&approve).exits(0).says(&["dana"]);
    assert_eq!(world.refunds(), 0, "approving runs nothing");
    world.run(REFUND).exits(0);
    assert_eq!(world.refunds(), 1);
    world.run(REFUND).exits(4);
    assert_eq!(world.refunds(), 1, "an approval is good for one call");
    let answers = world.json_lines(&["decisions", "list", "--approver", "dana"]);
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0]["approval"], *id);
    world.write("dana.token", "tollgate_00");
    let next = world.pending();
    let wrong = [&["approvals", "approve", &next][..], &as_dana].concat();
    world
        .run(&wrong)
        .exits(3)
        .says(&["dana", "tollgate user token"]);
}

#[test]
fn an_approval_with_a_token_that_the_asking_side_made_does_not_count() {
    let world = World::new();
    world.run(REFUND).exits(4);
    let id = world.pending();
    // The owner calls, and makes the first token of the one who may approve.
    world
        .run(&["user", "token", "dana", "--out", "dana.token"])
        .exits(0);
    let as_dana = ["--as", "dana", "--token-file", "dana.token"];
    let approve = [&["approvals", "approve", &id, "--yes"][..], &as_dana].concat();
    world
        .run(&approve)
        .exits(3)
        .says(&["your token was made by alice", "that another person made"]);
    // A token that is made with this one has the same makers.
    let another = ["token", "create", "--user", "dana", "--out", "own.token"];
    world.run(&[&another[..], &as_dana].concat()).exits(0);
    let with_own = ["--as", "dana", "--token-file", "own.token"];
    let approve = [&["approvals", "approve", &id, "--yes"][..], &with_own].concat();
    world
        .run(&approve)
        .exits(3)
        .says(&["your token was made by alice"]);
    world.run(REFUND).exits(4);
    assert_eq!(world.refunds(), 0);
    world
        .run(&["approvals", "show", &id])
        .exits(0)
        .says(&["not counted", "with a token that alice made"]);
    // Dana can sign in by now, so another token takes her or two people, and alice is not two.
    let second = ["token", "create", "--user", "dana", "--out", "second.token"];
    let made = world.json(&second);
    assert_eq!(made["confirmed"], false, "{made}");
    let confirm = ["token", "confirm", made["id"].as_str().unwrap()];
    world
        .run(&confirm)
        .exits(3)
        .says(&["was made by alice, so another person must confirm it"]);
    world
        .run(&[&confirm[..], &as_dana].concat())
        .exits(3)
        .says(&["was made by alice"]);
    let with_second = ["--as", "dana", "--token-file", "second.token"];
    let approve = [&["approvals", "approve", &id, "--yes"][..], &with_second].concat();
    world.run(&approve).exits(3).says(&["not the token of"]);
    world
        .run(&["token", "list"])
        .exits(0)
        .says(&["unconfirmed"]);
}
