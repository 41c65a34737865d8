use super::*;

#[test]
fn what_is_saved_is_there_when_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("export.db");
    let run = |n| RunId::from_bytes([n; 16]);
    let state = State {
        next: 7,
        sent: 5,
        rejected: 1,
        acknowledged: Some(Timestamp(9)),
        failing: Some("cannot connect".into()),
        failing_since: Some(Timestamp(8)),
    };
    let begun = Roots {
        begun: vec![run(1), run(2), run(3)],
        sent: Vec::new(),
    };
    let mut states = States::open(&path).unwrap();
    states.save("a", &state, &begun).unwrap();
    let sent = Roots {
        begun: Vec::new(),
        sent: vec![run(2)],
    };
    states.save("a", &state, &sent).unwrap();
    drop(states);
    let states = States::open(&path).unwrap();
    assert_eq!(states.load("a").unwrap(), Some(state));
    assert_eq!(states.load("b").unwrap(), None);
    assert_eq!(states.open_roots("a", None, 10).unwrap(), [run(1), run(3)]);
    assert_eq!(states.open_roots("a", Some(run(1)), 10).unwrap(), [run(3)]);
    assert!(states.open_roots("b", None, 10).unwrap().is_empty());
}

#[test]
fn the_file_has_a_format() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("export.db");
    drop(States::open(&path).unwrap());
    let conn = Connection::open(&path).unwrap();
    assert_eq!(sqlite::version(&conn).unwrap(), FORMAT.newest());
    conn.pragma_update(None, "user_version", FORMAT.newest() + 1)
        .unwrap();
    let Err(newer) = States::open(&path) else {
        panic!("a newer file was opened");
    };
    assert!(newer.to_string().contains("newer than"), "{newer}");
    drop(conn);
    let foreign = dir.path().join("foreign.db");
    let conn = Connection::open(&foreign).unwrap();
    conn.execute_batch("CREATE TABLE exporters (name TEXT)")
        .unwrap();
    assert!(States::open(&foreign).is_err());
    let tables: i64 = conn
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1, "it stays as it is");
}

/// As files were before their format was stored in them.
#[test]
fn positions_of_an_older_file_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("export.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(FORMAT.migrations[0]).unwrap();
    conn.execute_batch("INSERT INTO exporters (name, next, sent, rejected) VALUES ('a', 7, 5, 1)")
        .unwrap();
    drop(conn);
    for _ in 0..2 {
        let states = States::open(&path).unwrap();
        assert_eq!(states.load("a").unwrap().unwrap().next, 7);
    }
}
