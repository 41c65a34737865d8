use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Option<BearerChallenge> {
    bearer(std::iter::once(text.as_bytes()))
}

fn metadata(text: &str) -> Option<String> {
    read(text).and_then(|challenge| challenge.resource_metadata)
}

const AT: &str = "https://h/.well-known/oauth-protected-resource";

#[test]
fn the_bearer_challenge_is_found_among_others() {
    for field in [
        format!("Bearer resource_metadata=\"{AT}\""),
        format!("bearer  realm=\"a, b\" , Resource_Metadata = \"{AT}\""),
        format!("Basic realm=\"x\", Bearer error=\"invalid_token\", resource_metadata=\"{AT}\""),
        format!("Negotiate YWJjZA==, Bearer resource_metadata=\"{AT}\""),
        format!("Negotiate a/b+c==, Bearer resource_metadata=\"{AT}\""),
        format!("Negotiate, Bearer resource_metadata=\"{AT}\", DPoP algs=\"ES256\""),
        format!(", ,Bearer realm=x,,resource_metadata=\"{AT}\","),
        format!(
            "Digest realm=\"say \\\"Bearer resource_metadata=evil\\\"\", Bearer resource_metadata=\"{AT}\""
        ),
    ] {
        assert_eq!(metadata(&field).as_deref(), Some(AT), "{field}");
    }
    let challenge = read("Bearer error=insufficient_scope, scope=\"a b\"").unwrap();
    assert_eq!(challenge.error.as_deref(), Some("insufficient_scope"));
    assert_eq!(challenge.scope.as_deref(), Some("a b"));
    assert_eq!(read("Bearer"), Some(BearerChallenge::default()));
}

#[test]
fn what_is_ambiguous_or_unfinished_does_not_count() {
    for field in [
        "",
        "Basic realm=\"Bearer resource_metadata=x\"",
        "Bearer resource_metadata=\"https://a\", resource_metadata=\"https://b\"",
        "Bearer resource_metadata=\"https://a",
        "Bearer resource_metadata=",
        "Bearer resource_metadata",
    ] {
        assert_eq!(metadata(field), None, "{field}");
    }
    let large = format!("Bearer realm=\"{}\"", "x".repeat(MAX_FIELD_BYTES));
    assert_eq!(read(&large), None);
    let two = ["Basic realm=x".as_bytes(), b"Bearer error=x"];
    assert!(bearer(two.into_iter()).is_some());
}

proptest! {
    #[test]
    fn nothing_panics_and_everything_ends(field in "\\PC{0,200}") {
        let _ = read(&field);
    }

    #[test]
    fn odd_syntax_ends(field in "[Bb earer,=\"\\\\/x]{0,80}") {
        let _ = read(&field);
    }

    #[test]
    fn a_quoted_value_is_what_was_quoted(value in "[ -~]{0,60}", other in "[a-z]{1,8}") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let field = format!("{other} x=\"{quoted}\", Bearer scope=\"{quoted}\", error=e");
        let expected = (!other.eq_ignore_ascii_case("bearer")).then_some(value);
        let found = read(&field).and_then(|challenge| challenge.scope);
        prop_assert_eq!(found, expected);
    }
}
