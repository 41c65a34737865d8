use super::*;

fn joined(text: &str) -> String {
    Phrase::new(text).joined()
}

#[test]
fn case_white_space_one_pair_of_quotes_and_times_are_folded() {
    for (text, form) in [
        ("  'Bob@Example.COM' ", "bob@example.com"),
        ("1234  elm\nStreet", "1234 elm street"),
        ("9:05:00", "09:05"),
        ("2024-05-01T10:00:00", "2024-05-01 10:00"),
    ] {
        assert_eq!(joined(text), form);
    }
}

#[test]
fn a_sign_makes_another_value() {
    for text in [
        "srv/app/..",
        "srv/app/.",
        "srv/app?",
        "srv/app/",
        "(srv/app)",
        "srv/app,",
        "#srv/app",
        "\"'srv/app'\"",
        "https://srv/app",
        "srv/app's",
    ] {
        assert_ne!(joined(text), "srv/app", "{text}");
    }
}

#[test]
fn account_numbers_are_compared_without_their_groups() {
    let compact = |text: &str| Phrase::new(text).compact();
    assert_eq!(
        compact("DE89 3704 0044 0532").as_deref(),
        Some("de89370400440532")
    );
    assert_eq!(compact("to be or not"), None);
    assert_eq!(compact("DE89-3704 0044 0532"), None);
}
