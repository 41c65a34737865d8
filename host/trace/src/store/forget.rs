//! What is too old is forgotten: what was reported of a trace, and what it is found by. What people have
//! said about runs stays.

use rusqlite::params;
use tollgate_core::time::Timestamp;

use super::{Store, StoreError};

/// Traces that are forgotten in one transaction: others wait no longer for it than for a report.
const AT_ONCE: i64 = 64;

impl Store {
    /// Forget the traces of `tenant` in which nothing has happened since `before`; how many there were.
    ///
    /// # Errors
    /// [`StoreError`]; what was forgotten before stays so.
    pub async fn forget(&self, tenant: &str, before: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let tenant = tenant.to_owned();
            let some = self
                .write(move |writer| {
                    let done = (|| {
                        writer.write_back()?;
                        let old: Vec<i64> = writer
                            .conn
                            .prepare_cached(
                                "SELECT id FROM traces INDEXED BY traces_by_seen WHERE seen < ?1 AND tenant = ?2 \
                                 LIMIT ?3",
                            )?
                            .query_map(params![before.0, tenant, AT_ONCE], |row| row.get(0))?
                            .collect::<rusqlite::Result<_>>()?;
                        for trace in &old {
                            for table in ["spans", "logs", "facets", "usage"] {
                                let sql = format!("DELETE FROM {table} WHERE trace = ?1");
                                writer.conn.prepare_cached(&sql)?.execute([trace])?;
                            }
                            writer
                                .conn
                                .prepare_cached("DELETE FROM traces WHERE id = ?1")?
                                .execute([trace])?;
                        }
                        Ok(old.len() as u64)
                    })();
                    writer.forget();
                    done.map_err(|e: rusqlite::Error| writer.failed(&e))
                })
                .await?;
            forgotten += some;
            if some == 0 {
                return Ok(forgotten);
            }
        }
    }
}
