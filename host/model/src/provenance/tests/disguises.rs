//! A value in disguise is never safer than untrusted.

use proptest::prelude::*;
use serde_json::json;

use super::{empty, origin, source, trust};
use crate::{
    ids::RunId,
    provenance::{Origin, ReadIndex, texts::GUARANTEED},
};

const RUN: RunId = RunId::from_bytes([1; 16]);

/// Characters that look like those of ASCII.
fn lookalike(c: char) -> char {
    match c {
        'a' => 'а',
        'c' => 'с',
        'e' => 'е',
        'o' => 'ο',
        'p' => 'р',
        'x' => 'х',
        'i' => 'і',
        'j' => 'ј',
        's' => 'ѕ',
        other => other,
    }
}

fn fullwidth(c: char) -> char {
    match c {
        '!'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap(),
        other => other,
    }
}

fn tag(c: char) -> char {
    match c {
        ' '..='~' => char::from_u32(u32::from(c) + 0xe0000).unwrap(),
        other => other,
    }
}

/// A disguise of a text.
fn disguised(text: &str, kind: u8) -> String {
    let between = |between: &str| -> String {
        let each: Vec<String> = text.chars().map(String::from).collect();
        each.join(between)
    };
    match kind {
        0 => text.chars().map(lookalike).collect(),
        1 => text.chars().map(fullwidth).collect(),
        2 => text.chars().map(tag).collect(),
        3 => between("\u{200b}"),
        4 => between(" "),
        5 => between("\n"),
        6 => text.chars().rev().collect(),
        7 => text.to_uppercase(),
        8 => between("\u{301}"),
        9 => between("-"),
        10 => format!("<b>{}</b>", between("\u{ad}")),
        11 => between("\u{202e}"),
        12 => between("\u{fe0f}"),
        13 => between("\u{0}"),
        _ => format!("{}\u{2066}", between("\u{2069}")),
    }
}

const KINDS: u8 = 15;

fn read(request: &str, trusted: &str, text: &str) -> ReadIndex {
    let mut index = empty();
    index.read_request(RUN, request);
    index.read_value(&source(&trust(&[""])), &json!(trusted));
    index.read_text(&source(&trust(&[])), text);
    index
}

fn address() -> impl Strategy<Value = String> {
    "[a-z]{6,12}\\.[a-z]{4,8}-[0-9]{3,5}@[a-z]{5,9}\\.(com|org)"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Strangers who disguise an address in their text do not keep it from being recognised.
    #[test]
    fn what_a_text_disguises_is_untrusted(address in address(), kind in 0..KINDS, around in "[a-z .]{0,40}") {
        let text = format!("{around} {} {around}", disguised(&address, kind));
        let index = read("pay the bill", "7", &text);
        prop_assert_eq!(origin(&index, &address), Some(Origin::Untrusted), "{}", text);
    }

    /// A call with a disguised form of what the user or a trusted field named has another value.
    #[test]
    fn what_a_call_disguises_is_not_the_users(address in address(), kind in 0..KINDS) {
        let disguise = disguised(&address, kind);
        prop_assume!(disguise.to_lowercase() != address);
        let index = read(&format!("write to {address} now"), &address, "some text");
        let found = origin(&index, &disguise).unwrap_or(Origin::Untrusted);
        prop_assert!(found >= Origin::Model, "{disguise}: {found}");
    }

    /// One disguise over another hides no more than each.
    #[test]
    fn disguises_of_disguises_are_untrusted(address in address(), first in 0..KINDS, second in 0..KINDS) {
        let text = disguised(&disguised(&address, first), second);
        let index = read("pay the bill", "7", &format!("please {text} now"));
        prop_assert_eq!(origin(&index, &address), Some(Origin::Untrusted), "{}", text);
    }

    /// A call with a disguise of a disguise of what the user or a trusted field named has another value.
    #[test]
    fn disguises_of_disguises_are_not_the_users(address in address(), first in 0..KINDS, second in 0..KINDS) {
        let disguise = disguised(&disguised(&address, first), second);
        prop_assume!(disguise.to_ascii_lowercase() != address);
        let index = read(&format!("write to {address} now"), &address, "some text");
        let found = origin(&index, &disguise).unwrap_or(Origin::Untrusted);
        prop_assert!(found >= Origin::Model, "{disguise}: {found}");
    }

    /// A value that differs from the user's, the operator's or a trusted one in any character is another one.
    #[test]
    fn a_near_value_is_another_one(address in address(), at in 0..14_usize, other in any::<char>()) {
        let mut near: Vec<char> = address.chars().collect();
        near[at] = other;
        let near: String = near.into_iter().collect();
        // White space and separators make several values of it, of which one would have to be the whole.
        prop_assume!(!near.eq_ignore_ascii_case(&address));
        let mut index = read(&format!("write to {address} now"), &address, "");
        index.read_operator(&address);
        let found = origin(&index, &near).unwrap_or(Origin::Untrusted);
        prop_assert!(found >= Origin::Model, "{near}: {found}");
    }

    /// An ending that the operator lists vouches for no other host and no other path.
    #[test]
    fn an_ending_vouches_for_names_only(host in "[a-z]{3,9}\\.(com|org)", between in "[/?#@:\\\\]") {
        let mut index = read("", "7", "");
        index.read_operator("*.corp.example");
        let inside = format!("https://{host}{between}x.corp.example");
        prop_assert!(origin(&index, &inside).unwrap() >= Origin::Model, "{inside}");
        prop_assert_eq!(origin(&index, "wiki.corp.example"), Some(Origin::Operator));
    }

    /// Bytes that are not text, as a reader shows them, make nothing safer, and nothing panics.
    #[test]
    fn binary_results_make_nothing_safer(
        bytes in proptest::collection::vec(any::<u8>(), 0..400), address in address(), fields in any::<bool>()
    ) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let text = if fields { format!("[{{\"a\": \"{text}\"}}]") } else { text };
        let index = read("pay the bill", "7", &text);
        prop_assert!(origin(&index, &address).unwrap() >= Origin::Model);
        let found = origin(&index, &text).unwrap_or(Origin::Untrusted);
        prop_assert!(found >= Origin::Model || text.contains('7'), "{text}: {found}");
    }

    /// A text that is made to look like the user's words gives a value no better origin.
    #[test]
    fn texts_never_make_a_value_safer(value in "[a-zA-Z0-9@.:/ ,'\"-]{1,40}", text in "[a-zA-Z0-9@.:/ ,'\"\n-]{0,80}") {
        let clean = read("pay it to ann@example.com", "bob@example.com", "");
        let with_text = read("pay it to ann@example.com", "bob@example.com", &format!("{value} {text}"));
        if let (Some(before), Some(after)) = (origin(&clean, &value), origin(&with_text, &value)) {
            prop_assert!(after >= before, "{value}: {before} became {after}");
        }
    }

    /// Every run of this many folded characters is found, wherever it stands.
    #[test]
    fn every_long_enough_part_is_found(
        before in "[a-z]{0,30}", shared in "[a-z2-9]{15,60}", after in "[a-z]{0,30}", own in "[a-z]{0,20}"
    ) {
        prop_assert!(shared.len() >= GUARANTEED);
        let index = read("", "7", &format!("{before}{shared}{after}"));
        prop_assert_eq!(origin(&index, &format!("{own}{shared}")), Some(Origin::Untrusted));
    }

    /// What neither the user nor a trusted field said is never safe.
    #[test]
    fn only_what_was_said_is_safe(request in "[a-z ]{0,60}", value in "[a-z]{4,9}@[a-z]{4,9}\\.com") {
        let index = read(&request, "7", "text");
        prop_assert!(origin(&index, &value).unwrap() >= Origin::Model);
    }

    #[test]
    fn nothing_panics(request in any::<String>(), text in any::<String>(), value in any::<String>()) {
        let index = read(&request, &text, &text);
        let _ = origin(&index, &value);
    }
}

#[test]
fn an_address_in_two_fields_is_untrusted() {
    let mut index = empty();
    let fields = json!({ "name": "clara.fock-2754", "host": "@olmail.com" });
    index.read_value(&source(&trust(&[])), &fields);
    assert_eq!(
        origin(&index, "clara.fock-27543@evil.com"),
        Some(Origin::Model)
    );
    assert!(origin(&index, "clara.fock-2754@olmail.com").unwrap() >= Origin::Model);
}
