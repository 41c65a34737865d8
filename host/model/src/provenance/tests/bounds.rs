//! Size and time are bounded, and what is too much is untrusted.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{RUN, empty, facts, origin, read, source, trust};
use crate::{
    ids::RunId,
    provenance::{ArgumentRoles, Origin, Role},
};

const MIB: usize = 1 << 20;
/// The most bytes of an index.
const MAX_INDEX: usize = 32 * MIB;

/// Numbers that look random, the same in every run.
fn noise(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[test]
fn a_text_that_is_too_large_leaves_nothing_to_the_model() {
    let mut index = read("write to ann@example.com", &["bob@example.com"], "");
    let mut next = noise(7);
    let mut text = String::with_capacity(4 * MIB);
    while text.len() < 4 * MIB {
        text.push_str(&format!("{:x} ", next() & 0xff_ffff));
    }
    index.read_text(&source(&trust(&[])), &text);
    assert!(index.bytes() <= MAX_INDEX, "{}", index.bytes());
    assert_eq!(origin(&index, "eve@evil.com"), Some(Origin::Untrusted));
    // What is safe stays so, and trusted fields are still read.
    index.read_value(&source(&trust(&[""])), &json!("cy@example.com"));
    assert_eq!(origin(&index, "ann@example.com"), Some(Origin::User));
    assert_eq!(origin(&index, "bob@example.com"), Some(Origin::Trusted));
    assert_eq!(origin(&index, "cy@example.com"), Some(Origin::Trusted));
}

#[test]
fn many_trusted_values_are_bounded() {
    let mut index = empty();
    let many: Vec<u64> = (0..400_000).map(|n| n * 7919).collect();
    index.read_value(&source(&trust(&[""])), &json!(many));
    assert!(index.bytes() <= MAX_INDEX, "{}", index.bytes());
    let names: serde_json::Map<String, Value> = (0..100_000)
        .map(|n| (format!("field{n}"), json!(n)))
        .collect();
    index.read_value(&source(&trust(&[])), &Value::Object(names));
    assert!(index.bytes() <= MAX_INDEX, "{}", index.bytes());
}

#[test]
fn long_requests_are_bounded() {
    let mut index = empty();
    let mut next = noise(9);
    let long: String = (0..6_000).map(|_| format!("{:x} ", next())).collect();
    for run in 0..12_u8 {
        index.read_request(RunId::from_bytes([run; 16]), &long);
    }
    index.read_request(RUN, &long);
    assert!(index.bytes() <= MAX_INDEX);
}

#[test]
fn repetition_takes_no_space() {
    let mut index = empty();
    index.read_text(&source(&trust(&[])), &"ab ".repeat(4 * MIB));
    assert!(index.bytes() <= MIB, "{}", index.bytes());
    assert_eq!(origin(&index, "ann@example.com"), Some(Origin::Model));
}

#[test]
fn a_call_with_too_many_values_has_those_of_strangers() {
    let index = read("write", &[], "");
    let many: Vec<String> = (0..5_000).map(|n| format!("a{n}@example.com")).collect();
    let found = facts(
        &index,
        &json!({ "account": "x", "tags": many, "to": "ann@example.com" }),
        &[("/to", Role::Recipient), ("/account", Role::Account)],
        &[],
    );
    let of = |role: Role| {
        let values = found
            .values
            .values()
            .filter(|value| value.role == Some(role));
        values.map(|value| value.origin).collect::<Vec<_>>()
    };
    assert_eq!(of(Role::Recipient), [Origin::Untrusted]);
    assert_eq!(of(Role::Account), [Origin::Model]);
    assert!(found.known && found.echoed && found.sinks.contains(&Origin::Untrusted));
    assert!(found.links.contains(&Origin::Untrusted));
    assert!(found.values.len() <= 1024 + Role::ALL.len());

    let long = json!({ "to": "ann@example.com ".repeat(5_000) });
    let found = facts(&index, &long, &[("/to", Role::Recipient)], &[]);
    assert_eq!(
        found.sinks.into_iter().collect::<Vec<_>>(),
        [Origin::Untrusted]
    );

    let mut deep = json!("ann@example.com");
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let found = facts(&index, &json!({ "to": deep }), &[], &[]);
    assert!(found.known && found.sinks.contains(&Origin::Untrusted));
}

/// A value of as many parts as bytes takes no stack, and no more time than another one of its size.
#[test]
fn a_value_of_many_parts_is_read_in_one_pass() {
    const SIZE: usize = 60 * 1024;
    let mut index = read(
        "write to ann@example.com a,b",
        &["bob@example.com"],
        "some text",
    );
    for part in [
        "a,",
        "a;",
        "a|",
        "a=",
        "a:",
        "=",
        "'\"",
        "(",
        "1:",
        "1.",
        "1,",
        "2024-05-01t",
        "#",
        "t",
    ] {
        let value = part.repeat(SIZE / part.len());
        let found = origin(&index, &value).unwrap_or(Origin::Model);
        assert!(found >= Origin::Model, "{part}");
        index.begin_call(RUN, &ArgumentRoles::default(), &json!({ "note": value }));
        index.read_value(&source(&trust(&[""])), &json!({ "note": value }));
        index.read_request(RUN, &value);
    }
}

/// A request that repeats a word many times is compared with a value that does so, too.
#[test]
fn a_repeated_word_is_compared_in_one_pass() {
    let many = "a ".repeat(15_000);
    let index = read(&format!("{many} b c"), &[], "");
    assert_eq!(origin(&index, &format!("{many} c")), Some(Origin::Model));
    let few = read(&format!("{} b c", "a ".repeat(900)), &[], "");
    assert_eq!(
        origin(&few, &format!("{} b c", "a ".repeat(9))),
        Some(Origin::User)
    );
}

#[test]
fn a_quiet_run_takes_little() {
    let index = read(
        "Please answer the mail of ann@example.com about the invoice of last month.",
        &["ann@example.com", "7", "2024-05-01"],
        &"A mail of the usual length, with some sentences. ".repeat(20),
    );
    assert!(index.bytes() <= 64 * 1024, "{}", index.bytes());
}

proptest! {
    /// An index in which nothing is named answers without a look; it must answer like one with a look.
    #[test]
    fn a_blank_index_answers_like_one_that_has_another_runs_request(value in ".{0,40}|[a-z0-9@./:-]{0,40}") {
        let mut other = empty();
        other.read_request(RunId::from_bytes([9; 16]), "qqqqqqqqqqqq");
        prop_assert_eq!(empty().find(RUN, &value), other.find(RUN, &value));
    }
}
