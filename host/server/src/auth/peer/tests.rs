use std::path::Path;

use super::*;

fn config(text: &str) -> Config {
    Config::parse(Path::new("/x/tollgate.toml"), text).unwrap()
}

#[test]
fn every_other_user_id_is_refused() {
    let owner = PeerCredentials { uid: 1000 };
    assert_eq!(owner.check(owner), Ok(()));
    for uid in [0, 1, 999, 1001, u32::MAX] {
        let refused = PeerCredentials { uid }.check(owner);
        assert_eq!(refused, Err(PeerError::OtherUser { uid }));
    }
    let root = PeerCredentials { uid: 0 };
    assert!(owner.check(root).is_err(), "also where root owns the gate");
}

#[test]
fn a_login_is_one_user() {
    let two = "[users.alice]\nlogin = \"al\"\n[users.bob]\n";
    assert_eq!(
        user_of_login(&config(two), "al").unwrap(),
        Uid::new(Kind::User, "alice")
    );
    let unknown = user_of_login(&config(two), "mallory").unwrap_err();
    assert!(matches!(unknown, PeerError::NoLogin { .. }));
    assert!(unknown.help().unwrap().contains("[users.mallory]"));
    let same = "[users.alice]\nlogin = \"al\"\n[users.bob]\nlogin = \"al\"\n";
    let same = user_of_login(&config(same), "al").unwrap_err();
    assert!(same.to_string().contains("`alice` and `bob`"), "{same}");
}

#[test]
fn this_process_has_a_login() {
    assert!(!login(PeerCredentials::own().uid).unwrap().is_empty());
}

#[test]
fn odd_logins_become_names() {
    assert_eq!(user_name("a b"), "a_b");
    assert_eq!(user_name("a.b"), "\"a.b\"");
}
