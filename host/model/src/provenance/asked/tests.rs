use super::*;

fn asked(request: &str, words: &[&str]) -> bool {
    let key = IndexKey::new([7; 32]);
    let mut index = RequestIndex::default();
    index.read(&key, request);
    let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    is_asked(&key, &index, &words)
}

#[test]
fn a_word_asks_in_all_its_forms() {
    for request in [
        "Delete it",
        "I want these deleted.",
        "try deleting X",
        "get rid of it",
    ] {
        assert!(asked(request, &["delete", "get rid"]), "{request}");
    }
    for request in ["show the relevant file", "get it", "de lete", ""] {
        assert!(!asked(request, &["delete", "get rid"]), "{request}");
    }
    assert!(!asked("anything", &[]));
}

#[test]
fn names_propose_the_words_that_ask_for_them() {
    assert!(proposed_words("drive__deleteFile").contains(&"remove".to_owned()));
    assert!(proposed_words("cancel_event").contains(&"call off".to_owned()));
    assert_eq!(proposed_words("get_file"), Vec::<String>::new());
}
