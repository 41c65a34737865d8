//! Paths that cannot be replaced.

use super::*;

/// A coding agent that runs the call unchanged could reach another file than was decided about.
#[test]
fn a_path_through_a_link_runs_only_where_it_can_be_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(dir.path()).unwrap();
    std::fs::create_dir(root.join("private")).unwrap();
    std::os::unix::fs::symlink(root.join("private"), root.join("docs")).unwrap();
    for (path, is_denied) in [
        ("docs/a.md", true),
        ("~/a.md", true),
        ("./private/a.md", false),
    ] {
        let event = json!({
            "session_id": "s", "cwd": root, "hook_event_name": "PreToolUse", "tool_name": "Write",
            "tool_input": { "file_path": path }, "tool_use_id": "t-1",
        });
        let decided = call(&codex::PRESET, &event.to_string());
        let permit = Permit {
            replacement: decided.replacement(Some(&decided.arguments)).unwrap(),
            is_redacted: false,
            detour: decided.detour.clone(),
            unasked: true,
        };
        let parsed =
            |preset: &Preset| HookEvent::parse(preset, event.to_string().as_bytes()).unwrap();
        let obstacle = |preset: &Preset| permit.obstacle(preset, &parsed(preset), &BTreeSet::new());
        let denied = obstacle(&codex::PRESET);
        assert_eq!(denied.is_some(), is_denied, "{path}: {denied:?}");
        assert_eq!(
            obstacle(&claude_code::PRESET),
            None,
            "it takes the resolved path"
        );
    }
}
