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

#[test]
fn a_definition_says_nothing_against_the_operator() {
    let pattern = |text: &str| PointerPattern::parse(text).unwrap();
    let mut trust = trust(&[("/items", Trust::Untrusted)]);
    trust.add_marks(vec![
        (pattern("/items/*/id"), Trust::Trusted),
        (pattern("/total"), Trust::Trusted),
    ]);
    assert_eq!(trust.of(&["items", "*", "id"]), Trust::Untrusted);
    assert_eq!(trust.of(&["total"]), Trust::Trusted);
    assert!(!trust.is_untrusted());
}

/// A stranger's field must not become trusted by being unreadable as a field.
#[test]
fn a_text_is_trusted_only_if_every_field_in_it_would_be() {
    let pattern = |text: &str| PointerPattern::parse(text).unwrap();
    let of = |fields, path: &[&str]| FieldTrust::new(Trust::Trusted, fields).of_text(path);
    let body = || vec![(pattern("/rows/*/body"), Trust::Untrusted)];
    assert_eq!(of(Vec::new(), &[]), Trust::Trusted);
    assert_eq!(
        of(vec![(pattern("/id"), Trust::Trusted)], &[]),
        Trust::Trusted
    );
    for path in [&[][..], &["rows"], &["rows", "*"], &["rows", "*", "body"]] {
        assert_eq!(of(body(), path), Trust::Untrusted, "{path:?}");
    }
    assert_eq!(of(body(), &["total"]), Trust::Trusted);
    assert_eq!(of(body(), &["rows", "*", "id"]), Trust::Trusted);
    let mut marked = FieldTrust::new(Trust::Trusted, Vec::new());
    marked.add_marks(vec![(pattern("/body"), Trust::Untrusted)]);
    assert_eq!(marked.of_text::<&str>(&[]), Trust::Untrusted);
}
