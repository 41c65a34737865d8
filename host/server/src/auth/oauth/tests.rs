use super::*;

#[test]
fn keys_that_check_nothing_are_left_out() {
    let ec = r#"{"kty":"EC","crv":"P-256","kid":"a","alg":"ES256",
            "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    let others = [
        r#"{"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQ","kid":"b"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"c"}"#,
        r#"{"kty":"from the future"}"#,
    ];
    let set = format!(r#"{{"keys":[{ec},{}]}}"#, others.join(","));
    let keys = parse(set.as_bytes()).map_err(|_| ()).unwrap();
    assert_eq!(keys.len(), 1);
    let keys = Keys {
        set: keys,
        ..Keys::default()
    };
    assert_eq!(keys.fitting(Algorithm::ES256, Some("a")).len(), 1);
    assert_eq!(keys.fitting(Algorithm::ES256, None).len(), 1);
    assert_eq!(keys.fitting(Algorithm::ES256, Some("b")).len(), 0);
    assert_eq!(
        keys.fitting(Algorithm::ES384, Some("a")).len(),
        0,
        "it is for another"
    );
    assert_eq!(keys.fitting(Algorithm::RS256, Some("a")).len(), 0);
    let none = format!(r#"{{"keys":[{}]}}"#, others.join(","));
    assert!(parse(none.as_bytes()).is_err());
    assert!(parse(b"{}").is_err());
}
