use super::*;

fn currency(code: &str) -> Currency {
    Currency::try_from(code.to_owned()).unwrap()
}

#[test]
fn fees_round_halves_up() {
    for (minor, code, expected) in [
        (1, "EUR", 25),
        (33, "EUR", 25),
        (34, "EUR", 26),
        (100, "EUR", 27),
        (10_000, "JPY", 175),
        (10_000, "KWD", 400),
    ] {
        assert_eq!(fee(minor, currency(code)), expected, "{minor} {code}");
    }
    assert_eq!(fee(MOST, currency("EUR")), 135_107_988_821_140);
}

#[test]
fn amounts_as_people_write_them() {
    assert_eq!(currency("EUR").shown(5), "0.05 EUR");
    assert_eq!(currency("KWD").shown(12_345), "12.345 KWD");
    assert_eq!(currency("JPY").shown(12_345), "12345 JPY");
}
