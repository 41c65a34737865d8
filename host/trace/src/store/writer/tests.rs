use std::time::Instant;

use super::*;

#[tokio::test]
async fn a_long_read_does_not_delay_writers() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::for_ledger(&dir.path().join("ledger.db"));
    let store = Store::open(options.clone()).unwrap();
    let reader = Connection::open(&options.path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let cursors = "SELECT count(*) FROM cursors";
    let count: i64 = reader.query_row(cursors, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 0);
    let begun = Instant::now();
    for n in 0..3 {
        let written = store.write(move |writer| {
            writer.checkpoint = 0;
            let sql = "INSERT INTO cursors (name, next) VALUES (?1, 0)";
            let inserted = writer.conn.execute(sql, [format!("c{n}")]);
            inserted.map_err(|e| writer.failed(&e))
        });
        assert_eq!(written.await, Ok(1));
    }
    let next = store.write(|writer| Ok(writer.checkpoint)).await.unwrap();
    // It failed, and is not tried again soon.
    assert!(begun.elapsed() < BUSY && next > CHECKPOINT);
}
