//! Opening: owners, versions, keys, damage.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;

#[test]
fn a_second_owner_is_refused_and_told_who_the_first_is() {
    let place = Place::new();
    let ledger = place.open();
    match place.try_open() {
        Err(LedgerError::Owned { pid, .. }) => assert_eq!(pid, std::process::id()),
        other => panic!("{other:?}"),
    }
    // Reading needs no ownership.
    let reader = LedgerReader::open(&place.path()).unwrap();
    assert_eq!(reader.size().unwrap().records, 0);
    drop(ledger);
    place.open();
}
