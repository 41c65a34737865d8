use serde_json::json;

use super::*;

#[test]
fn formats_and_names_propose_roles() {
    let schema = json!({ "type": "object", "properties": {
        "recipients": { "type": "array", "items": { "type": "string" } },
        "cc": { "anyOf": [{ "type": "array", "items": { "type": "string" } }, { "type": "null" }] },
        "contact": { "type": "string", "format": "email" },
        "file_id": { "type": "string" },
        "accountNumber": { "type": "string" },
        "path": { "type": "string" },
        "subject": { "type": "string" },
        "notify_user": { "type": "boolean" },
        "channel": { "enum": ["a", "b"] },
        "target": { "type": "object", "properties": { "webhook_url": { "type": "string" } } },
        "members": { "type": "array", "items": { "type": "object", "properties": {
            "e/mail": { "format": "email" } } } },
    }});
    let roles: Vec<(String, Role)> = proposed_roles(&schema)
        .into_iter()
        .map(|(pattern, role)| (pattern.to_string(), role))
        .collect();
    let expected = [
        ("/accountNumber", Role::Account),
        ("/cc", Role::Recipient),
        ("/contact", Role::Recipient),
        ("/file_id", Role::Identifier),
        ("/members", Role::Identifier),
        ("/members/*/e~1mail", Role::Recipient),
        ("/path", Role::Path),
        ("/recipients", Role::Recipient),
        ("/target/webhook_url", Role::Url),
    ];
    let mut roles = roles;
    roles.sort();
    let expected: Vec<(String, Role)> = expected
        .iter()
        .map(|(p, r)| ((*p).to_owned(), *r))
        .collect();
    assert_eq!(roles, expected);
}

#[test]
fn the_operator_decides_before_the_proposals() {
    let pattern = |text: &str| PointerPattern::parse(text).unwrap();
    let roles = ArgumentRoles::new(
        vec![
            (pattern("/user"), None),
            (pattern("/query"), Some(Role::Command)),
        ],
        vec![
            (pattern("/user"), Role::Identifier),
            (pattern("/to"), Role::Recipient),
        ],
    );
    assert_eq!(roles.of(&["user"]), None);
    assert_eq!(roles.of(&["query"]), Some(Role::Command));
    assert_eq!(roles.of(&["to", "0"]), Some(Role::Recipient));
    assert_eq!(roles.of(&["body"]), None);
}

fn roles(schema: &Value) -> Vec<String> {
    let roles = proposed_roles(schema).into_iter();
    let mut roles: Vec<String> = roles.map(|(p, role)| format!("{p} {role}")).collect();
    roles.sort();
    roles
}

#[test]
fn without_a_known_name_the_required_texts_are_identifiers() {
    let schema = json!({ "required": ["hotel", "guests", "start_day", "note"], "properties": {
        "hotel": { "type": "string" },
        "guests": { "type": "boolean" },
        "start_day": { "type": "string" },
        "note": { "type": "string" },
        "remark": { "type": "string" },
    }});
    assert_eq!(roles(&schema), ["/hotel identifier"]);
    let search = json!({ "required": ["query"], "properties": { "query": { "type": "string" } } });
    assert_eq!(roles(&search), Vec::<String>::new());
    let named = json!({ "required": ["hotel", "to"], "properties": {
        "hotel": { "type": "string" }, "to": { "type": "string" } } });
    assert_eq!(roles(&named), ["/to recipient"]);
}
