use super::{Length, LengthRule, PhraseRule, Source, functions, occurrences, phrase, too_long};

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
        but_not: Vec::new(),
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

#[test]
fn a_longer_phrase_can_be_an_exception() {
    let source = Source {
        path: "a.md".to_owned(),
        text: "It is no file. There is no file, and it is no longer here.\nThis is no file.\n"
            .to_owned(),
    };
    let rule = PhraseRule {
        phrase: "is no".to_owned(),
        but_not: vec!["there is no".to_owned(), "is no longer".to_owned()],
        write: "is not a".to_owned(),
        budget: 0,
    };
    assert_eq!(
        phrase(&rule, &[&source]),
        [
            "“is no” occurs 2 times, 0 are allowed; write: is not a",
            "  a.md:1",
            "  a.md:2"
        ]
    );
}

#[test]
fn functions_end_where_their_indentation_does() {
    let text = "trait A {\n    fn a(&self);\n    fn b() {}\n}\nimpl A {\n    pub(crate) async fn c<T>(\n        t: T,\n    ) {\n        if d {\n        }\n    }\n}\n";
    let source = Source {
        path: "a.rs".to_owned(),
        text: text.to_owned(),
    };
    let c = Length {
        lines: 6,
        place: "a.rs c".to_owned(),
    };
    assert_eq!(functions(&source), [c]);
}

#[test]
fn what_is_too_long_is_named_once_there_is_too_much_of_it() {
    let rule = |longer| LengthRule {
        max_lines: 5,
        longer,
    };
    let lengths = [6, 5, 7].map(|lines| Length {
        lines,
        place: format!("f{lines}"),
    });
    assert!(too_long(&[rule(2)], &lengths).is_empty());
    assert_eq!(
        too_long(&[rule(1)], &lengths),
        [
            "2 are longer than 5 lines, 1 are allowed:",
            "  f6: 6 lines",
            "  f7: 7 lines"
        ]
    );
}
