use super::*;

#[test]
fn an_answer_is_awaited_on_this_machine_only() {
    for (redirect, expected) in [
        ("http://127.0.0.1:8123/callback", true),
        ("http://[::1]:8123/callback", true),
        ("http://localhost:8123/callback", false),
        ("http://127.0.0.1/callback", false),
        ("https://127.0.0.1:8123/callback", false),
        ("http://192.0.2.1:8123/callback", false),
        ("http://127.0.0.1.evil.example:8123/callback", false),
        ("http://user@127.0.0.1:8123/callback", false),
        ("http://127.0.0.1:8123/callback?x=1", false),
        ("http://127.0.0.1:8123/callback#x", false),
    ] {
        let url = Url::parse(redirect).unwrap();
        assert_eq!(is_loopback_redirect(&url), expected, "{redirect}");
    }
}
