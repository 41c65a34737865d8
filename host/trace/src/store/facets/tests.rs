use tollgate_model::{ids::RunId, time::Timestamp};

use super::*;
use crate::store::{Store, StoreOptions};

#[tokio::test]
async fn reported_facets_do_not_displace_those_of_the_gate() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(StoreOptions::for_ledger(&dir.path().join("ledger.db"))).unwrap();
    let run = RunId::from_bytes([1; 16]);
    let written = store.write(move |writer| {
        let done = (|| {
            let open = writer.opened("t", run, Timestamp(1), Timestamp(1))?;
            let mut totals = writer.totals(open.id, 1)?;
            for n in 0..2 * MAX_FACETS {
                writer.add_facet(open.id, &mut totals, Facet::Tool, &format!("said {n}"))?;
            }
            let new = writer.add_gate_facet(open.id, Facet::Tool, "known")?;
            assert!(new && !writer.add_gate_facet(open.id, Facet::Tool, "known")?);
            writer.keep_totals(open.id, 1, totals);
            writer.keep("t", run, open);
            Ok(())
        })();
        done.map_err(|e: rusqlite::Error| writer.failed(&e))
    });
    written.await.unwrap();
    let words = store.reader().words("t", run, Facet::Tool).unwrap();
    assert_eq!(words.len() as u64, MAX_FACETS + 1);
    assert!(words.contains(&"known".into()));
}
