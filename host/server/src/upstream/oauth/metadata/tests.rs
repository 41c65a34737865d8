use proptest::prelude::*;
use serde_json::json;

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn texts(urls: Vec<Url>) -> Vec<String> {
    urls.into_iter().map(String::from).collect()
}

#[test]
fn documents_are_where_the_standards_put_them() {
    assert_eq!(
        texts(resource_locations(&url("https://h:1/a/mcp?x=1"))),
        [
            "https://h:1/.well-known/oauth-protected-resource/a/mcp",
            "https://h:1/.well-known/oauth-protected-resource"
        ]
    );
    assert_eq!(
        texts(server_locations(&url("https://as/tenant/"))),
        [
            "https://as/.well-known/oauth-authorization-server/tenant",
            "https://as/.well-known/openid-configuration/tenant",
            "https://as/tenant/.well-known/openid-configuration"
        ]
    );
    assert_eq!(texts(server_locations(&url("https://as"))).len(), 2);
}

#[test]
fn a_resource_is_that_of_the_server() {
    let server = url("https://h/a/mcp");
    for (resource, expected) in [
        ("https://h/a/mcp", true),
        ("https://h/a/mcp/", true),
        ("https://h/a", true),
        ("https://h", true),
        ("https://H:443/", true),
        ("https://h/a/mcp/more", false),
        ("https://h/a/m", false),
        ("https://h/b", false),
        ("http://h/a/mcp", false),
        ("https://h:444/a/mcp", false),
        ("https://evil/a/mcp", false),
        ("https://u@h/a/mcp", false),
        ("https://h/a/mcp?x", false),
        ("a/mcp", false),
    ] {
        assert_eq!(is_resource_of(resource, &server), expected, "{resource}");
    }
}

#[test]
fn a_document_counts_only_for_whom_it_was_asked_about() {
    let server = url("https://h/mcp");
    let of = |document: serde_json::Value, expected: Option<&str>| {
        resource_metadata(document.to_string().as_bytes(), &server, expected)
    };
    let good = json!({"resource": "https://h/mcp", "authorization_servers": ["https://as"]});
    assert_eq!(of(good.clone(), None).unwrap().issuer, "https://as");
    assert!(of(good.clone(), Some("urn:wiki")).is_err());
    let named =
        json!({"resource": "urn:wiki", "authorization_servers": ["javascript:1", "https://as"]});
    assert!(of(named.clone(), None).is_err());
    assert_eq!(of(named, Some("urn:wiki")).unwrap().issuer, "https://as");
    for wrong in [
        json!({"resource": "https://evil/mcp", "authorization_servers": ["https://as"]}),
        json!({"resource": "https://h/mcp", "authorization_servers": []}),
        json!({"resource": "https://h/mcp"}),
        json!({"resource": "https://h/mcp", "authorization_servers": ["https://u:p@as"]}),
        json!({"resource": "https://h/mcp", "authorization_servers": ["https://as?x=1"]}),
        json!([]),
    ] {
        assert!(of(wrong.clone(), None).is_err(), "{wrong}");
    }

    let of = |document: serde_json::Value| {
        server_metadata(document.to_string().as_bytes(), "https://as")
    };
    let good = json!({"issuer": "https://as", "token_endpoint": "https://as/token",
        "authorization_endpoint": "https://as/authorize", "code_challenge_methods_supported": ["plain", "S256"]});
    let read = of(good.clone()).unwrap();
    assert!(read.has_s256 && !read.has_iss && read.authentication.is_none());
    for (member, value) in [
        ("issuer", json!("https://as/")),
        ("issuer", json!("https://evil")),
        ("token_endpoint", json!("https://evil/token")),
        ("token_endpoint", json!("http://as/token")),
        ("token_endpoint", json!("https://u:p@as/token")),
        ("token_endpoint", json!("/token")),
        ("token_endpoint", json!(null)),
        ("authorization_endpoint", json!("https://evil/authorize")),
    ] {
        let mut document = good.clone();
        document[member] = value.clone();
        assert!(of(document).is_err(), "{member} {value}");
    }
    let twice =
        br#"{"issuer":"https://as","issuer":"https://evil","token_endpoint":"https://as/t"}"#;
    assert!(server_metadata(twice, "https://as").is_err());
}

proptest! {
    #[test]
    fn nothing_panics(document in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
        let server = url("https://h/mcp");
        let _ = resource_metadata(&document, &server, None);
        let _ = server_metadata(&document, &text);
        let _ = is_resource_of(&text, &server);
    }

    #[test]
    fn a_token_never_goes_where_the_issuer_is_not(issuer in "https?://[a-c]{1,2}(:[1-9]{2})?(/[a-z]{0,3})?",
        token in "https?://[a-c]{1,2}(:[1-9]{2})?/[a-z]{0,3}") {
        let document = json!({"issuer": issuer, "token_endpoint": token}).to_string();
        if let Ok(read) = server_metadata(document.as_bytes(), &issuer) {
            prop_assert_eq!(read.token.origin(), url(&issuer).origin());
        }
    }

    #[test]
    fn a_resource_is_never_that_of_another_origin(resource in "https?://[a-c]{1,2}(:[1-9]{2})?(/[a-z]{0,3}){0,2}",
        server in "https?://[a-c]{1,2}(:[1-9]{2})?(/[a-z]{0,3}){0,2}") {
        if is_resource_of(&resource, &url(&server)) {
            prop_assert_eq!(url(&resource).origin(), url(&server).origin());
        }
    }
}
