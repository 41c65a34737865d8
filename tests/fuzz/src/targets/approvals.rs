//! What Slack sends when a person presses a button.

use serde_json::Value;
use tollgate::config::SlackConfig;
use tollgate_server::approvals::fuzzing::interaction;

use super::{PACKAGE, texts};
use crate::Target;

pub(super) const INTERACTION: Target = Target {
    name: "interaction",
    package: PACKAGE,
    corpus: || {
        texts(&[
            r#"payload={"type":"block_actions","api_app_id":"A1","user":{"id":"U1","team_id":"T1"},"team":{"id":"T1"},"channel":{"id":"C1"},"response_url":"https://hooks.slack.com/actions/x","actions":[{"action_id":"a","value":"v"}]}"#,
            r#"payload={"type":"block_actions","api_app_id":"A1","user":{"id":"U1","id":"U2"},"team":null,"channel":null,"actions":[]}"#,
            r#"payload=%7B%22type%22%3A%22view_submission%22%7D&payload={}"#,
            r#"token=x&payload=[[[[{"user":{"id":1}}]]]]"#,
        ])
    },
    variants: 2_000,
    check: read_interaction,
};

/// Only one button, pressed in the configured place by a mapped person, is anyone's; and a plain reading agrees.
fn read_interaction(input: &[u8]) {
    let config = SlackConfig {
        signing_secret: "signing".into(),
        app: "A1".into(),
        team: "T1".into(),
        enterprise: None,
        channels: ["C1".to_owned()].into(),
        users: [("U1".to_owned(), "dana".to_owned())].into(),
        show_arguments: false,
    };
    let Ok((user, value)) = interaction(input, &config) else {
        return;
    };
    assert_eq!(user, "dana");
    let form = String::from_utf8_lossy(input).replace('+', " ");
    if form.contains('%') {
        // What is written another way, this reading does not know.
        return;
    }
    let mut payloads = form
        .split('&')
        .filter(|field| field.starts_with("payload="));
    let (Some(payload), None) = (payloads.next(), payloads.next()) else {
        return;
    };
    let Ok(plain) = serde_json::from_str::<Value>(&payload["payload=".len()..]) else {
        return;
    };
    for (pointer, expected) in [
        ("/type", "block_actions"),
        ("/api_app_id", "A1"),
        ("/team/id", "T1"),
        ("/channel/id", "C1"),
        ("/user/id", "U1"),
        ("/actions/0/value", &value),
    ] {
        assert_eq!(
            plain.pointer(pointer).and_then(Value::as_str),
            Some(expected)
        );
    }
}
