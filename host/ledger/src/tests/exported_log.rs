//! Exported logs: whole, continued, changed, and of another history.

use std::{collections::BTreeMap, fs, path::Path};

use sha2::{Digest as _, Sha256};

use super::*;
use crate::checkpoint::{Checkpoint, ExportedLog, ExportedLogError, NoteSigner};

fn signer() -> NoteSigner {
    NoteSigner::new("gate.example/ledger", &[1; 32]).unwrap()
}

/// Adds records until the ledger has so many.
fn grow(ledger: &Ledger, script: &Script, size: u64) {
    block_on(async {
        while ledger.size() < size {
            let missing = usize::try_from((size - ledger.size()).min(64)).unwrap();
            let records = (0..missing).map(|_| script.run(None, &[]).1).collect();
            ledger.commit(batch(records)).await.unwrap();
        }
    });
}

fn quick(place: &Place) -> Ledger {
    let options = LedgerOptions {
        sync: Sync::Off,
        ..place.options()
    };
    Ledger::open(options, T0).unwrap()
}

fn verify(dir: &Path) -> Result<(Checkpoint, u64), ExportedLogError> {
    let mut records = 0;
    let checkpoint = ExportedLog::new(dir).verify(&signer().verifier(), |index, _| {
        assert_eq!(index, records);
        records += 1;
    })?;
    Ok((checkpoint, records))
}

/// Every file of a folder, by its path in it.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(dir).unwrap().display().to_string();
                    found.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    found
}

/// The root over the entries in the bundles, by the definition of RFC 6962, and from nothing else.
fn root_of_bundles(files: &BTreeMap<String, Vec<u8>>, size: usize) -> [u8; 32] {
    fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            leaves => {
                let middle = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(middle);
                Sha256::digest([&[1][..], &root(left), &root(right)].concat()).into()
            }
        }
    }
    let bundle = |n: usize| match size - n * 256 {
        256.. => format!("tile/entries/{n:03}"),
        width => format!("tile/entries/{n:03}.p/{width}"),
    };
    let mut leaves = Vec::new();
    for n in 0..size.div_ceil(256) {
        let mut rest = files[&bundle(n)].as_slice();
        while let [a, b, after @ ..] = rest {
            let (entry, after) = after.split_at(usize::from(u16::from_be_bytes([*a, *b])));
            leaves.push(Sha256::digest([&[0][..], entry].concat()).into());
            rest = after;
        }
    }
    assert_eq!(leaves.len(), size);
    root(&leaves)
}

#[test]
fn an_export_is_continued_and_verifies_at_every_size() {
    let (place, out) = (Place::new(), tempfile::tempdir().unwrap());
    let (ledger, script) = (quick(&place), Script::new());
    for size in [0, 1, 255, 256, 257, 512, 700] {
        grow(&ledger, &script, size);
        let written = ledger
            .reader()
            .export(out.path(), &signer(), |_| {})
            .unwrap();
        assert_eq!(written.size, size);
        assert_eq!(verify(out.path()).unwrap(), (written.clone(), size));
        let found = files(out.path());
        let root = root_of_bundles(&found, usize::try_from(size).unwrap());
        assert_eq!(root, written.root, "{size}");
        // Once more changes nothing but nothing.
        ledger
            .reader()
            .export(out.path(), &signer(), |_| {})
            .unwrap();
        assert_eq!(files(out.path()), found);
    }
}

#[test]
fn every_changed_or_missing_file_is_found() {
    let (place, out) = (Place::new(), tempfile::tempdir().unwrap());
    let (ledger, script) = (quick(&place), Script::new());
    grow(&ledger, &script, 300);
    ledger
        .reader()
        .export(out.path(), &signer(), |_| {})
        .unwrap();
    let all = files(out.path());
    assert_eq!(all.len(), 6, "{:?}", all.keys());
    for (name, bytes) in &all {
        let path = out.path().join(name);
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(verify(out.path()).is_err(), "{name} at {at}");
        }
        fs::write(&path, [bytes.as_slice(), b"x"].concat()).unwrap();
        assert!(verify(out.path()).is_err(), "{name} is longer");
        fs::remove_file(&path).unwrap();
        assert!(verify(out.path()).is_err(), "{name} is missing");
        fs::write(&path, bytes).unwrap();
    }
    assert!(verify(out.path()).is_ok());
    // An entry and its hash together lead to another root.
    let mut entry = all["tile/entries/000"].clone();
    entry[3] ^= 1;
    let length = usize::from(u16::from_be_bytes([entry[0], entry[1]]));
    let mut hashes = all["tile/0/000"].clone();
    let hash = Sha256::digest([&[0][..], &entry[2..2 + length]].concat());
    hashes[..32].copy_from_slice(&hash);
    fs::write(out.path().join("tile/entries/000"), entry).unwrap();
    fs::write(out.path().join("tile/0/000"), hashes).unwrap();
    assert!(verify(out.path()).is_err());
}

#[test]
fn a_ledger_that_was_set_back_or_forked_does_not_continue_an_export() {
    let (place, out) = (Place::new(), tempfile::tempdir().unwrap());
    let (ledger, script) = (quick(&place), Script::new());
    grow(&ledger, &script, 5);
    ledger
        .reader()
        .export(out.path(), &signer(), |_| {})
        .unwrap();
    let kept = files(out.path());
    let (other_place, other_script) = (Place::new(), Script::new());
    let other = quick(&other_place);
    let begun = other_script.run(Some("other"), &[]).1;
    block_on(other.commit(batch(vec![begun]))).unwrap();
    for (size, problem) in [
        (3, "set back"),
        (5, "another history"),
        (9, "another history"),
        (300, "another history"),
    ] {
        grow(&other, &other_script, size);
        let error = other
            .reader()
            .export(out.path(), &signer(), |_| {})
            .unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
        assert_eq!(files(out.path()), kept, "nothing was written");
    }
    grow(&ledger, &script, 600);
    ledger
        .reader()
        .export(out.path(), &signer(), |_| {})
        .unwrap();
    let kept = files(out.path());
    grow(&other, &other_script, 700);
    let error = other
        .reader()
        .export(out.path(), &signer(), |_| {})
        .unwrap_err();
    assert!(error.to_string().contains("another history"), "{error}");
    assert_eq!(files(out.path()), kept, "nothing was written over");
    let stranger = NoteSigner::new("gate.example/other", &[2; 32]).unwrap();
    let error = ledger
        .reader()
        .export(out.path(), &stranger, |_| {})
        .unwrap_err();
    assert!(error.to_string().contains("another folder"), "{error}");
}
