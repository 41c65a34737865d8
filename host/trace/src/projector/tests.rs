use super::*;
use crate::store::StoreOptions;

#[tokio::test]
async fn the_root_of_a_run_is_found_by_its_index() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::for_ledger(&dir.path().join("ledger.db"));
    let path = options.path.clone();
    Store::open(options).unwrap().close().await;
    let conn = rusqlite::Connection::open(path).unwrap();
    let plan: String = conn
        .query_row(&format!("EXPLAIN QUERY PLAN {}", *ROOT), [1], |row| {
            row.get(3)
        })
        .unwrap();
    assert!(plan.contains("spans_root"), "{plan}");
}

#[test]
fn a_damaged_body_is_not_taken_for_an_empty_one() {
    let body = Body {
        message: "no".into(),
        ..Body::default()
    };
    let text = body.to_column().unwrap();
    assert_eq!(Body::of_column(&text).unwrap(), body);
    for damaged in ["", "{", "null", &text[1..]] {
        assert!(Body::of_column(damaged).is_err(), "{damaged}");
    }
}
