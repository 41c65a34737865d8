use super::*;

#[test]
fn what_is_a_few_characters_a_number_or_a_date_tells_nothing() {
    for text in [
        "",
        "7",
        "13.5",
        "999999",
        "usd",
        "2024-05-01",
        "May 1st, 2024",
        "2024-05-01 10:30",
        "10:30",
    ] {
        assert!(!tells(text), "{text}");
    }
    for text in [
        "mallory",
        "1234567",
        "mallory at evil",
        "2024-05-01 mallory",
        "DE89 3704",
        "10:30 Grand Hotel",
    ] {
        assert!(tells(text), "{text}");
    }
}
