use super::*;

fn asked(request: &str, words: &[&str]) -> bool {
    let key = IndexKey::new([7; 32]);
    let mut index = crate::provenance::request::RequestIndex::default();
    index.read(&key, request);
    let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    is_asked(&key, index.messages().last().unwrap(), &words)
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
    for request in [
        "show the relevant file",
        "get it",
        "de lete",
        "deleterious",
        "",
    ] {
        assert!(!asked(request, &["delete", "get rid"]), "{request}");
    }
    assert!(!asked("anything", &[]));
    for (request, word) in [
        ("make a reservation", "reserve"),
        ("I need a payment", "pay"),
        ("it was cancelled", "cancel"),
        ("he replied", "reply"),
        ("the removal of it", "remove"),
        ("adding", "add"),
    ] {
        assert!(asked(request, &[word]), "{request}");
    }
    for (request, word) in [
        ("his address", "add"),
        ("a newspaper", "new"),
        ("computer", "put"),
        ("a", "a b"),
    ] {
        assert!(!asked(request, &[word]), "{request}");
    }
}

#[test]
fn names_propose_the_words_that_ask_for_them() {
    assert!(proposed_words("drive__deleteFile").contains(&"remove".to_owned()));
    assert!(proposed_words("cancel_event").contains(&"call off".to_owned()));
    assert_eq!(proposed_words("get_file"), Vec::<String>::new());
}

#[test]
fn other_words_that_begin_so_do_not_ask() {
    for (request, tool) in [
        ("Look into my Dropbox", "drop_table"),
        ("Find the closest station", "close_account"),
        ("Show the endpoint at the end of the list", "cancel_event"),
        ("Open the settings", "update_profile"),
        ("Is this knife sharp?", "share_file"),
        ("Summarise my emails in the mailbox", "send_email"),
        ("Read the last email and my messages", "send_email"),
        ("What is in my address book?", "book_hotel"),
        ("List my payments", "pay_invoice"),
    ] {
        let words = proposed_words(tool);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert!(
            !words.is_empty() && !asked(request, &words),
            "{request}: {tool}"
        );
    }
    for (request, tool) in [
        ("Email Ann the summary", "send_email"),
        ("Read it. Then, please, email Ann.", "send_email"),
        ("Could you message her?", "send_message"),
        ("I paid too little: correct that", "update_payment"),
        ("the cancellation of my order, please", "cancel_order"),
        ("Stopping it is fine", "stop_job"),
        ("needs modification", "modify_item"),
        ("removal of the old ones", "delete_file"),
        ("Book the hotel", "book_hotel"),
        ("send an e-mail", "send_email"),
    ] {
        let words = proposed_words(tool);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert!(asked(request, &words), "{request}: {tool}");
    }
}
