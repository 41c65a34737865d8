use serde_json::json;

use super::*;

/// What is sent for a field that is left out is shown, however much the server writes before it.
#[test]
fn a_default_is_shown_whole() {
    let default = format!("yes, {} close my account", "really ".repeat(100));
    let field = FieldView {
        name: "reason".into(),
        kind: "text".into(),
        title: None,
        description: None,
        required: false,
        default: Some(json!(default)),
        options: Vec::new(),
        limits: format!("like ^(?:{})$", "|".repeat(500)),
    };
    let shown = asked_field(&field, 80);
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    let default = default.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains(&format!("if left out: \"{default}\"")),
        "{shown}"
    );
}
