//! Records, and what outsiders check them with.

use tollgate_ledger::checkpoint::{Checkpoint, LogProof, NoteSigner, NoteVerifier};
use tollgate_model::{
    canonical::Sha256Digest,
    ids::{RunId, SpanId},
    merkle::proof::verify_inclusion,
    record::{Event, Record, Start, leaf_hash},
    time::Timestamp,
};

use super::{PACKAGE, is_readable, texts};
use crate::Target;

pub(super) const RECORD: Target = Target {
    name: "record",
    package: PACKAGE,
    corpus: || {
        let mut corpus = vec![leaf()];
        corpus.extend(texts(&[
            r#"{"type":"halt_set","v":1,"tenant":"default","time":1795249800250000}"#,
            "{\"type\":\"a\u{7f}\u{9b}\u{200b}b\",\"v\":2,\"tenant\":\"default\",\"time\":1}",
            r#"{"type":"outcome","v":3,"tenant":"default","time":1}"#,
            r#"{"v":2,"tenant":"a","time":-1,"run":"00000000000000000000000000000000","type":"start"}"#,
        ]));
        corpus
    },
    variants: 3_000,
    check: record,
};

/// The leaf of a record.
fn leaf() -> Vec<u8> {
    let start = Start {
        approval: None,
        attempt: 1,
        call: SpanId::from_bytes([2; 8]),
        component: "tickets".into(),
        digest: Sha256Digest::of(b"wasm"),
        executed_by_caller: false,
        labels: Default::default(),
        resumption: false,
        span: SpanId::from_bytes([3; 8]),
        unsandboxed: true,
    };
    let run = Some(RunId::from_bytes([1; 16]));
    let record = Record::new(
        "acme",
        run,
        Timestamp(1_795_249_800_250_000),
        Event::Start(start),
    );
    record.leaf().unwrap()
}

/// A written record reads back equal, and its leaf has one form.
fn record(input: &[u8]) {
    let record = match Record::from_leaf(input) {
        Ok(record) => record,
        // Names of all events are listed where one is not known.
        Err(error) => return is_readable(&error.to_string(), 8_000),
    };
    let leaf = record.leaf().expect("a record can be written");
    let again = Record::from_leaf(&leaf).expect("what was written is read");
    assert_eq!(again, record);
    assert_eq!(again.leaf().unwrap(), leaf);
}

pub(super) const PROOF: Target = Target {
    name: "proof",
    package: PACKAGE,
    corpus: || {
        let signer = signer();
        let proof = proof();
        let mut corpus = texts(&[
            "gate.example+00000000+AQ==",
            "PRIVATE+KEY+gate+0+AQ==",
            "c2sp.org/tlog-proof@v1\nextra AA==\nindex 00\n\n",
            "a\n\n\u{2014} x AAAA\n",
        ]);
        corpus.push(proof.to_string().into_bytes());
        corpus.push(proof.checkpoint.into_bytes());
        corpus.push(signer.verifier().to_string().into_bytes());
        corpus.push(signer.to_secret().as_bytes().to_vec());
        corpus
    },
    variants: 400,
    check: proven,
};

fn signer() -> NoteSigner {
    NoteSigner::new("gate.example/desk", &[7; 32]).unwrap()
}

/// The proof of the second of two records.
fn proof() -> LogProof {
    let leaf = leaf();
    let other = leaf_hash(b"other");
    let mut root = sha2::Sha256::default();
    sha2::Digest::update(&mut root, [1]);
    sha2::Digest::update(&mut root, other);
    sha2::Digest::update(&mut root, leaf_hash(&leaf));
    let root: [u8; 32] = sha2::Digest::finalize(root).into();
    let checkpoint = Checkpoint::sign(2, &root, &signer());
    verify_inclusion(&leaf_hash(&leaf), 1, 2, &[other], &root).unwrap();
    LogProof {
        index: 1,
        leaf,
        hashes: vec![other],
        checkpoint,
    }
}

/// Nothing is believed that the key has not signed; keys and proofs read back unchanged.
fn proven(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (verifier, signed) = (signer().verifier(), proof());
    match verifier.open(&text) {
        Ok(believed) => assert_eq!(
            Some(believed),
            signed
                .checkpoint
                .split_inclusive("\n\n")
                .next()
                .map(|t| &t[..t.len() - 1])
        ),
        Err(error) => is_readable(&error.to_string(), 400),
    }
    match LogProof::parse(&text) {
        Ok(read) => {
            assert_eq!(LogProof::parse(&read.to_string()).as_ref(), Ok(&read));
            if read.verify(&verifier).is_ok() {
                assert_eq!(
                    (read.index, &read.leaf),
                    (signed.index, &signed.leaf),
                    "it is another record"
                );
            }
        }
        Err(error) => is_readable(&error.to_string(), 400),
    }
    match NoteVerifier::parse(&text) {
        Ok(key) => assert_eq!(NoteVerifier::parse(&key.to_string()).as_ref(), Ok(&key)),
        Err(error) => is_readable(&error.to_string(), 400),
    }
    match NoteSigner::parse(&text) {
        Ok(key) => {
            let again = NoteSigner::parse(&key.to_secret()).expect("a key reads back");
            assert_eq!(again.verifier(), key.verifier());
        }
        Err(error) => {
            is_readable(&error.to_string(), 400);
            assert!(!error.to_string().contains("PRIVATE+KEY"), "{error}");
        }
    }
}
