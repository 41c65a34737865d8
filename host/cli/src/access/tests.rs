//! One gate, several commands: who owns it, who asks, and what happens when the owner leaves.

use std::fs;

use tempfile::TempDir;
use tollgate_model::{entity::Kind, record::HaltScope};
use tollgate_server::auth::token::Purpose;

use super::*;
use crate::output::Color;

const POLICIES: &str = r#"
@id("everybody-halts")
@owner("tests")
permit (principal, action == Tollgate::Action::"halt", resource);

@id("ada-administers")
@owner("tests")
permit (principal == Tollgate::User::"ada", action == Tollgate::Action::"administer", resource);
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

fn halt(name: &str) -> Operation {
    Operation::Halt {
        scope: HaltScope::Agent,
        name: name.into(),
        reason: "a test".into(),
        force: true,
    }
}

fn make(user: &str) -> Operation {
    Operation::MakeToken {
        purpose: Purpose {
            principal: Uid::new(Kind::User, user),
            on_behalf_of: None,
            name: token::CLI.into(),
            expires: None,
        },
        lasts: None,
        instead: true,
    }
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
    let mut first = Access::new(config.clone(), None, &out);
    let mut second = Access::new(config.clone(), None, &out);
    first.execute(halt("one")).await.unwrap();
    assert!(first.owned.is_some(), "nobody else was there");
    second.execute(halt("two")).await.unwrap();
    assert!(second.owned.is_none(), "it asked the first");
    assert!(second.own_alone().await.is_err(), "there is one owner");
    first.leave().await;
    assert!(
        !socket::path(&config.store.path).exists(),
        "no socket without an owner"
    );
    second.execute(halt("three")).await.unwrap();
    assert!(second.owned.is_some(), "the next owner");
    first.execute(halt("four")).await.unwrap();
    assert!(first.owned.is_none());
    second.close().await;
    let names: Vec<String> = halted(&config).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["one", "two", "three", "four"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_names_its_user_and_no_other() {
    let (_dir, config) = gate();
    let out = quiet();
    let mut ada = Access::new(config.clone(), None, &out);
    let Reply::Token { text: token, .. } = ada.execute(make("bob")).await.unwrap() else {
        panic!("no token")
    };
    for (user, given) in [
        ("bob", "tollgate_00"),
        ("eve", token.as_str()),
        ("nobody", token.as_str()),
        ("bob", ""),
    ] {
        // Asked of the owner, and by the owner itself.
        let mut other = Access::new(config.clone(), claim(user, given), &out);
        assert_eq!(
            other.execute(halt("x")).await.unwrap_err().exit,
            Exit::Denied,
            "{user}"
        );
        ada.claim = claim(user, given);
        assert_eq!(
            ada.execute(halt("x")).await.unwrap_err().exit,
            Exit::Denied,
            "{user}"
        );
        ada.claim = None;
    }
    let mut bob = Access::new(config.clone(), claim("bob", &token), &out);
    bob.execute(halt("by-bob")).await.unwrap();
    let refused = bob.execute(make("eve")).await.unwrap_err();
    assert_eq!(refused.exit, Exit::Denied, "bob does not administer");
    ada.execute(Operation::RevokeTokens {
        of: Uid::new(Kind::User, "bob"),
        name: token::CLI.into(),
    })
    .await
    .unwrap();
    assert_eq!(
        bob.execute(halt("again")).await.unwrap_err().exit,
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
    let mut owner = Access::new(config.clone(), None, &out);
    owner.execute(halt("one")).await.unwrap();
    let access = Access::new(config.clone(), None, &out);
    let failure = access.deaf(std::process::id());
    assert!(
        failure.message.contains(&std::process::id().to_string()),
        "{failure}"
    );
    assert!(failure.help.unwrap().contains("kill"));
    owner.close().await;
}
