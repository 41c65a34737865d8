use proptest::prelude::*;

use super::*;

fn target(url: &str) -> Target {
    Target::parse(url).unwrap_or_else(|e| panic!("{url}: {e:?}"))
}

#[test]
fn one_host_has_one_spelling() {
    for (url, host) in [
        ("https://EXAMPLE.com", "example.com"),
        ("https://example.com.", "example.com"),
        ("https://ex%61mple.com", "example.com"),
        ("https://ｅxample.com", "example.com"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        ("https:\\\\example.com\\a", "example.com"),
        ("http://2130706433/", "127.0.0.1"),
        ("http://0x7f.1/", "127.0.0.1"),
        ("http://017700000001/", "127.0.0.1"),
        ("http://127.1/", "127.0.0.1"),
        ("http://127.0.0.1./", "127.0.0.1"),
        ("http://①②⑦.0.0.1/", "127.0.0.1"),
        ("http://[::ffff:7f00:1]/", "127.0.0.1"),
        ("http://[0:0:0:0:0:0:0:1]/", "::1"),
        ("http://[FD00:EC2::254]/", "fd00:ec2::254"),
    ] {
        assert_eq!(target(url).host(), host, "{url}");
    }
    assert!(target("http://0x7f.1/").address().is_some());
    assert!(target("http://example.com/").address().is_none());
}

#[test]
fn one_path_has_one_spelling() {
    for (url, path) in [
        ("https://a/x/../y", "/y"),
        ("https://a/x/%2e%2E/y", "/y"),
        ("https://a/%61dmin", "/admin"),
        ("https://a/%7euser", "/~user"),
        ("https://a/%2fadmin", "/%2Fadmin"),
        ("https://a/%252e%252e/y", "/%252e%252e/y"),
        ("https://a/100%", "/100%25"),
        ("https://a\\b\\c", "/b/c"),
        ("https://a", "/"),
    ] {
        assert_eq!(target(url).path(), path, "{url}");
    }
}

#[test]
fn what_is_no_request_is_refused() {
    for url in [
        "ftp://example.com/",
        "file:///etc/passwd",
        "data:text/plain,x",
        "//example.com",
        "example.com",
        "",
        "https://",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://a..b/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://ex ample.com/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
    ] {
        assert!(
            matches!(Target::parse(url), Err(EgressError::Invalid(_))),
            "{url}"
        );
    }
    let long = format!("https://a/{}", "x".repeat(9_000));
    assert!(Target::parse(&long).is_err());
    let label = format!("https://{}.example/", "x".repeat(64));
    assert!(Target::parse(&label).is_err());
}

#[test]
fn records_and_fields_hold_no_query() {
    let target = target("https://example.com:8443/a?key=1#part");
    assert_eq!(target.redacted(), "https://example.com:8443/a");
    assert_eq!(target.host_field(), "example.com:8443");
    assert_eq!(target.url().as_str(), "https://example.com:8443/a?key=1");
    assert_eq!(
        Target::parse("https://[::1]:443/").unwrap().host_field(),
        "[::1]"
    );
}

#[test]
fn a_redirect_is_resolved_against_where_it_came_from() {
    let from = target("https://example.com/a/b?x=1");
    assert_eq!(
        from.join("../c").unwrap().url().as_str(),
        "https://example.com/c"
    );
    assert_eq!(
        from.join("//evil.example/x").unwrap().host(),
        "evil.example"
    );
    assert_eq!(
        from.join("https://u:p@evil.example/")
            .unwrap()
            .url()
            .as_str(),
        "https://evil.example/"
    );
    assert!(matches!(
        from.join("file:///etc/passwd"),
        Err(EgressError::Malformed(_))
    ));
    assert!(from.is_same_origin(&from.join("/z").unwrap()));
    assert!(!from.is_same_origin(&from.join("http://example.com/").unwrap()));
    assert!(!from.is_same_origin(&from.join("https://example.com:444/").unwrap()));
}

proptest! {
    #[test]
    fn normalising_twice_is_normalising_once(
        host in "[a-zA-Z0-9.%é。-]{1,20}",
        path in "[a-zA-Z0-9/.%?#\\\\ é~-]{0,40}",
    ) {
        if let Ok(once) = Target::parse(&format!("https://{host}/{path}")) {
            let twice = Target::parse(once.url().as_str()).unwrap();
            prop_assert_eq!(&once, &twice);
            prop_assert!(!once.host().ends_with('.') && once.host().is_ascii());
            prop_assert!(!once.host().bytes().any(|b| b.is_ascii_uppercase()));
        }
    }

    #[test]
    fn nothing_panics(url in "\\PC*") {
        let _ = Target::parse(&url);
    }
}
