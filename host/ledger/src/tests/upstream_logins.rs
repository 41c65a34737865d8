//! Users' logins to upstream servers.

use super::*;

fn key(user: &str) -> LoginKey {
    LoginKey {
        tenant: TENANT.into(),
        user: user.into(),
        upstream: "wiki".into(),
    }
}

fn terms() -> LoginTerms {
    LoginTerms {
        issuer: "https://as.example".into(),
        resource: "https://wiki.example/mcp".into(),
        scopes: "read".into(),
        expires: Some(T0.plus(HOUR)),
        renewable: true,
    }
}

fn tokens(ledger: &Ledger, user: &str) -> Option<Vec<u8>> {
    let sealed = ledger.reader().upstream_login(&key(user)).unwrap()?;
    Some(ledger.open_login(&sealed).unwrap().to_vec())
}

#[test]
fn a_login_is_sealed_and_opens_for_whom_it_was_stored() {
    let place = Place::new();
    let ledger = place.open();
    ledger
        .store_login(&key("alice"), &terms(), b"a-secret-access-token", T0)
        .unwrap();
    ledger
        .store_login(&key("bob"), &terms(), b"another-access-token", T0)
        .unwrap();
    assert_eq!(tokens(&ledger, "alice").unwrap(), b"a-secret-access-token");
    assert_eq!(tokens(&ledger, "eve"), None);
    for file in std::fs::read_dir(place.path().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = bytes.windows(14).any(|part| part == b"a-secret-acces");
        assert!(!found, "the token is in the store in plain text");
    }
    let names: Vec<String> = ledger
        .reader()
        .upstream_logins()
        .unwrap()
        .into_iter()
        .map(|login| login.key.user)
        .collect();
    assert_eq!(names, ["alice", "bob"]);
    // Neither another user's row nor another issuer or resource opens it.
    for (column, other) in [
        ("user", "mallory"),
        ("upstream", "other"),
        ("tenant", "evil"),
        ("issuer", "https://evil.example"),
        ("resource", "https://evil.example/mcp"),
    ] {
        let place = Place::new();
        let ledger = place.open();
        ledger
            .store_login(&key("alice"), &terms(), b"a-secret-access-token", T0)
            .unwrap();
        place.tamper(&format!("UPDATE upstream_logins SET {column} = '{other}'"));
        let mut changed = key("alice");
        match column {
            "user" => changed.user = other.into(),
            "upstream" => changed.upstream = other.into(),
            "tenant" => changed.tenant = other.into(),
            _ => {}
        }
        let sealed = ledger.reader().upstream_login(&changed).unwrap().unwrap();
        let opened = ledger.open_login(&sealed);
        assert!(
            matches!(opened, Err(LedgerError::Damaged { .. })),
            "{column}"
        );
    }
}

#[test]
fn a_renewal_replaces_only_the_login_that_was_read() {
    let place = Place::new();
    let ledger = place.open();
    ledger
        .store_login(&key("alice"), &terms(), b"first", T0)
        .unwrap();
    let read = |user: &str| {
        let sealed = ledger.reader().upstream_login(&key(user)).unwrap();
        sealed.unwrap().login
    };
    let first = read("alice");
    let renewed = ledger.renew_login(&first, &terms(), b"second", T0).unwrap();
    assert_eq!(renewed, LoginUpdate::Done);
    assert_eq!(tokens(&ledger, "alice").unwrap(), b"second");
    let stale = ledger.renew_login(&first, &terms(), b"third", T0).unwrap();
    assert_eq!(stale, LoginUpdate::Gone);
    assert_eq!(tokens(&ledger, "alice").unwrap(), b"second");
    let stale = ledger.remove_login(&key("alice"), Some(first.version));
    assert_eq!(stale.unwrap(), LoginUpdate::Gone);
    // A new login of the same moment is another version.
    ledger
        .store_login(&key("alice"), &terms(), b"fourth", T0)
        .unwrap();
    assert!(read("alice").version > first.version + 1);
    let removed = ledger.remove_login(&key("alice"), None).unwrap();
    assert_eq!(removed, LoginUpdate::Done);
    assert_eq!(tokens(&ledger, "alice"), None);
}

#[test]
fn a_login_outlives_the_keys_of_days_and_a_rebuild() {
    let place = Place::new();
    let ledger = place.open();
    ledger
        .store_login(&key("alice"), &terms(), b"tokens", T0)
        .unwrap();
    for day in T0.0 / 86_400_000_000 - 1..=T0.0 / 86_400_000_000 + 1 {
        ledger.keys().destroy_day(TENANT, day).unwrap();
    }
    block_on(ledger.rebuild()).unwrap();
    assert_eq!(tokens(&ledger, "alice").unwrap(), b"tokens");
}
