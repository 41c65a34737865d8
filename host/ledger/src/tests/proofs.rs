//! Checkpoints and proofs, as outsiders check them.

use proptest::prelude::*;
use tollgate_model::merkle::proof::verify_consistency;

use super::*;
use crate::checkpoint::{Checkpoint, LogProof, LogProofError, NoteSigner};

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new("gate.example/ledger", &[seed; 32]).unwrap()
}

/// A store of this many records.
fn of_size(place: &Place, records: u64) -> Ledger {
    let (ledger, script) = (place.open(), Script::new());
    block_on(async {
        for _ in 0..records {
            ledger
                .commit(batch(vec![script.run(None, &[]).1]))
                .await
                .unwrap();
        }
    });
    ledger
}

#[test]
fn every_record_has_a_proof_that_verifies() {
    let place = Place::new();
    let ledger = of_size(&place, 11);
    let signer = signer(1);
    for index in 0..11 {
        let text = ledger.reader().prove(index, &signer).unwrap().to_string();
        let proof = LogProof::parse(&text).unwrap();
        assert_eq!(proof.to_string(), text);
        let checkpoint = proof.verify(&signer.verifier()).unwrap();
        assert_eq!(
            (checkpoint.size, checkpoint.origin.as_str()),
            (11, "gate.example/ledger")
        );
        assert_eq!(
            Some(Record::from_leaf(&proof.leaf).unwrap()),
            ledger.reader().record(index).unwrap()
        );
    }
    assert!(matches!(
        ledger.reader().prove(11, &signer),
        Err(LedgerError::NotFound { .. })
    ));
}

#[test]
fn a_proof_of_another_record_place_or_key_is_refused() {
    let place = Place::new();
    let ledger = of_size(&place, 7);
    let good = ledger.reader().prove(3, &signer(1)).unwrap();
    let verifier = signer(1).verifier();
    let wrong = [
        LogProof {
            leaf: b"{}".to_vec(),
            ..good.clone()
        },
        LogProof {
            index: 4,
            ..good.clone()
        },
        LogProof {
            hashes: good.hashes[1..].to_vec(),
            ..good.clone()
        },
        LogProof {
            checkpoint: good.checkpoint.replace("\n7\n", "\n8\n"),
            ..good.clone()
        },
    ];
    for proof in wrong {
        assert!(proof.verify(&verifier).is_err(), "{proof:?}");
    }
    assert!(matches!(
        good.verify(&signer(2).verifier()),
        Err(LogProofError::Checkpoint(_))
    ));
    for text in [
        "",
        "c2sp.org/tlog-proof@v1\n\n",
        "c2sp.org/tlog-proof@v1\nextra AA==\nindex 01\n\nx",
    ] {
        assert!(
            matches!(LogProof::parse(text), Err(LogProofError::Malformed(_))),
            "{text:?}"
        );
    }
}

#[test]
fn a_later_checkpoint_continues_an_earlier_one() {
    let place = Place::new();
    let ledger = of_size(&place, 5);
    let signer = signer(1);
    let open = |ledger: &Ledger| {
        Checkpoint::open(
            &ledger.reader().checkpoint(&signer).unwrap(),
            &signer.verifier(),
        )
        .unwrap()
    };
    let old = open(&ledger);
    let script = Script::new();
    script.next.store(1_000, Ordering::Relaxed);
    block_on(async {
        for _ in 0..8 {
            ledger
                .commit(batch(vec![script.run(None, &[]).1]))
                .await
                .unwrap();
        }
    });
    let new = open(&ledger);
    let proof = ledger
        .reader()
        .prove_consistency(old.size, new.size)
        .unwrap();
    assert_eq!(
        verify_consistency((old.size, &old.root), (new.size, &new.root), &proof),
        Ok(())
    );
    let verified = ledger.reader().verify(None, |_| {}).unwrap();
    assert_eq!((verified.size, verified.tree.root()), (new.size, new.root));
}

proptest! {
    #[test]
    fn no_text_panics_as_a_proof(text in "(c2sp.org/tlog-proof@v1|extra |index |\n|[0-9]{1,3}|AA==|\u{2014} a b){0,20}") {
        prop_assert!(LogProof::parse(&text).and_then(|proof| proof.verify(&signer(1).verifier())).is_err());
    }
}
