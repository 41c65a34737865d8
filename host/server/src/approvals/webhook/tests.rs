use super::*;

/// The example of the reference libraries of Standard Webhooks.
#[test]
fn signatures_are_the_standard_ones() {
    let signature = signature(
        &key(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap(),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        br#"{"test": 2432232314}"#,
    );
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn a_standard_secret_that_is_no_base64_signs_nothing() {
    assert!(key(b"whsec_not base64").is_err());
    assert_eq!(key(b"any other").unwrap(), b"any other");
}
