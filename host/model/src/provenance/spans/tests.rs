use super::*;

/// The forms of the only word of a text.
fn forms(text: &str) -> Vec<String> {
    let (spans, _) = spans(text, 0);
    let forms = spans.into_iter().flat_map(|span| span.forms);
    forms.collect()
}

#[test]
fn a_word_of_a_sentence_counts_without_what_stands_around_it() {
    for (text, form) in [
        ("'Bob@Example.COM',", "bob@example.com"),
        ("(https://Example.com/a/).", "https://example.com/a"),
        ("https://example.com", "https://example.com/"),
        ("https://example.com/a", "example.com/a"),
        ("www.example.com", "https://www.example.com"),
        ("a@x.com,b@x.com;c@x.com", "b@x.com"),
        ("account:CA13", "ca13"),
        ("landlord's", "landlord"),
        ("srv/app/tmp?", "srv/app/tmp"),
        ("10:00:00Z", "10:00"),
        ("#13", "13"),
        ("\"srv/app?\".", "srv/app?"),
    ] {
        assert!(
            forms(text).contains(&form.to_owned()),
            "{text}: {:?}",
            forms(text)
        );
    }
}

#[test]
fn other_values_are_no_forms_of_it() {
    for (text, form) in [
        ("srv/app/tmp/..", "srv/app/tmp"),
        ("srv/app/tmp/..", "srv/app/tmp/"),
        ("http://bank.example", "https://bank.example"),
        ("readme.md", "https://readme.md"),
        ("..", "."),
        ("1.10", "1.1"),
    ] {
        assert!(
            !forms(text).contains(&form.to_owned()),
            "{text}: {:?}",
            forms(text)
        );
    }
}

#[test]
fn short_values_are_marked_by_quotes_and_by_their_names() {
    let (spans, _) = spans("delete '13' and #14, or id 15 and 16, on May 13 at 7", 0);
    let marked = spans.into_iter().filter(|span| span.is_marked);
    let cores: Vec<String> = marked.map(|span| span.core).collect();
    assert_eq!(cores, ["13", "14", "15"]);
}
