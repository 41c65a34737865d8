use super::*;

#[test]
fn arguments_pass_as_they_were_written() {
    let written = r#"{"tool": "t", "arguments": {"a": 1, "a": 2.50, "b": 123456789012345678901}}"#;
    let parsed: Line<'_> = serde_json::from_str(written).unwrap();
    assert_eq!(
        parsed.arguments.unwrap().get(),
        r#"{"a": 1, "a": 2.50, "b": 123456789012345678901}"#
    );
}

#[test]
fn deep_arguments_reach_the_gate() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let written = format!(r#"{{"tool": "t", "arguments": {deep}}}"#);
    let parsed: Line<'_> = serde_json::from_str(&written).unwrap();
    assert_eq!(parsed.arguments.unwrap().get(), deep);
}

#[test]
fn a_malformed_line_is_named() {
    for (written, what) in [
        ("{", "EOF"),
        (r#"{"tool": "t", "args": {}}"#, "unknown field `args`"),
        (r#"{"tool": "t", "tool": "u"}"#, "duplicate field `tool`"),
        (r#"{"arguments": {}}"#, "missing field `tool`"),
    ] {
        let error = serde_json::from_str::<Line<'_>>(written).err().unwrap();
        let failure = malformed(Path::new("run.jsonl"), 3, &error);
        assert!(
            failure.message.starts_with("run.jsonl:3:"),
            "{}",
            failure.message
        );
        assert!(failure.message.contains(what), "{}", failure.message);
        assert_eq!(failure.exit, Exit::Invalid);
    }
}

#[test]
fn a_policy_that_counts_is_found_in_its_file() {
    let text = "@id(\"loops\")\nforbid (principal, action, resource)\nwhen { context.run.repeats >= 3 };\n\
                @id(\"other\")\nforbid (principal, action, resource);";
    assert!(counts_run(text, "loops"));
    assert!(!counts_run(text, "other") && !counts_run(text, "loop"));
}
