use super::*;

#[test]
fn a_credential_is_encoded_before_it_is_joined() {
    // RFC 6749, section 2.3.1: form encoding first, so that a colon in the id ends nothing.
    let value = basic("a:b", "c d+e").unwrap();
    let text = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
    let plain = STANDARD.decode(text).unwrap();
    assert_eq!(plain, b"a%3Ab:c+d%2Be");
    assert!(value.is_sensitive());
}

#[test]
fn the_challenge_is_that_of_the_standard() {
    // RFC 7636, appendix B.
    assert_eq!(
        s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    );
    let (one, other) = (random_text().unwrap(), random_text().unwrap());
    assert!(one.len() == 43 && one != other);
}
