use super::*;

#[test]
fn a_run_of_a_hook_has_the_trace_of_its_session() {
    let of = |key| callers_trace("t", Some(key), &Origin::default());
    assert_eq!(of("claude-code:s1"), Some(session_trace("t", "s1")));
    assert_eq!(of("nightly"), None);
    assert_ne!(session_trace("t", "s1"), session_trace("u", "s1"));
    let origin = Origin {
        trace: Some(RunId::from_bytes([7; 16])),
        ..Origin::default()
    };
    assert_eq!(
        callers_trace("t", Some("claude-code:s1"), &origin),
        origin.trace
    );
}
