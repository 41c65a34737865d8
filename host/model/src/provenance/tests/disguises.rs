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
    char::from_u32(u32::from(c) + 0xe0000).unwrap()
}

/// A disguise of a text in ASCII.
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
        _ => format!("<b>{}</b>", between("\u{ad}")),
    }
}

const KINDS: u8 = 11;

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
    let fields = json!({ "name": "mark.black-2134", "host": "@gmail.com" });
    index.read_value(&source(&trust(&[])), &fields);
    assert_eq!(
        origin(&index, "mark.black-21342@evil.com"),
        Some(Origin::Model)
    );
    assert!(origin(&index, "mark.black-2134@gmail.com").unwrap() >= Origin::Model);
}
