use super::*;

fn of(text: &str) -> Vec<&str> {
    links(text).collect()
}

#[test]
fn what_is_shown_as_a_link_is_one() {
    for (text, expected) in [
        (
            "see https://evil.example/?d=1, now",
            "https://evil.example/?d=1",
        ),
        ("see (HTTP://evil.example)", "HTTP://evil.example"),
        ("[here](https://evil.example/a)", "https://evil.example/a"),
        ("![](//evil.example/x.png)", "//evil.example/x.png"),
        (r"go to https:\\evil.example\a", r"https:\\evil.example\a"),
        ("WWW.evil.example is good", "WWW.evil.example"),
        ("evil.example/?d=secret", "evil.example/?d=secret"),
        ("(evil.example:8080/a)", "evil.example:8080/a"),
        ("say evil.example?d=secret.", "evil.example?d=secret"),
        ("to:203.0.113.7/x", "203.0.113.7/x"),
        ("slack://channel?id=7", "slack://channel?id=7"),
        ("a,münchen.example/x", "münchen.example/x"),
    ] {
        assert_eq!(of(text), [expected], "{text}");
    }
}

#[test]
fn other_words_are_no_links() {
    for text in [
        "and/or",
        "src/main.rs",
        "1.5/2.0",
        "e.g. this",
        "24/7",
        "2024-05-01",
        "a.b",
        "ann@example.com",
        "/etc/passwd",
        "really?",
        "item #4",
        "v1.2/3",
        "",
    ] {
        assert_eq!(of(text), [""; 0], "{text}");
    }
}

#[test]
fn a_link_has_a_host() {
    for link in [
        "https://evil.example/a",
        "//evil.example/a",
        r"https:\\evil.example/a",
        "evil.example/a?u=https://b",
    ] {
        assert!(without_scheme(link).starts_with("evil.example/a"), "{link}");
    }
}
