use super::*;

#[test]
fn numbers_have_one_form() {
    for (text, form) in [
        ("1,000.00", Some("1000")),
        ("1.000,00", Some("1000")),
        ("$1,000", Some("1000")),
        ("1000.0", Some("1000")),
        ("1,234,567", Some("1234567")),
        ("1.234.567", Some("1234567")),
        ("98.70", Some("98.7")),
        ("-4.50", Some("-4.5")),
        ("0.01", Some("0.01")),
        ("00123", None),
        ("1,00,0", None),
        ("1.2.3", None),
        ("12a", None),
        (".5", None),
        ("", None),
    ] {
        assert_eq!(number(text).as_deref(), form, "{text}");
    }
}

#[test]
fn dates_have_one_form() {
    for (text, form) in [
        ("2024-05-01", Some("2024-05-01")),
        ("2024/5/1", Some("2024-05-01")),
        ("01.05.2024", Some("2024-05-01")),
        ("may 1st 2024", Some("2024-05-01")),
        ("may 1 ", Some("05-01")),
        ("1st of may 2024", Some("2024-05-01")),
        ("1 sept", Some("09-01")),
        ("01/05/2024", None),
        ("may be", None),
        ("2024-13-01", None),
        ("maybe 3", None),
    ] {
        let words: Vec<&str> = text.split_whitespace().collect();
        let found = date(&words).map(|(form, _)| form);
        assert_eq!(found.as_deref(), form, "{text}");
    }
}

#[test]
fn times_have_one_form() {
    assert_eq!(time("10:00:00").as_deref(), Some("10:00"));
    assert_eq!(time("9:05").as_deref(), Some("09:05"));
    assert_eq!(time("10:00:07.123").as_deref(), Some("10:00:07"));
    assert_eq!(time("a:b"), None);
    assert_eq!(time("10"), None);
}
