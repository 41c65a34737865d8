use super::*;
use crate::{ToolError, secrets, testing};

#[test]
fn errors_tell_the_agent_what_happened() {
    let web = testing::web();
    let said = |error: Error| ToolError::from(error).to_string();
    web.answer("GET", "https://a.example/gone", 404, "no");
    let gone = get("https://a.example/gone?q=private").send();
    assert_eq!(
        said(gone.unwrap_err()),
        "failed: cannot GET https://a.example/gone: nothing answers here",
        "the query is part of the address"
    );
    let gone = get("https://a.example/gone").send().unwrap();
    assert_eq!(gone.status(), 404);
    assert_eq!(
        said(gone.ok().unwrap_err()),
        "failed: cannot GET https://a.example/gone: the server answered 404"
    );
    web.deny("a.example", "Not this one.");
    let denied = ToolError::from(get("https://a.example/gone").send().unwrap_err());
    assert!(
        matches!(&denied, ToolError::Denied(text) if text.contains("Not this one. (decision ")),
        "{denied}"
    );
}

#[test]
fn requests_are_what_was_asked_for() {
    let web = testing::web();
    web.answer("POST", "https://a.example/x", 201, r#"{"id":7}"#);
    {
        let _key = testing::secret("key");
        assert!(secrets::exists("key"));
        let made = post("https://a.example/x")
            .json(&serde_json::json!({ "a": 1 }))
            .bearer("key")
            .send();
        let id: serde_json::Value = made.unwrap().json().unwrap();
        assert_eq!(id["id"], 7);
    }
    assert!(!secrets::exists("key"));
    let refused = post("https://a.example/x")
        .bearer("key")
        .send()
        .unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::NoSuchSecret("key".to_owned()));
    let sent = web.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].body.as_deref(), Some(&br#"{"a":1}"#[..]));
    assert_eq!(sent[0].credentials[0].secret, "key");
}
