use proptest::prelude::*;

use super::*;

/// The note and key of c2sp.org/signed-note's reference implementation (`golang.org/x/mod/sumdb/note`).
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\
    \n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn a_note_that_go_signed_is_believed() {
    let verifier = NoteVerifier::parse(GO_KEY).unwrap();
    assert_eq!(verifier.to_string(), GO_KEY);
    let text = verifier.open(GO_NOTE).unwrap();
    assert!(text.ends_with("your problem is.\n"), "{text}");
    let changed = GO_NOTE.replace("answer", "anwser");
    assert_eq!(
        verifier.open(&changed),
        Err(NoteError::Forged("PeterNeumann".into()))
    );
}

/// The key that Go's documentation shows.
#[test]
fn a_secret_key_of_go_signs_alike() {
    let secret = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let signer = NoteSigner::parse(secret).unwrap();
    assert_eq!(signer.to_secret().as_str(), secret);
    assert_eq!(signer.verifier().to_string(), GO_KEY);
    let text = NoteVerifier::parse(GO_KEY).unwrap().open(GO_NOTE).unwrap();
    assert_eq!(signer.sign(text), GO_NOTE);
    assert!(!format!("{signer:?}").contains("AYEKF"));
}

#[test]
fn what_is_not_a_key_is_refused_without_being_shown() {
    for text in [
        "",
        "a+b",
        "a+00000000+AQ==",
        "PRIVATE+KEY+x+00000000+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
    ] {
        let error = NoteSigner::parse(text).unwrap_err();
        assert!(!error.to_string().contains("AYEK"), "{error}");
        assert!(NoteVerifier::parse(text).is_err(), "{text}");
    }
    assert!(NoteSigner::new("two words", &[1; 32]).is_err());
    assert!(NoteSigner::new("", &[1; 32]).is_err());
}

#[test]
fn a_note_of_another_key_is_not_believed() {
    let (one, other) = (
        NoteSigner::new("a", &[1; 32]).unwrap(),
        NoteSigner::new("a", &[2; 32]).unwrap(),
    );
    let note = one.sign("text\n");
    assert_eq!(
        other.verifier().open(&note),
        Err(NoteError::Unsigned("a".into()))
    );
    // Further signatures do no harm.
    let line = note.lines().last().unwrap();
    let both = format!("{}{line}\n", other.sign("text\n"));
    assert_eq!(one.verifier().open(&both), Ok("text\n"));
    assert_eq!(other.verifier().open(&both), Ok("text\n"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "(\u{2014} |\n|a|\\+|=| |[a-zA-Z0-9]{1,5}){0,40}") {
        let verifier = NoteVerifier::parse(GO_KEY).unwrap();
        prop_assert!(verifier.open(&text).is_err());
        let _ = NoteSigner::parse(&text);
    }

    #[test]
    fn any_changed_byte_is_noticed(at in 0_usize..200, to in 0_u8..127) {
        let mut bytes = GO_NOTE.as_bytes().to_vec();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        if let Ok(text) = String::from_utf8(bytes) {
            let verifier = NoteVerifier::parse(GO_KEY).unwrap();
            prop_assert!(verifier.open(&text).is_err());
        }
    }
}
