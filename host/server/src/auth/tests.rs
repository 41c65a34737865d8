use super::*;

#[test]
fn only_loopback_is_open() {
    for (address, required) in [
        ("127.0.0.1:80", false),
        ("[::1]:80", false),
        ("[::ffff:127.0.0.1]:80", false),
        ("0.0.0.0:80", true),
        ("[::]:80", true),
        ("192.0.2.1:80", true),
    ] {
        assert_eq!(
            required_for(address.parse().unwrap()),
            required,
            "{address}"
        );
    }
}

#[test]
fn a_credential_has_one_form() {
    let headers = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("authorization", value.parse().unwrap());
        }
        headers
    };
    assert_eq!(bearer(&headers(&[])), Ok(None));
    assert_eq!(bearer(&headers(&["bearer a.b-c"])), Ok(Some("a.b-c")));
    let long = format!("Bearer {}", "x".repeat(MAX_CREDENTIAL + 1));
    for wrong in [
        &["Basic YTpi"][..],
        &["Bearer"],
        &["Bearer "],
        &["Bearer a b"],
        &["Bearer a", "Bearer a"],
        &["Bearer a\"b"],
        &[long.as_str()],
    ] {
        assert!(
            matches!(bearer(&headers(wrong)), Err(AuthError::Malformed(_))),
            "{wrong:?}"
        );
    }
}
