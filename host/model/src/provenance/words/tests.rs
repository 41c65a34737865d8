use super::*;

fn texts(text: &str) -> Vec<String> {
    words(text).into_iter().map(|w| w.text).collect()
}

#[test]
fn what_does_not_change_the_meaning_is_folded() {
    assert_eq!(texts("  'Bob@Example.COM', "), ["bob@example.com"]);
    assert_eq!(
        texts("(see https://Example.com/a/)."),
        ["see", "example.com/a"]
    );
    assert_eq!(
        texts("a@x.com,b@x.com;c@x.com"),
        ["a@x.com", "b@x.com", "c@x.com"]
    );
    assert_eq!(
        texts("$1,000.00 on 2024-05-01T10:00:00Z"),
        ["1000", "on", "2024-05-01", "10:00"]
    );
    assert_eq!(
        texts("landlord's account:CA13"),
        ["landlord", "account", "ca13"]
    );
}

#[test]
fn what_looks_alike_is_not_the_same() {
    assert_ne!(texts("pаypal"), texts("paypal"));
    assert_ne!(texts("pay\u{200b}pal"), texts("paypal"));
    assert_ne!(texts("ｐaypal"), texts("paypal"));
    assert_ne!(texts("not-eve@corp.com"), texts("eve@corp.com"));
}

#[test]
fn short_values_are_marked_by_quotes_and_by_their_names() {
    let marked = |text: &str| -> Vec<String> {
        let all = words(text).into_iter();
        all.filter(|w| w.is_marked).map(|w| w.text).collect()
    };
    assert_eq!(
        marked("delete '13' and #14, or id 15 and 16"),
        ["13", "14", "15"]
    );
    assert_eq!(marked("on May 13 at 7"), Vec::<String>::new());
}

#[test]
fn hosts_are_those_of_urls() {
    assert_eq!(host("www.example.com/a"), Some("www.example.com"));
    assert_eq!(host("user@example.com"), Some("example.com"));
    assert_eq!(host("plain"), None);
}

/// Every character that is not ASCII stays another one, also in lower case.
#[test]
fn no_other_character_becomes_ascii() {
    let all = (128..=u32::from(char::MAX)).filter_map(char::from_u32);
    for c in all.filter(|c| c.to_lowercase().ne([*c])) {
        let found = texts(&format!("x{c}y"));
        let is_plain = |text: &String| text.bytes().all(|b| b.is_ascii_alphanumeric());
        let joined = found.len() == 1 && found.iter().all(is_plain);
        assert!(!joined, "U+{:04X} became {found:?}", u32::from(c));
    }
    // The signs for kelvin, ångström and ohm have letters as lower case.
    for (sign, letter) in [
        ("\u{212a}", "k"),
        ("\u{212b}", "å"),
        ("\u{2126}", "ω"),
        ("İ", "i"),
    ] {
        assert_ne!(texts(sign), texts(letter));
    }
    assert_eq!(texts("ÄÖÜ ΣΑ ЖЯ"), texts("äöü σα жя"));
}

/// A list without white space is not a stack of calls.
#[test]
fn a_chunk_of_separators_is_split_step_by_step() {
    assert_eq!(words(&"a,".repeat(60_000)).len(), 60_000);
    assert_eq!(words(&",".repeat(60_000)).len(), 0);
    assert_eq!(words(&"x=".repeat(60_000)).len(), 60_000);
    assert_eq!(texts("a:b,c"), ["a", "b", "c"]);
}

proptest::proptest! {
    #[test]
    fn a_text_that_has_words_for_certain_has_some(text in r#"[a-z0-9#'’"(\[.,;:= -]{0,12}|.{0,9}"#) {
        proptest::prop_assert!(!has_words(&text) || !words(&text).is_empty());
    }
}
