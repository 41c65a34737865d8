use super::*;
use crate::{ToolError, testing};

#[test]
fn scopes_are_apart_and_keys_are_sorted() {
    set(Scope::Run, "b", "1").unwrap();
    set(Scope::Run, "a/x", "2").unwrap();
    assert_eq!(get(Scope::Adapter, "b").unwrap(), None);
    assert_eq!(list_keys(Scope::Run, "").unwrap(), ["a/x", "b"]);
    assert_eq!(list_keys(Scope::Run, "a/").unwrap(), ["a/x"]);
    assert!(delete(Scope::Run, "b").unwrap() && !delete(Scope::Run, "b").unwrap());
}

#[test]
fn errors_tell_the_agent_what_to_do() {
    let large = set(Scope::Run, "a", vec![0; MAX_VALUE + 1]).unwrap_err();
    assert_eq!(large.kind(), &ErrorKind::TooLarge);
    assert!(
        set(Scope::Run, "", "x")
            .unwrap_err()
            .to_string()
            .contains("not a valid key")
    );
    testing::deny_state("Nothing is kept here.");
    let denied = ToolError::from(get(Scope::Run, "a").unwrap_err());
    assert!(
        matches!(&denied, ToolError::Denied(text) if text.contains("Nothing is kept here. (decision ")),
        "{denied}"
    );
}
