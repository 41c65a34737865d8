use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;

const OPTIONS: WriteOptions = WriteOptions {
    synchronous: Synchronous::Off,
    cache_kib: 256,
    busy: Duration::from_secs(1),
    auto_checkpoint: 0,
};
const ONE: Format = Format {
    application: 7,
    migrations: &["CREATE TABLE a (x INTEGER) STRICT"],
};
const TWO: Format = Format {
    application: 7,
    migrations: &[
        "CREATE TABLE a (x INTEGER) STRICT",
        "ALTER TABLE a ADD COLUMN y INTEGER",
    ],
};

#[test]
fn a_store_is_private_and_is_brought_to_the_newest_version() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let conn = open_store(&path, &ONE, &OPTIONS).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    conn.execute("INSERT INTO a (x) VALUES (1)", []).unwrap();
    drop(conn);
    let conn = open_store(&path, &TWO, &OPTIONS).unwrap();
    assert_eq!(version(&conn).unwrap(), 2);
    let row: (i64, Option<i64>) = conn
        .query_row("SELECT x, y FROM a", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(row, (1, None));
}

#[test]
fn a_store_of_another_program_or_of_a_newer_version_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let newer = dir.path().join("newer.db");
    drop(open_store(&newer, &TWO, &OPTIONS).unwrap());
    let foreign = dir.path().join("foreign.db");
    let conn = Connection::open(&foreign).unwrap();
    conn.execute_batch("CREATE TABLE b (x)").unwrap();
    drop(conn);
    for (path, is_newer) in [(newer, true), (foreign, false)] {
        let before = fs::read(&path).unwrap();
        match open_store(&path, &ONE, &OPTIONS) {
            Err(OpenError::Newer { found: 2, known: 1 }) => assert!(is_newer),
            Err(OpenError::Foreign) => assert!(!is_newer),
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}
