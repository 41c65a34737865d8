//! Backups, and what a restore must not lose.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::*;

fn add(ledger: &Ledger, script: &Script, n: usize) {
    block_on(async {
        for _ in 0..n {
            ledger
                .commit(batch(vec![script.run(None, &[]).1]))
                .await
                .unwrap();
        }
    });
}

fn back_up(ledger: &Ledger, to: &Path) -> Result<Size, LedgerError> {
    block_on(ledger.backup(to.to_owned(), |done, total| assert!(done <= total)))
}

fn restore(place: &Place, from: &Path, accept_loss: bool) -> Result<RestoreReport, LedgerError> {
    let restore = Restore {
        from: from.to_owned(),
        accept_loss,
        by: "alice".into(),
        tenant: TENANT.into(),
    };
    block_on(Ledger::restore(place.options(), restore, T0))
}

#[test]
fn a_backup_is_whole_while_the_ledger_goes_on() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    add(&ledger, &script, 50);
    let to = place.dir.path().join("copy.db");
    let size = block_on(async {
        let writing = ledger.clone();
        let go_on = tokio::spawn(async move {
            for _ in 0..200 {
                writing
                    .commit(batch(vec![script.run(None, &[]).1]))
                    .await
                    .unwrap();
            }
        });
        let size = ledger.backup(to.clone(), |_, _| {}).await.unwrap();
        go_on.await.unwrap();
        size
    });
    assert!((50..=250).contains(&size.records));
    assert_eq!(
        fs::metadata(&to).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let reader = LedgerReader::open(&to).unwrap();
    assert_eq!(reader.verify(None, |_| {}).unwrap().size, size.records);
    assert_eq!(
        reader.runs(&RunFilter::default()).unwrap().len() as u64,
        size.records
    );
    drop(reader);
    back_up(&ledger, &to).unwrap();
    assert_eq!(
        LedgerReader::open(&to).unwrap().size().unwrap().records,
        250,
        "an old backup is replaced"
    );
    let names: Vec<_> = fs::read_dir(place.dir.path())
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    assert!(
        !names
            .iter()
            .any(|n| n.to_string_lossy().contains("partial")),
        "{names:?}"
    );
}

#[test]
fn a_backup_replaces_nothing_else() {
    let place = Place::new();
    let ledger = place.open();
    let file = place.dir.path().join("letter.txt");
    fs::write(&file, "Dear Bob, this is a letter.").unwrap();
    assert!(matches!(
        back_up(&ledger, &file),
        Err(LedgerError::Store { .. })
    ));
    assert!(matches!(
        back_up(&ledger, &place.path()),
        Err(LedgerError::Store { .. })
    ));
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "Dear Bob, this is a letter."
    );
    assert!(back_up(&ledger, &place.dir.path().join("no/such/directory")).is_err());
}

#[test]
fn a_restore_that_loses_nothing_is_let_through() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    add(&ledger, &script, 5);
    let sealed = ledger.seal(TENANT, T0, b"secret", "facts").unwrap();
    let to = place.dir.path().join("copy.db");
    back_up(&ledger, &to).unwrap();
    let error = restore(&place, &to, false).unwrap_err();
    assert!(
        matches!(error, LedgerError::Owned { .. }),
        "not under a gate that runs: {error}"
    );
    drop(ledger);
    // The store is lost, but key and anchor are not.
    fs::remove_dir_all(place.path().parent().unwrap()).unwrap();
    let restored = restore(&place, &to, false).unwrap();
    assert_eq!(
        restored,
        RestoreReport {
            before: 5,
            records: 5,
            replaced: None
        }
    );
    let ledger = place.open();
    assert_eq!(ledger.size(), 6);
    let Some(Record {
        event: Event::Administered(act),
        ..
    }) = ledger.reader().record(5).unwrap()
    else {
        panic!("an act")
    };
    assert_eq!(
        (act.action.as_str(), act.by.as_str()),
        ("store_restored", "alice")
    );
    assert_eq!(*ledger.keys().open(&sealed, "facts").unwrap(), b"secret");
    ledger.reader().verify(None, |_| {}).unwrap();
}

/// It is unknown whether the approval was used in the lost records.
#[test]
fn a_restore_that_loses_records_voids_open_approvals() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let call = script.span();
    let (id, asked) = script.ask(run, call, "a");
    let decided = script.decide(run, call, Outcome::Escalate, "a");
    block_on(ledger.commit(batch(vec![started, decided, asked]))).unwrap();
    let to = place.dir.path().join("copy.db");
    back_up(&ledger, &to).unwrap();
    let state = |ledger: &Ledger| ledger.reader().approval(id).unwrap().unwrap().state;
    assert_eq!(state(&ledger), ApprovalState::Pending);
    add(&ledger, &script, 1);
    drop(ledger);
    restore(&place, &to, true).unwrap();
    assert_eq!(state(&place.open()), ApprovalState::Cancelled);
}

#[test]
fn a_restore_that_loses_records_must_be_meant() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    add(&ledger, &script, 5);
    let to = place.dir.path().join("copy.db");
    back_up(&ledger, &to).unwrap();
    add(&ledger, &script, 3);
    drop(ledger);
    // Replacing the store by a copy does not help: the anchor detects it.
    let aside = fs::read(place.path()).unwrap();
    fs::copy(&to, place.path()).unwrap();
    assert!(matches!(
        place.try_open(),
        Err(LedgerError::Rollback { .. })
    ));
    fs::write(place.path(), aside).unwrap();

    match restore(&place, &to, false) {
        Err(LedgerError::Loss {
            backup: 5,
            current: 8,
            forked: false,
        }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(place.open().size(), 8, "nothing was touched");
    let restored = restore(&place, &to, true).unwrap();
    assert_eq!((restored.before, restored.records), (8, 5));
    let kept = LedgerReader::open(&restored.replaced.unwrap()).unwrap();
    assert_eq!(
        kept.verify(None, |_| {}).unwrap().size,
        8,
        "what was replaced is kept aside"
    );
    let ledger = place.open();
    assert_eq!(ledger.size(), 6);
    add(&ledger, &script, 4);
    drop(ledger);
    // Longer than the backup's anchor, but with a different history from the other copy's.
    match restore(&place, &to, false) {
        Err(LedgerError::Loss {
            backup: 5,
            current: 10,
            forked: false,
        }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_history_is_a_loss_even_if_it_is_longer() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    add(&ledger, &script, 2);
    let (early, late) = (
        place.dir.path().join("early.db"),
        place.dir.path().join("late.db"),
    );
    back_up(&ledger, &early).unwrap();
    add(&ledger, &script, 5);
    back_up(&ledger, &late).unwrap();
    drop(ledger);
    restore(&place, &early, true).unwrap();
    let error = restore(&place, &late, false).unwrap_err();
    assert!(
        matches!(
            error,
            LedgerError::Loss {
                backup: 7,
                current: 3,
                forked: true
            }
        ),
        "{error}"
    );
}

#[test]
fn what_is_no_backup_is_not_restored() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    add(&ledger, &script, 5);
    let to = place.dir.path().join("copy.db");
    back_up(&ledger, &to).unwrap();
    drop(ledger);
    let text = place.dir.path().join("letter.txt");
    fs::write(&text, "Dear Bob").unwrap();
    assert!(restore(&place, &text, true).is_err());
    assert!(restore(&place, &place.dir.path().join("absent"), true).is_err());
    let elsewhere = Place::new();
    elsewhere.open();
    assert!(
        matches!(restore(&elsewhere, &to, true), Err(LedgerError::Key { .. })),
        "another key"
    );
    let conn = rusqlite::Connection::open(&to).unwrap();
    conn.execute_batch("UPDATE records SET hash = zeroblob(32) WHERE idx = 2")
        .unwrap();
    drop(conn);
    assert!(matches!(
        restore(&place, &to, true),
        Err(LedgerError::Altered { index: 2, .. })
    ));
    assert_eq!(place.open().size(), 5);
}
