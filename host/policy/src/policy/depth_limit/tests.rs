use super::*;

#[test]
fn bombs_are_found_where_they_go_off() {
    let policy =
        |condition: &str| format!("permit (principal, action, resource) when {{ {condition} }};");
    let nested = policy(&format!(
        "{}true{}",
        "(".repeat(100_000),
        ")".repeat(100_000)
    ));
    assert_eq!(excess(&nested).unwrap().offset, 44 + MAX_NESTING - 1);
    for chain in ["true && ", "1 + ", "!", "if true then true else "] {
        let bomb = policy(&format!("{}true", chain.repeat(50_000)));
        assert!(
            excess(&bomb).unwrap().message.contains("operators"),
            "{chain}"
        );
    }
    assert!(excess(&policy(&format!("context{}", ".a".repeat(50_000)))).is_some());
}

#[test]
fn long_texts_that_are_not_deep_are_left_alone() {
    let set = "Tollgate::Tool::\"a.b.c && (((\", ".repeat(50_000);
    let text = format!(
        "// {}\npermit (principal, action, resource) when {{ [{set}].contains(resource) && notif }};",
        "((".repeat(100)
    );
    assert_eq!(excess(&text.repeat(3)), None);
    assert_eq!(excess("\"unclosed \\\" (((("), None);
    assert_eq!(excess("\"ends in \\"), None);
}
