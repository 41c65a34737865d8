use super::*;

fn field(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

#[test]
fn what_is_the_hosts_own_is_refused_in_any_case() {
    for name in [
        "Host",
        "CONTENT-LENGTH",
        "Transfer-Encoding",
        "connection",
        "Proxy-Authorization",
        "TraceParent",
        "TE",
    ] {
        assert!(
            matches!(
                parse_guest_headers(&field(name, "x")),
                Err(HttpError::Invalid(_))
            ),
            "{name}"
        );
    }
    assert!(parse_guest_headers(&field("Authorization", "Basic eDp5")).is_ok());
}

#[test]
fn no_field_smuggles_another() {
    for (name, value) in [
        ("a", "b\r\nhost: evil"),
        ("a\r\nhost", "x"),
        ("a", "b\nc"),
        ("a", "\0"),
        ("a b", "c"),
        ("", "x"),
    ] {
        assert!(
            matches!(
                parse_guest_headers(&field(name, value)),
                Err(HttpError::Invalid(_))
            ),
            "{name:?}: {value:?}"
        );
    }
    let many: Vec<_> = (0..65).map(|n| (format!("x-{n}"), String::new())).collect();
    assert!(parse_guest_headers(&many).is_err());
    assert!(parse_guest_headers(&field("a", &"x".repeat(40_000))).is_err());
}
