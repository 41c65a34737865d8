use super::{PhraseRule, Source, occurrences, phrase};

#[test]
fn only_whole_words_count() {
    assert_eq!(occurrences("Whoever calls, whoever asks", "whoever"), 2);
    assert_eq!(occurrences("besides, beside_them, Beside", "beside"), 1);
    assert_eq!(occurrences("was looked at in vain.", "in vain"), 1);
    assert_eq!(occurrences("in vaincraft", "in vain"), 0);
    assert_eq!(occurrences("ünobody", "nobody"), 0);
}

#[test]
fn a_phrase_is_reported_once_it_is_over_its_budget() {
    let source = Source {
        path: "a.md".to_owned(),
        text: "in vain\n\nin vain, in vain\n".to_owned(),
    };
    let rule = |budget| PhraseRule {
        phrase: "in vain".to_owned(),
        write: "without success".to_owned(),
        budget,
    };
    assert!(phrase(&rule(3), &[&source]).is_empty());
    assert_eq!(
        phrase(&rule(2), &[&source]),
        [
            "“in vain” occurs 3 times, 2 are allowed; write: without success",
            "  a.md:1",
            "  a.md:3",
            "  a.md:3"
        ]
    );
}
