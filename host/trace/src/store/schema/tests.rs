use rusqlite::Connection;
use tollgate_model::{ids::RunId, time::Timestamp};

use super::*;
use crate::store::{Store, StoreOptions};

/// A store of version 2, with a reported span, a reported log, and a span of the gate.
const OLD: &str = r#"
        INSERT INTO sources VALUES (1, zeroblob(32), '', '{"resource":{},"scope":{}}');
        INSERT INTO sources VALUES (2, randomblob(32), 'Agent::"a"', '{"resource":{"k":1},"scope":{}}');
        INSERT INTO traces (id, tenant, trace, started, last, seen, reported, logs, words)
            VALUES (1, 't', x'01010101010101010101010101010101', 5, 6, 7, 1, 1, 1);
        INSERT INTO spans (trace, origin, span, source, name, kind, start, counts, body)
            VALUES (1, 0, 1, 1, 'own', 'invoke_agent', 5, 0, '{}'), (1, 1, 2, 2, 'theirs', 'internal', 5, 0, '{"a":"ü"}');
        INSERT INTO logs VALUES (1, 1, NULL, 2, zeroblob(16), 5, 'INFO', NULL, '{"body":1}');
        INSERT INTO texts VALUES (1, 'theirs');
        INSERT INTO text_parts (rowid, text) VALUES (1, 'theirs');
        INSERT INTO facets VALUES (1, 10, 1);
        INSERT INTO told (tenant, run, topic, text, time)
            VALUES ('t', x'02020202020202020202020202020202', 'request', 'old', 7),
                   ('t', x'02020202020202020202020202020202', 'request', 'new', 8);
    "#;

#[tokio::test]
async fn a_store_of_an_older_version_is_brought_up_with_all_that_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::for_ledger(&dir.path().join("ledger.db"));
    let conn = Connection::open(&options.path).unwrap();
    for sql in FORMAT.migrations.iter().take(2).chain([&OLD]) {
        conn.execute_batch(sql).unwrap();
    }
    conn.pragma_update(None, "user_version", 2).unwrap();
    conn.pragma_update(None, "application_id", FORMAT.application)
        .unwrap();
    drop(conn);
    let store = Store::open(options.clone()).unwrap();
    let trace = RunId::from_bytes([1; 16]);
    let spans = store.reader().spans("t", trace, None).unwrap();
    let found: Vec<_> = spans
        .iter()
        .map(|span| (span.name.as_str(), span.reporter.as_str()))
        .collect();
    assert_eq!(found, [("own", ""), ("theirs", "Agent::\"a\"")]);
    assert_eq!(store.reader().logs("t", trace).unwrap().len(), 1);
    let conn = Connection::open(&options.path).unwrap();
    let one = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(one("PRAGMA user_version"), FORMAT.newest());
    // Bytes, not characters.
    assert_eq!(one("SELECT bytes FROM traces"), 10 + 10);
    assert_eq!(one("SELECT reporter FROM spans WHERE origin = 0"), 0);
    assert_eq!(one("SELECT count(*) FROM trace_sources"), 2);
    assert_eq!(one("SELECT spans * 10 + logs FROM trace_reporters"), 11);
    assert_eq!(one("SELECT bytes FROM trace_reporters"), 10 + 10);
    drop(conn);
    assert_eq!(store.forget("t", Timestamp(8)).await, Ok(1));
    let conn = Connection::open(&options.path).unwrap();
    for table in [
        "spans",
        "logs",
        "texts",
        "sources",
        "trace_sources",
        "trace_reporters",
        "facets",
    ] {
        let sql = format!("SELECT count(*) FROM {table}");
        let left: i64 = conn.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "{table}");
    }
    // A self-report about a trace that was deleted keeps its own time.
    let report: String = conn
        .query_row("SELECT text FROM self_reports", [], |row| row.get(0))
        .unwrap();
    assert_eq!(report, "new");
}
