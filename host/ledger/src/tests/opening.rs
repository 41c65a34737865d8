//! Opening: owners, versions, keys, damage, rollback.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{anchor::Anchor, *};

/// A store with three runs, closed.
fn filled(place: &Place) {
    let (ledger, script) = (place.open(), Script::new());
    block_on(async {
        for _ in 0..3 {
            let (run, started) = script.run(None, &[]);
            let call = script.span();
            let records = vec![started, script.decide(run, call, Outcome::Deny, "a")];
            ledger.commit(batch(records)).await.unwrap();
        }
        ledger.close().await;
    });
}

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

#[test]
fn others_cannot_read_what_a_ledger_writes() {
    let place = Place::new();
    filled(&place);
    let _ledger = place.open();
    for dir in ["store", "keys"] {
        let dir = place.dir.path().join(dir);
        assert_eq!(
            fs::metadata(&dir).unwrap().permissions().mode() & 0o777,
            0o700,
            "{}",
            dir.display()
        );
        for file in fs::read_dir(&dir).unwrap() {
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", file.path().display());
        }
    }
}

#[test]
fn a_newer_store_is_left_alone() {
    let place = Place::new();
    filled(&place);
    place.tamper("PRAGMA user_version = 99");
    for result in [
        place.try_open().map(drop),
        LedgerReader::open(&place.path()).map(drop),
    ] {
        match result {
            Err(LedgerError::Newer {
                found: 99, known, ..
            }) => assert_eq!(known, schema::FORMAT.newest()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn another_programs_database_is_left_alone() {
    let place = Place::new();
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    place.tamper("CREATE TABLE theirs (x)");
    assert!(matches!(place.try_open(), Err(LedgerError::Store { .. })));
    fs::write(
        place.path(),
        "this is a text file, and longer than a header of SQLite would be, by some way",
    )
    .unwrap();
    let error = place.try_open().unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
}

#[test]
fn without_its_key_a_store_does_not_open() {
    let place = Place::new();
    filled(&place);
    let key = place.options().key;
    let right = fs::read(&key).unwrap();
    let refused = |why: &str| match place.try_open() {
        Err(LedgerError::Key { path, reason }) => {
            assert_eq!(path, key.display().to_string());
            assert!(reason.contains(why), "{reason}");
            assert!(!reason.contains(std::str::from_utf8(&right).unwrap().trim()));
        }
        other => panic!("{other:?}"),
    };
    fs::remove_file(&key).unwrap();
    refused("missing");
    fs::write(&key, "ab".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    refused("not the key");
    fs::write(&key, "short").unwrap();
    refused("64 hexadecimal digits");
    fs::write(&key, &right).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    refused("chmod 600");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    place.open();
}

#[test]
fn damage_at_the_end_is_found_at_once() {
    for (sql, what) in [
        (
            "UPDATE records SET leaf = replace(CAST(leaf AS TEXT), 'deny', 'allo') WHERE idx = 5",
            "record 5 does not have the bytes that were written",
        ),
        (
            "UPDATE records SET leaf = CAST(replace(CAST(leaf AS TEXT), 'deny', 'allo') AS BLOB) WHERE idx = 5",
            "record 5 does not have the bytes that were written",
        ),
        ("DELETE FROM records WHERE idx = 3", "record 3 is missing"),
        ("DELETE FROM records WHERE idx = 0", "record 0 is missing"),
    ] {
        let place = Place::new();
        filled(&place);
        let conn = rusqlite::Connection::open(place.path()).unwrap();
        // Strict tables refuse text in a blob column, which excludes one kind of tampering.
        if conn.execute_batch(sql).is_err() {
            continue;
        }
        drop(conn);
        let error = place.try_open().unwrap_err();
        assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn a_store_that_holds_less_than_it_did_is_refused() {
    let place = Place::new();
    filled(&place);
    place.tamper("DELETE FROM records WHERE idx > 3");
    let error = place.try_open().unwrap_err();
    assert!(matches!(&error, LedgerError::Rollback { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("ends at record 4, but it has held 6"),
        "{error}"
    );
}

/// After a crash: the ledger was not closed, and an old copy replaces it.
#[test]
fn an_old_copy_is_refused_where_an_approval_was_used_since() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let copy = place.dir.path().join("copy");
    let halt = Halt {
        by: "dana".into(),
        name: String::new(),
        reason: "incident".into(),
        scope: HaltScope::All,
    };
    let record = |event| Record::new(TENANT, None, T0, event);
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        ledger.backup(copy.clone(), |_, _| {}).await.unwrap();
        let decided = script.decide(run, script.span(), Outcome::Deny, "a");
        ledger.commit(batch(vec![decided])).await.unwrap();
        let halted = record(Event::Halted(halt));
        ledger.commit(batch(vec![halted])).await.unwrap();
        // The next commit comes after the writer's maintenance.
        ledger.ready().await.unwrap();
    });
    let crashed = Place::new();
    for dir in ["store", "keys"] {
        fs::create_dir(crashed.dir.path().join(dir)).unwrap();
    }
    for file in fs::read_dir(place.dir.path().join("keys")).unwrap() {
        let file = file.unwrap();
        let to = crashed.dir.path().join("keys").join(file.file_name());
        fs::copy(file.path(), to).unwrap();
    }
    fs::copy(&copy, crashed.path()).unwrap();
    let error = crashed.try_open().unwrap_err();
    assert!(matches!(&error, LedgerError::Rollback { .. }), "{error}");
}

#[test]
fn another_history_of_the_same_length_is_refused() {
    let place = Place::new();
    filled(&place);
    let fork = Place::new();
    fs::create_dir_all(fork.dir.path().join("keys")).unwrap();
    fs::create_dir_all(fork.path().parent().unwrap()).unwrap();
    fs::copy(place.options().key, fork.options().key).unwrap();
    let name = |p: &Place| Anchor::of_key(&p.options().key, &[]).path().to_owned();
    filled(&fork);
    // A different store, sealed with the same key.
    fs::copy(name(&place), name(&fork)).unwrap();
    let error = fork.try_open().unwrap_err();
    assert!(error.to_string().contains("a different store"), "{error}");
    // The same store, with a rewritten end and matching hashes.
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    let read = |sql: &str| conn.query_row(sql, [], |r| r.get::<_, Vec<u8>>(0)).unwrap();
    let leaf = String::from_utf8(read("SELECT leaf FROM records WHERE idx = 5")).unwrap();
    let leaf = leaf.replace("deny", "allow").into_bytes();
    let hash = tollgate_model::record::leaf_hash(&leaf);
    let before: Vec<u8> = read("SELECT chain FROM records WHERE idx = 4");
    let chain = chain::next_chain(&before.try_into().unwrap(), &hash);
    conn.execute(
        "UPDATE records SET leaf = ?1, hash = ?2, chain = ?3 WHERE idx = 5",
        (leaf, hash, chain),
    )
    .unwrap();
    drop(conn);
    let error = place.try_open().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("record 5 is not the one that was there"),
        "{error}"
    );
}

#[test]
fn a_store_that_is_gone_is_not_begun_anew() {
    let place = Place::new();
    filled(&place);
    fs::remove_dir_all(place.path().parent().unwrap()).unwrap();
    assert!(matches!(
        place.try_open(),
        Err(LedgerError::Rollback { .. })
    ));
    fs::remove_file(Anchor::of_key(&place.options().key, &[]).path()).unwrap();
    assert_eq!(
        place.open().size(),
        0,
        "unless the owner of the key removes the anchor"
    );
}

#[test]
fn where_nothing_can_be_written_the_path_is_named() {
    let options = LedgerOptions {
        path: "/proc/tollgate/ledger.db".into(),
        ..Place::new().options()
    };
    let error = Ledger::open(options, T0).unwrap_err();
    assert!(
        matches!(&error, LedgerError::Store { path, .. } if path.starts_with("/proc/tollgate")),
        "{error}"
    );
    assert!(error.to_string().contains("store.url"), "{error}");
    let place = Place::new();
    fs::write(
        place.dir.path().join("store"),
        "a file where the directory should be",
    )
    .unwrap();
    assert!(matches!(place.try_open(), Err(LedgerError::Store { .. })));
}

/// Root may write anywhere, so this test is only meaningful for other users.
#[test]
fn a_directory_that_is_read_only_is_named() {
    let place = Place::new();
    fs::create_dir(place.dir.path().join("store")).unwrap();
    fs::set_permissions(
        place.dir.path().join("store"),
        fs::Permissions::from_mode(0o500),
    )
    .unwrap();
    match place.try_open() {
        Ok(_) => assert!(rustix::process::geteuid().is_root()),
        Err(LedgerError::Store { path, reason }) => {
            assert!(path.ends_with(".lock"), "{path}");
            assert!(reason.contains("right to write"), "{reason}");
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_reader_of_nothing_says_so() {
    let place = Place::new();
    assert!(matches!(
        LedgerReader::open(&place.path()),
        Err(LedgerError::Store { .. })
    ));
}

/// The store's files as after a crash, in another directory.
fn crashed(place: &Place) -> Place {
    let copy = Place::new();
    for dir in ["store", "keys"] {
        let (from, to) = (place.dir.path().join(dir), copy.dir.path().join(dir));
        fs::create_dir(&to).unwrap();
        for file in fs::read_dir(&from).unwrap() {
            let name = file.unwrap().file_name();
            // The index of the log is shared memory: a crash of the machine removes it.
            if !name.to_string_lossy().ends_with("-shm") {
                fs::copy(from.join(&name), to.join(&name)).unwrap();
            }
        }
    }
    copy
}

#[test]
fn a_log_that_was_lengthened_is_read_to_its_end() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let log = place.dir.path().join("store/ledger.db-wal");
    block_on(async {
        let (run, started) = script.run(None, &[]);
        ledger.commit(batch(vec![started])).await.unwrap();
        for i in 1..200 {
            let call = script.span();
            let record = script.decide(run, call, Outcome::Deny, "a");
            ledger.commit(batch(vec![record])).await.unwrap();
            if i % 50 == 0 {
                let after = crashed(&place).open();
                assert_eq!(after.size(), i + 1);
                assert_eq!(after.reader().verify(None, |_| {}).unwrap().size, i + 1);
            }
        }
        assert!(
            fs::metadata(&log).unwrap().len() >= 16 << 20,
            "the log was lengthened"
        );
        ledger.close().await;
    });
    assert!(fs::metadata(&log).map_or(0, |m| m.len()) < 1 << 20);
    assert_eq!(place.open().size(), 200);
}
