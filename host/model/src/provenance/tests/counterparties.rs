//! Who wrote, paid or invited: the system vouches for the address, and the stranger chose to stand there.

use serde_json::json;

use super::{empty, facts, origin, source};
use crate::provenance::{FieldTrust, Origin, PointerPattern, ReadIndex, Role, Trust};

fn read(from: &str) -> ReadIndex {
    let pattern = |text: &str| PointerPattern::parse(text).unwrap();
    let trust = FieldTrust::new(
        Trust::Untrusted,
        vec![
            (pattern("/*/from"), Trust::Counterparty),
            (pattern("/*/id"), Trust::Trusted),
        ],
    );
    let mut index = empty();
    index.read_value(
        &source(&trust),
        &json!([{ "id": "7001", "from": from, "body": "The figures look good." }]),
    );
    index
}

#[test]
fn an_answer_goes_to_who_wrote_and_the_stranger_is_seen() {
    let roles = [("/to", Role::Recipient)];
    for from in [
        "mallory@evil.example",
        "Mallory <mallory@evil.example>",
        "<mallory@evil.example>",
    ] {
        let index = read(from);
        for to in [
            "mallory@evil.example",
            "Mallory@Evil.example",
            "mallory@evil.example, 7001",
        ] {
            let found = facts(&index, &json!({ "to": to }), &roles, &[]);
            assert_eq!(
                found.sinks.iter().copied().collect::<Vec<_>>(),
                [Origin::Trusted],
                "{to}"
            );
            assert!(found.echoed, "{to}");
        }
        let id = facts(&index, &json!({ "to": "7001" }), &roles, &[]);
        assert!(!id.echoed && id.sinks.contains(&Origin::Trusted));
    }
}

#[test]
fn a_name_beside_the_address_is_a_strangers_text() {
    for (from, value) in [
        (
            "DE89370400440532013000 <mallory@evil.example>",
            "DE89370400440532013000",
        ),
        (
            "\"boss@corp.example\" <mallory@evil.example>",
            "boss@corp.example",
        ),
        (
            "boss@corp.example mallory@evil.example",
            "boss@corp.example",
        ),
        ("Harbour Inn", "Harbour Inn"),
        ("a <b <c@evil.example> d@evil.example", "d@evil.example"),
    ] {
        assert_eq!(
            origin(&read(from), value),
            Some(Origin::Untrusted),
            "{from}"
        );
    }
}
