use super::*;
use crate::{
    canonical::Sha256Digest,
    ids::{SpanId, hex},
};

#[test]
fn a_record_reads_back_as_written() {
    let record = Record::new(
        "acme",
        Some(RunId::from_bytes([1; 16])),
        Timestamp(1_795_249_800_250_000),
        Event::Start(Start {
            approval: None,
            attempt: 1,
            call: SpanId::from_bytes([2; 8]),
            component: "tickets".into(),
            digest: Sha256Digest::of(b"wasm"),
            executed_by_caller: false,
            labels: Default::default(),
            resumption: false,
            span: SpanId::from_bytes([3; 8]),
            unsandboxed: false,
        }),
    );
    let leaf = record.leaf().unwrap();
    assert_eq!(Record::from_leaf(&leaf).unwrap(), record);
    insta::assert_snapshot!(String::from_utf8(leaf).unwrap());
}

#[test]
fn parts_of_a_digest_do_not_run_together() {
    let digest = |parts: &[&[u8]]| KeyedDigest::of(&[7; 32], 1, parts);
    assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    assert_ne!(digest(&[b"a"]), KeyedDigest::of(&[8; 32], 1, &[b"a"]));
}

/// RFC 6962's leaf hash of the empty string, as in certificate transparency logs.
#[test]
fn leaf_hashes_are_rfc_6962() {
    assert_eq!(
        hex(&leaf_hash(b"")),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
}
