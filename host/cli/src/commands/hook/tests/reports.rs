//! What is reported to the gate besides calls.

use super::*;

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
        kind: EventKind::Neutral,
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
