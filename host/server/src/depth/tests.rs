use super::*;

#[test]
fn only_what_nests_counts() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(!too_deep(nested(MAX_DEPTH).as_bytes()));
    assert!(too_deep(nested(MAX_DEPTH + 1).as_bytes()));
    let flat = format!("[{}1]", "[],".repeat(1_000));
    assert!(!too_deep(flat.as_bytes()));
    let text = format!("\"\\\"{}\"", "[".repeat(1_000));
    assert!(!too_deep(text.as_bytes()));
}
