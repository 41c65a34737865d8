use std::net::Ipv4Addr;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(status: u16, body: &str) -> Result<TokenAnswer, OauthError> {
    TokenAnswer::read(&WireResponse {
        status,
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
        address: Ipv4Addr::LOCALHOST.into(),
    })
}

fn good() -> Value {
    json!({"access_token": "secret-access-token", "token_type": "bearer", "expires_in": 60,
        "refresh_token": "secret-refresh-token", "scope": "a b"})
}

fn with(member: &str, value: Value) -> Result<TokenAnswer, OauthError> {
    let mut document = good();
    document[member] = value;
    read(200, &document.to_string())
}

#[test]
fn a_good_answer_is_read() {
    let answer = read(200, &good().to_string()).unwrap();
    assert_eq!(*answer.access, "secret-access-token");
    assert_eq!(answer.life, Some(Duration::from_secs(60)));
    assert_eq!(answer.scopes.as_deref(), Some("a b"));
    for (given, life) in [
        (json!("120"), Some(120)),
        (json!(59.9), Some(59)),
        (json!(null), None),
        (json!(u64::MAX), Some(LONGEST.as_secs())),
    ] {
        let answer = with("expires_in", given.clone()).unwrap();
        assert_eq!(answer.life.map(|life| life.as_secs()), life, "{given}");
    }
    assert!(!format!("{answer:?}").contains("secret"));
}

#[test]
fn what_is_no_token_is_refused_and_not_shown() {
    for (member, value) in [
        ("access_token", json!("secret\r\nX-Evil: 1")),
        ("access_token", json!("secret token")),
        ("access_token", json!("secr\u{e9}t-token")),
        ("access_token", json!("secret")),
        ("access_token", json!("secret".repeat(4000))),
        ("access_token", json!(["secret-token"])),
        ("access_token", json!(null)),
        ("refresh_token", json!("secret\nrefresh-token")),
        ("token_type", json!("DPoP")),
        ("token_type", json!(null)),
        ("expires_in", json!(-1)),
        ("expires_in", json!(0)),
        ("expires_in", json!("-5")),
        ("expires_in", json!("soon")),
        ("expires_in", json!({})),
        ("scope", json!(["secret"])),
    ] {
        let error = with(member, value.clone()).unwrap_err();
        assert!(!error.why.contains("secret"), "{member}: {error}");
    }
    let twice = r#"{"access_token":"secret-token-1","access_token":"secret-token-2","token_type":"Bearer"}"#;
    assert!(read(200, twice).is_err());
    let redirect = read(307, &good().to_string()).unwrap_err();
    assert!(redirect.why.contains("redirects"), "{redirect}");
}

#[test]
fn a_refusal_says_what_to_do_in_the_gates_words() {
    for (code, advice) in [
        ("invalid_client", "client_secret"),
        ("invalid_scope", "scopes"),
        ("invalid_target", "resource"),
        ("unauthorized_client", "grant"),
        ("made_up secret", "token endpoint"),
    ] {
        let body = json!({"error": code, "error_description": "secret words"}).to_string();
        let error = read(400, &body).unwrap_err();
        assert!(error.why.contains(advice), "{error}");
        assert!(!error.why.contains("secret words") && !error.why.contains("made_up"));
    }
    let grant = read(400, r#"{"error":"invalid_grant"}"#).unwrap_err();
    assert_eq!(grant.kind, OauthErrorKind::InvalidGrant);
    assert!(read(502, "<html>").is_err());
}

proptest! {
    #[test]
    fn nothing_panics_and_every_token_fits_a_header(body in prop::collection::vec(any::<u8>(), 0..200),
        token in "\\PC{0,40}", status in 100_u16..600) {
        let _ = read(status, &String::from_utf8_lossy(&body));
        if let Ok(answer) = with("access_token", json!(token)) {
            let value = format!("Bearer {}", *answer.access);
            let is_header = http::HeaderValue::from_str(&value).is_ok();
            prop_assert!(is_header);
        }
    }
}
