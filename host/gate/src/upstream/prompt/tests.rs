use proptest::prelude::*;

use super::*;

#[test]
fn a_prompt_reads_back_from_the_lock_as_it_was() {
    let prompt = json!({"name": "review/v2", "title": "Review", "arguments": [
        {"name": "code", "required": true}, {"name": "style", "description": "How."}], "icons": []});
    let prompt = PromptDefinition::read(&prompt).unwrap();
    let text = toml::to_string(&prompt).unwrap();
    assert_eq!(toml::from_str::<PromptDefinition>(&text).unwrap(), prompt);
    assert_eq!(prompt.input_schema()["required"], json!(["code"]));
}

#[test]
fn what_is_out_of_bounds_is_refused_alone_and_named_printably() {
    let argument = |name: &str| json!({ "name": name });
    for prompt in [
        json!({}),
        json!({"name": "a\u{202e}"}),
        json!({"name": "n".repeat(1 << 20)}),
        json!({"name": "ok", "title": "t".repeat(300)}),
        json!({"name": "ok", "description": "d".repeat(17 << 10)}),
        json!({"name": "ok", "arguments": "x"}),
        json!({"name": "ok", "arguments": [argument("a"), argument("a")]}),
        json!({"name": "ok", "arguments": [argument("\u{1b}[2J")]}),
        json!({"name": "ok", "arguments": vec![argument("a"); 100]}),
    ] {
        let (shown, problem) = PromptDefinition::read(&prompt).unwrap_err();
        assert!(!shown.contains('\u{202e}') && shown.len() < 200, "{shown}");
        assert!(
            !problem.is_empty() && !problem.contains('\u{1b}'),
            "{problem}"
        );
    }
    assert!(PromptDefinition::read(&json!({"name": "ok", "arguments": null})).is_ok());
    assert!(PromptDefinition::read(&json!({"name": "ok", "arguments": {}})).is_ok());
}

proptest! {
    /// Any name is refused, or is one that can be shown and pinned.
    #[test]
    fn a_name_is_plain_or_refused(name in ".{0,200}", argument in ".{0,40}") {
        let prompt = json!({"name": name, "arguments": [{"name": argument}]});
        if let Ok(prompt) = PromptDefinition::read(&prompt) {
            prop_assert!(prompt.name.bytes().all(|b| b.is_ascii_graphic()));
            let text = toml::to_string(&prompt).unwrap();
            prop_assert_eq!(toml::from_str::<PromptDefinition>(&text).unwrap(), prompt);
        }
    }
}
