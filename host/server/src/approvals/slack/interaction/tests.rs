use serde_json::{Value, json};
use url::form_urlencoded;

use super::*;

fn config() -> SlackConfig {
    SlackConfig {
        signing_secret: "signing".into(),
        app: "A1".into(),
        team: "T1".into(),
        enterprise: Some("E1".into()),
        channels: ["C1".to_owned()].into(),
        users: [("U1".to_owned(), "dana".to_owned())].into(),
        show_arguments: false,
    }
}

fn payload() -> Value {
    json!({
        "type": "block_actions",
        "api_app_id": "A1",
        "user": { "id": "U1", "username": "dana", "team_id": "T1" },
        "team": { "id": "T1", "domain": "acme" },
        "channel": { "id": "C1", "name": "approvals" },
        "container": { "type": "message" },
        "response_url": "https://hooks.slack.com/actions/T1/1/x",
        "actions": [{ "type": "button", "action_id": "tollgate_approve", "value": "v" }],
    })
}

fn body(payload: &str) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("payload", payload).finish().into_bytes()
}

fn parse(payload: &Value) -> Result<Interaction, AnswerRefusal> {
    Interaction::parse(&body(&payload.to_string()))
}

/// The user, with one member of the payload changed.
fn user(pointer: &str, value: Value) -> Result<String, AnswerRefusal> {
    let mut payload = payload();
    *payload.pointer_mut(pointer).unwrap() = value;
    let config = config();
    parse(&payload)?.user(&config).map(str::to_owned)
}

#[test]
fn a_pressed_button_is_its_users() {
    let interaction = parse(&payload()).unwrap();
    assert_eq!(interaction.value, "v");
    assert_eq!(interaction.user(&config()), Ok("dana"));
    assert_eq!(user("/user/team_id", json!("E1")).as_deref(), Ok("dana"));
    assert_eq!(user("/user/team_id", Value::Null).as_deref(), Ok("dana"));
}

#[test]
fn other_places_and_people_are_refused() {
    use AnswerRefusal::{OtherApp, OtherChannel, OtherTeam, UnknownPerson};
    for (pointer, value, reason) in [
        ("/team/id", json!("T2"), OtherTeam),
        ("/team", Value::Null, OtherTeam),
        ("/user/team_id", json!("T2"), OtherTeam),
        ("/api_app_id", json!("A2"), OtherApp),
        ("/api_app_id", json!(""), OtherApp),
        ("/channel/id", json!("C2"), OtherChannel),
        ("/channel", Value::Null, OtherChannel),
        ("/user/id", json!("U2"), UnknownPerson),
        ("/user/id", json!("u1"), UnknownPerson),
        ("/user/id", json!("dana"), UnknownPerson),
    ] {
        assert_eq!(
            user(pointer, value.clone()),
            Err(reason),
            "{pointer} {value}"
        );
    }
    let other = SlackConfig {
        enterprise: None,
        ..config()
    };
    let mut payload = payload();
    payload["user"]["team_id"] = json!("E1");
    assert_eq!(parse(&payload).unwrap().user(&other), Err(OtherTeam));
}

#[test]
fn everything_but_one_pressed_button_is_malformed() {
    for (pointer, value) in [
        ("/type", json!("view_submission")),
        ("/actions", json!([])),
        ("/actions", json!([{ "value": "a" }, { "value": "b" }])),
        ("/actions/0/value", Value::Null),
        ("/user", Value::Null),
        ("/user/id", json!(1)),
        ("/response_url", json!("not a URL")),
    ] {
        assert_eq!(
            user(pointer, value.clone()),
            Err(AnswerRefusal::Malformed),
            "{pointer} {value}"
        );
    }
    let deep = "[".repeat(200) + &"]".repeat(200);
    let text = payload().to_string();
    let twice = text.replace("\"api_app_id\"", "\"api_app_id\":\"A2\",\"api_app_id\"");
    for body in [
        Vec::new(),
        b"payload".to_vec(),
        b"other=1".to_vec(),
        body("{}"),
        body(&deep),
        body(&twice),
        text.clone().into_bytes(),
        [body(&text), b"&".to_vec(), body(&text)].concat(),
    ] {
        assert_eq!(Interaction::parse(&body), Err(AnswerRefusal::Malformed));
    }
}
