use super::*;

fn trust(fields: &[(&str, Trust)]) -> FieldTrust {
    let fields = fields
        .iter()
        .map(|(text, trust)| (PointerPattern::parse(text).unwrap(), *trust))
        .collect();
    FieldTrust::new(Trust::Untrusted, fields)
}

#[test]
fn the_most_exact_pattern_decides() {
    let trust = trust(&[
        ("/items", Trust::Trusted),
        ("/items/*/subject", Trust::Untrusted),
        ("/items/*/subject/lang", Trust::Trusted),
        ("/a~1b", Trust::Trusted),
    ]);
    assert_eq!(trust.of(&["items", "*", "id"]), Trust::Trusted);
    assert_eq!(trust.of(&["items", "*", "subject"]), Trust::Untrusted);
    assert_eq!(
        trust.of(&["items", "*", "subject", "lang", "x"]),
        Trust::Trusted
    );
    assert_eq!(trust.of(&["other"]), Trust::Untrusted);
    assert_eq!(trust.of(&["a/b"]), Trust::Trusted);
    assert_eq!(trust.of::<&str>(&[]), Trust::Untrusted);
}

#[test]
fn two_equally_exact_patterns_are_untrusted() {
    let both = [("/*/a", Trust::Trusted), ("/b/*", Trust::Untrusted)];
    let mut turned = both;
    turned.reverse();
    assert_eq!(trust(&both).of(&["b", "a"]), Trust::Untrusted);
    assert_eq!(trust(&turned).of(&["b", "a"]), Trust::Untrusted);
}

#[test]
fn a_pattern_is_a_pointer() {
    for text in ["", "/a/*/b", "/a~1b~0"] {
        assert_eq!(PointerPattern::parse(text).unwrap().to_string(), text);
    }
    assert!(PointerPattern::parse("items/*").is_err());
}
