//! A value never becomes more trusted on its way through a tool than it was as an argument, and no tool makes a
//! stranger's text trusted.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{RUN, empty, facts, origin, read, trust};
use crate::{
    ids::{RunId, SpanId},
    provenance::{
        ArgumentRoles, CallValues, FieldTrust, Origin, ReadIndex, ResultSource, Role, Trust,
    },
};

/// The trust in results of a tool that strangers cannot reach, or in a field of one that they can.
fn kinds() -> [FieldTrust; 3] {
    [
        FieldTrust::new(Trust::Trusted, Vec::new()),
        trust(&[""]),
        trust(&["/text", "/items"]),
    ]
}

/// Calls a tool and reads its result.
fn call(index: &mut ReadIndex, trust: &FieldTrust, arguments: &Value, result: &Value) {
    let values = index.begin_call(RUN, &ArgumentRoles::default(), arguments);
    read_result(index, trust, &values, result);
}

fn read_result(index: &mut ReadIndex, trust: &FieldTrust, values: &CallValues, result: &Value) {
    let source = ResultSource {
        call: SpanId::from_bytes([3; 8]),
        run: RUN,
        tool: "tool",
        trust,
        values,
        is_tainted: false,
    };
    index.read_value(&source, result);
}

/// A run that has read what strangers wrote.
fn exposed() -> ReadIndex {
    read(
        "Do what the note says",
        &["known@example.com"],
        "Greet them by name.",
    )
}

fn address() -> impl Strategy<Value = String> {
    "[a-z]{4,9}@[a-z]{4,9}\\.example"
}

proptest! {
    /// A tool repeats an argument, in any words.
    #[test]
    fn a_tool_that_repeats_a_value_does_not_vouch_for_it(
        address in address(), before in "[A-Za-z ,:\n]{0,30}", after in "[a-z !.\n]{0,20}", kind in 0..3_usize
    ) {
        let mut index = exposed();
        let answer = format!("{before} {address}{after}");
        let result = json!({ "text": answer, "items": [address.clone(), { "name": address }] });
        call(&mut index, &kinds()[kind], &json!({ "name": address }), &result);
        prop_assert!(origin(&index, &address).unwrap() >= Origin::Model, "{answer}");
        let greeting = format!("Hello, <{address}>");
        prop_assert!(origin(&index, &greeting).unwrap() >= Origin::Model);
    }

    /// A value is written by one call and read by another.
    #[test]
    fn a_value_that_a_call_wrote_is_not_trusted_when_it_is_read(
        address in address(), words in "[a-z ]{0,40}", kind in 0..3_usize
    ) {
        let mut index = exposed();
        let write = json!({ "note": format!("{words} {address} {words}") });
        call(&mut index, &kinds()[kind], &write, &json!("ok"));
        let result = json!({ "text": format!("1: {words} {address}"), "items": [{ "mail": address }] });
        call(&mut index, &kinds()[kind], &json!({}), &result);
        prop_assert!(origin(&index, &address).unwrap() >= Origin::Model);
    }

    /// The same while the first call still runs.
    #[test]
    fn a_call_that_runs_has_written_already(address in address(), kind in 0..3_usize) {
        let mut index = exposed();
        let first = index.begin_call(RUN, &ArgumentRoles::default(), &json!({ "mail": address }));
        call(&mut index, &kinds()[kind], &json!({}), &json!({ "items": [address] }));
        read_result(&mut index, &kinds()[kind], &first, &json!({ "text": address }));
        prop_assert!(origin(&index, &address).unwrap() >= Origin::Model);
    }

    /// A tool makes something else of a value that may be a stranger's in disguise.
    #[test]
    fn what_a_tool_makes_of_a_disguise_is_a_strangers(address in address()) {
        for trust in &kinds()[..2] {
            let mut index = exposed();
            let reversed: String = address.chars().rev().collect();
            let disguise = reversed.replace('@', " ta ").replace('.', " tod ");
            call(&mut index, trust, &json!({ "turn": disguise }), &json!({ "text": address }));
            prop_assert_eq!(origin(&index, &address), Some(Origin::Untrusted), "{}", disguise);
        }
    }

    /// What was read before a call, or is the system's own, stays as it was.
    #[test]
    fn a_call_takes_no_trust_away(address in address(), other in address(), kind in 0..3_usize) {
        prop_assume!(address != other);
        let mut index = read("Ask for 13", &[&address], "Greet them.");
        let arguments = json!({ "mail": address, "limit": 20, "since": "2024-05-01", "all": true });
        call(&mut index, &kinds()[kind], &arguments, &json!({ "items": [address, other] }));
        prop_assert_eq!(origin(&index, &address), Some(Origin::Trusted));
        prop_assert_eq!(origin(&index, &other), Some(Origin::Trusted));
    }
}

#[test]
fn a_short_value_of_the_call_itself_is_not_trusted() {
    for (id, value) in [(json!(13), "13"), (json!("13"), "13"), (json!("ab"), "ab")] {
        let mut index = exposed();
        call(
            &mut index,
            &trust(&["/id"]),
            &json!({ "id": id }),
            &json!({ "id": id, "owner": 77 }),
        );
        assert!(origin(&index, value).unwrap() >= Origin::Model, "{id}");
        // Another call that has it by itself vouches for it.
        call(
            &mut index,
            &trust(&["/*/id"]),
            &json!({}),
            &json!([{ "id": id }]),
        );
        assert_eq!(origin(&index, value), Some(Origin::Trusted), "{id}");
    }
}

/// Before a run has met strangers, no one but the user has told the model anything.
#[test]
fn a_run_without_strangers_trusts_what_it_looks_up() {
    let mut index = read("Write to Robert", &[], "");
    let all = FieldTrust::new(Trust::Trusted, Vec::new());
    call(
        &mut index,
        &all,
        &json!({ "name": "Bob" }),
        &json!([{ "name": "Bob", "mail": "bob@example.com" }]),
    );
    assert_eq!(origin(&index, "bob@example.com"), Some(Origin::Trusted));
    index.expose();
    call(
        &mut index,
        &all,
        &json!({ "name": "Cyril" }),
        &json!([{ "mail": "cy@example.com" }]),
    );
    assert_eq!(origin(&index, "cy@example.com"), Some(Origin::Untrusted));
}

/// A customer's address is not trusted for others because a tool repeated it.
#[test]
fn what_a_user_named_is_no_more_than_that_when_a_tool_repeats_it() {
    let mut index = read("My address is mallory@evil.example", &[], "A note.");
    let all = FieldTrust::new(Trust::Trusted, Vec::new());
    let call_of_mallory = json!({ "mail": "mallory@evil.example" });
    call(
        &mut index,
        &all,
        &call_of_mallory,
        &json!({ "mail": "mallory@evil.example", "customer": "c-1001" }),
    );
    assert_eq!(origin(&index, "mallory@evil.example"), Some(Origin::User));
    let other = RunId::from_bytes([9; 16]);
    let found = |value: &str| index.find(other, value).unwrap().origin;
    assert_eq!(found("mallory@evil.example"), Origin::Model);
    assert_eq!(found("c-1001"), Origin::Trusted);
}

#[test]
fn a_result_is_no_more_trusted_than_what_its_call_read() {
    for (fields, expected) in [
        (&[][..], Origin::Untrusted),
        (&[""], Origin::Untrusted),
        (&["/mail"], Origin::Trusted),
    ] {
        let mut given = Vec::new();
        for (pattern, trust) in trust(fields).iter() {
            given.push((pattern.clone(), trust));
        }
        let trust = FieldTrust::new(Trust::Trusted, given);
        let mut index = read("Answer", &[], "");
        let source = ResultSource {
            is_tainted: true,
            ..super::source(&trust)
        };
        index.read_value(&source, &json!({ "mail": "mallory@evil.example" }));
        assert_eq!(
            origin(&index, "mallory@evil.example"),
            Some(expected),
            "{fields:?}"
        );
    }
}

/// What cannot be looked up may be anything, and may name anything.
#[test]
fn what_is_not_read_is_untrusted_and_names_everything() {
    let roles = [("/to", Role::Recipient)];
    let of = |index: &ReadIndex, to: &str| facts(index, &json!({ "to": to }), &roles, &[]);
    let mut unread = read("Write to ann@example.com", &["bob@example.com"], "");
    assert!(!of(&unread, "bob@example.com").echoed);
    unread.mark_unread();
    let mut awaits = read("Write to ann@example.com", &["bob@example.com"], "");
    awaits.await_content(SpanId::from_bytes([5; 8]));
    let mut full = read("Write to ann@example.com", &["bob@example.com"], "");
    let mut noise = String::new();
    for n in 0..600_000_u64 {
        noise.push_str(&format!(
            "{:x} ",
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
        ));
    }
    full.read_text(&super::source(&trust(&[])), &noise);
    for index in [&unread, &awaits, &full] {
        assert!(of(index, "bob@example.com").known);
        assert!(of(index, "bob@example.com").echoed);
        assert!(!of(index, "ann@example.com").echoed);
        assert!(
            of(index, "eve@example.com")
                .sinks
                .contains(&Origin::Untrusted)
        );
    }
    awaits.end_content(SpanId::from_bytes([5; 8]));
    assert!(!of(&awaits, "bob@example.com").echoed);
    assert!(
        of(&awaits, "eve@example.com")
            .sinks
            .contains(&Origin::Model)
    );
}

#[test]
fn arguments_are_bounded() {
    let mut index = empty();
    index.expose();
    let mut state = 7_u64;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{state:x} ")
    };
    for _ in 0..40 {
        let body: String = (0..8_000).map(|_| word()).collect();
        index.begin_call(RUN, &ArgumentRoles::default(), &json!({ "body": body }));
    }
    assert!(index.bytes() <= 8 << 20, "{}", index.bytes());
    // What no longer fits may repeat anything.
    call(
        &mut index,
        &trust(&["/*"]),
        &json!({}),
        &json!(["new@example.com"]),
    );
    assert!(origin(&index, "new@example.com").unwrap() >= Origin::Model);
}
