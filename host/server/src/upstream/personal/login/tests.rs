use super::*;

fn authority() -> Authority {
    Authority {
        issuer: "https://as".into(),
        has_issuer: true,
        token: Url::parse("https://as/token").unwrap(),
        authorization: Url::parse("https://as/authorize?audience=x").ok(),
        authentication: None,
        has_s256: Some(true),
        has_iss: false,
        resource: "https://h/mcp".into(),
    }
}

#[test]
fn an_answer_of_another_server_does_not_count() {
    let mut authority = authority();
    assert!(check_issuer(&authority, None).is_ok());
    assert!(check_issuer(&authority, Some("https://as")).is_ok());
    for other in ["https://as/", "https://evil", ""] {
        assert!(check_issuer(&authority, Some(other)).is_err(), "{other}");
    }
    authority.has_iss = true;
    assert!(check_issuer(&authority, None).is_err());
    authority.has_issuer = false;
    assert!(check_issuer(&authority, Some("https://as")).is_err());
}

fn pending(user: &str, since: Instant) -> PendingLogin {
    PendingLogin {
        user: user.into(),
        verifier: Zeroizing::new(String::new()),
        redirect: String::new(),
        authority: Arc::new(authority()),
        since,
    }
}

#[test]
fn a_state_counts_once_for_its_user_and_not_for_long() {
    let mut logins = PendingLogins::default();
    let mut now = Instant::now();
    logins.add("one", pending("alice", now));
    assert!(logins.take("bob", "one", now).is_none());
    assert!(logins.take("alice", "other", now).is_none());
    assert!(logins.take("alice", "one", now).is_some());
    assert!(logins.take("alice", "one", now).is_none(), "replayed");
    logins.add("old", pending("alice", now));
    now += VALID;
    assert!(logins.take("alice", "old", now).is_none(), "too late");
    logins.add("bob's", pending("bob", now));
    for n in 0..=MAX_PENDING {
        now += Duration::from_secs(1);
        logins.add(&n.to_string(), pending("alice", now));
    }
    let oldest = logins.take("alice", "0", now);
    assert!(oldest.is_none(), "the oldest gives way");
    assert!(logins.take("alice", "1", now).is_some());
    assert!(logins.take("bob", "bob's", now).is_some());
}
