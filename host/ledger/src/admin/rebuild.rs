//! Rebuilding the read models from the records.

use rusqlite::{Connection, TransactionBehavior, params};

use crate::{
    Ledger, LedgerError, error::ReadError, read::stored_page, schema::READ_MODELS,
    sqlite::to_sql_i64, state::PendingState,
};

/// Records are read this many at a time.
const PAGE: u64 = 1024;

impl Ledger {
    /// Recreate the read models from the records.
    ///
    /// # Errors
    /// [`LedgerError`]; then they are as they were.
    pub async fn rebuild(&self) -> Result<(), LedgerError> {
        let shown = self.options().path.display().to_string();
        let rebuilt = self.task(|writer| {
            let pending = rebuild(&mut writer.conn)?;
            writer.after_rebuild(pending);
            Ok::<(), ReadError>(())
        });
        rebuilt.await?.map_err(|e| e.at(&shown))
    }
}

fn rebuild(conn: &mut Connection) -> Result<PendingState, ReadError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for table in READ_MODELS {
        tx.execute(&format!("DELETE FROM {table}"), [])?;
    }
    let mut pending = PendingState::default();
    loop {
        let page = stored_page(&tx, pending.next, PAGE)?;
        if page.is_empty() {
            break;
        }
        for stored in page {
            let index = pending.next;
            if stored.index != index {
                return Err(ReadError::Damaged(format!("record {index} is missing")));
            }
            let prev = pending
                .replay(&tx, &stored.encode()?)
                .map_err(|e| e.at(index))?;
            tx.prepare_cached("UPDATE records SET prev = ?2 WHERE idx = ?1 AND prev IS NOT ?2")?
                .execute(params![to_sql_i64(index), prev.map(to_sql_i64)])?;
        }
        pending.forget_runs();
    }
    tx.commit()?;
    Ok(pending)
}
