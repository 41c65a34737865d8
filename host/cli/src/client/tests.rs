//! One gate, several commands: who owns it, who asks, and what happens when the owner leaves.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_server::{auth::token, reply::NewTokenReply};

use super::*;
use crate::output::Color;

const POLICIES: &str = r#"
@id("everybody-halts")
@owner("tests")
permit (principal, action == Tollgate::Action::"halt", resource);

@id("ada-administers")
@owner("tests")
permit (principal == Tollgate::User::"ada",
  action in [Tollgate::Action::"administer", Tollgate::Action::"make_token"], resource);
"#;

fn gate() -> (TempDir, Config) {
    let dir = tempfile::tempdir().unwrap();
    let login = identity::login(identity::own_uid()).unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    fs::write(dir.path().join("policies/all.cedar"), POLICIES).unwrap();
    let file = dir.path().join("tollgate.toml");
    fs::write(
        &file,
        format!("[users.ada]\nlogin = \"{login}\"\n[users.bob]\n[users.eve]\n"),
    )
    .unwrap();
    let config = Config::read(&file).unwrap();
    (dir, config)
}

fn quiet() -> Output {
    Output::new(false, true, Color::Never)
}

fn halt(name: &str) -> ApiRequest {
    let body = json!({ "scope": "agent", "name": name, "reason": "a test", "force": true });
    ApiRequest::post("/v1/halts", body)
}

fn make(user: &str) -> ApiRequest {
    let body = json!({ "user": user, "name": token::CLI, "replace": true });
    ApiRequest::post("/v1/tokens", body)
}

async fn halts(client: &mut Client<'_>, name: &str) -> Result<(), Failure> {
    client.execute::<Value>(halt(name)).await.map(drop)
}

fn claim(user: &str, token: &str) -> Option<Claim> {
    Some(Claim {
        user: user.into(),
        token: token.into(),
    })
}

fn halted(config: &Config) -> Vec<(String, String)> {
    let reader = tollgate_ledger::LedgerReader::open(&config.store.path).unwrap();
    reader
        .halts()
        .unwrap()
        .into_iter()
        .map(|halt| (halt.name, halt.by))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn others_ask_the_owner_and_follow_it() {
    let (_dir, config) = gate();
    let out = quiet();
    let mut first = Client::new(config.clone(), None, &out);
    let mut second = Client::new(config.clone(), None, &out);
    halts(&mut first, "one").await.unwrap();
    assert!(first.owned.is_some(), "no other owner was there");
    halts(&mut second, "two").await.unwrap();
    assert!(second.owned.is_none(), "it asked the first");
    assert!(second.own_alone().await.is_err(), "there is one owner");
    first.leave().await;
    assert!(
        !socket::path(&config.store.path).exists(),
        "no socket without an owner"
    );
    halts(&mut second, "three").await.unwrap();
    assert!(second.owned.is_some(), "the next owner");
    halts(&mut first, "four").await.unwrap();
    assert!(first.owned.is_none());
    second.close().await;
    let names: Vec<String> = halted(&config).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["one", "two", "three", "four"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_names_its_user_and_no_other() {
    let (_dir, config) = gate();
    let out = quiet();
    let mut ada = Client::new(config.clone(), None, &out);
    let made: NewTokenReply = ada.execute(make("bob")).await.unwrap();
    let token = made.text;
    for (user, given) in [
        ("bob", "tollgate_00"),
        ("eve", token.as_str()),
        ("unknown", token.as_str()),
        ("bob", ""),
    ] {
        // Asked of the owner, and by the owner itself.
        let mut other = Client::new(config.clone(), claim(user, given), &out);
        assert_eq!(
            halts(&mut other, "x").await.unwrap_err().exit,
            Exit::Denied,
            "{user}"
        );
        ada.claim = claim(user, given);
        assert_eq!(
            halts(&mut ada, "x").await.unwrap_err().exit,
            Exit::Denied,
            "{user}"
        );
        ada.claim = None;
    }
    let mut bob = Client::new(config.clone(), claim("bob", &token), &out);
    halts(&mut bob, "by-bob").await.unwrap();
    let refused = bob.execute::<Value>(make("eve")).await.unwrap_err();
    assert_eq!(refused.exit, Exit::Denied, "bob does not administer");
    let body = json!({ "user": "bob", "name": token::CLI });
    let revoke = ApiRequest::post("/v1/tokens/revoke", body);
    ada.execute::<()>(revoke).await.unwrap();
    assert_eq!(
        halts(&mut bob, "again").await.unwrap_err().exit,
        Exit::Denied,
        "revoked"
    );
    ada.close().await;
    assert_eq!(halted(&config), [("by-bob".to_owned(), "bob".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_does_not_answer_is_named() {
    let (_dir, config) = gate();
    let out = quiet();
    let mut owner = Client::new(config.clone(), None, &out);
    halts(&mut owner, "one").await.unwrap();
    let access = Client::new(config.clone(), None, &out);
    let failure = access.deaf(std::process::id());
    assert!(
        failure.message.contains(&std::process::id().to_string()),
        "{failure}"
    );
    assert!(failure.help.unwrap().contains("kill"));
    owner.close().await;
}
