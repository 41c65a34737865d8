//! Retention: deletes old traces with all that was reported of them. Annotations, sets and feedback stay.

use rusqlite::{OptionalExtension as _, Row, params, params_from_iter};
use tollgate_model::time::Timestamp;

use super::{Store, StoreError, writer::Writer};

/// Rows that are deleted in one transaction: others wait no longer for it than for a report.
const AT_ONCE: usize = 5_000;
/// Rows that are looked at in one transaction, whether anything still needs them.
const LOOKED_AT: i64 = 2_000;

/// How rows of a trace are deleted, so many at once: `?1` is its number, `?2` how many.
const OF_TRACE: &[&str] = &[
    "DELETE FROM spans WHERE id IN (SELECT id FROM spans WHERE trace = ?1 LIMIT ?2)",
    "DELETE FROM logs WHERE id IN (SELECT id FROM logs WHERE trace = ?1 LIMIT ?2)",
    "DELETE FROM self_reports WHERE id IN (SELECT o.id FROM traces t JOIN self_reports o ON o.tenant = t.tenant AND o.run = t.trace \
     WHERE t.id = ?1 LIMIT ?2)",
    "DELETE FROM facets WHERE (trace, facet, text) IN (SELECT trace, facet, text FROM facets WHERE trace = ?1 LIMIT ?2)",
    "DELETE FROM usage WHERE (trace, source, model) IN (SELECT trace, source, model FROM usage WHERE trace = ?1 LIMIT ?2)",
    "DELETE FROM trace_reporters WHERE (trace, reporter) IN (SELECT trace, reporter FROM trace_reporters WHERE trace = ?1 LIMIT ?2)",
    "DELETE FROM trace_sources WHERE (trace, source) IN (SELECT trace, source FROM trace_sources WHERE trace = ?1 LIMIT ?2)",
    // Last, so that what is left of the rest is found again.
    "DELETE FROM traces WHERE id IN (SELECT id FROM traces WHERE id = ?1 LIMIT ?2)",
];

/// What traces have in common.
#[derive(Debug, Clone, Copy)]
enum SharedRow {
    /// Words that traces are found by.
    Texts,
    /// From where something was reported.
    Sources,
    /// Self-reports from before this time about traces that are gone.
    SelfReports(Timestamp),
}

impl Store {
    /// Forget the traces of `tenant` in which nothing has happened since `before`, and what no other trace
    /// needs of what they had; how many there were.
    ///
    /// # Errors
    /// [`StoreError`]; what was forgotten before stays so.
    pub async fn forget(&self, tenant: &str, before: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        let mut begun = false;
        loop {
            let tenant = tenant.to_owned();
            let some = self
                .write(move |writer| {
                    let done = writer.forget_some(&tenant, before);
                    writer.forget();
                    done.map_err(|e| writer.failed(&e))
                })
                .await?;
            let Some(some) = some else { break };
            forgotten += some;
            begun = true;
        }
        if begun {
            for shared in [
                SharedRow::Texts,
                SharedRow::Sources,
                SharedRow::SelfReports(before),
            ] {
                self.sweep(shared).await?;
            }
        }
        Ok(forgotten)
    }

    /// Delete what no trace needs any more.
    async fn sweep(&self, shared: SharedRow) -> Result<(), StoreError> {
        let mut after = Some(0);
        while let Some(last) = after {
            after = self
                .write(move |writer| {
                    let done = writer.sweep(shared, last);
                    writer.forget();
                    // What was deleted is to go from the log, too.
                    writer.checkpoint = 0;
                    done.map_err(|e| writer.failed(&e))
                })
                .await?;
        }
        Ok(())
    }
}

impl Writer {
    /// Delete some of what is too old: of how many traces that was the last, or nothing if there are none.
    fn forget_some(&mut self, tenant: &str, before: Timestamp) -> rusqlite::Result<Option<u64>> {
        let (mut left, mut forgotten) = (AT_ONCE, 0);
        while left > 0 {
            let old: Option<i64> = self
                .conn
                .prepare_cached(
                    "SELECT id FROM traces INDEXED BY traces_by_seen WHERE seen < ?1 AND tenant = ?2 \
                     ORDER BY seen LIMIT 1",
                )?
                .query_row(params![before.0, tenant], |row| row.get(0))
                .optional()?;
            let Some(trace) = old else {
                return Ok((left < AT_ONCE).then_some(forgotten));
            };
            for sql in OF_TRACE {
                let most = i64::try_from(left).unwrap_or(i64::MAX);
                let deleted = self
                    .conn
                    .prepare_cached(sql)?
                    .execute(params![trace, most])?;
                left = left.saturating_sub(deleted);
                if left == 0 {
                    break;
                }
            }
            let there = self
                .conn
                .prepare_cached(
                    "UPDATE traces SET reported = 0, logs = 0, bytes = 0, words = 0 WHERE id = ?1",
                )?
                .execute([trace])?;
            forgotten += u64::from(there == 0);
        }
        Ok(Some(forgotten))
    }

    /// Delete some of what no trace needs, from the row after `after` on; the last row that was looked at.
    fn sweep(&mut self, shared: SharedRow, after: i64) -> rusqlite::Result<Option<i64>> {
        let mut given = vec![after, LOOKED_AT];
        let sql = match shared {
            SharedRow::Texts => {
                "SELECT x.id, NOT EXISTS (SELECT 1 FROM facets f INDEXED BY facets_by_text \
                 WHERE f.facet IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) AND f.text = x.id) \
                 FROM texts x WHERE x.id > ?1 ORDER BY x.id LIMIT ?2"
            }
            SharedRow::Sources => {
                "SELECT s.id, NOT EXISTS (SELECT 1 FROM trace_sources o WHERE o.source = s.id) \
                 FROM sources s WHERE s.id > ?1 ORDER BY s.id LIMIT ?2"
            }
            SharedRow::SelfReports(before) => {
                given.push(before.0);
                "SELECT o.id, o.time < ?3 AND NOT EXISTS (SELECT 1 FROM traces t WHERE t.tenant = o.tenant \
                 AND t.trace = o.run) FROM self_reports o WHERE o.id > ?1 ORDER BY o.id LIMIT ?2"
            }
        };
        let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let rows: Vec<(i64, bool)> = self
            .conn
            .prepare_cached(sql)?
            .query_map(params_from_iter(given), row)?
            .collect::<rusqlite::Result<_>>()?;
        let delete: &[&str] = match shared {
            // The index has no text of its own, so it needs the deleted text.
            SharedRow::Texts => &[
                "INSERT INTO text_parts (text_parts, rowid, text) SELECT 'delete', id, text FROM texts WHERE id = ?1",
                "DELETE FROM texts WHERE id = ?1",
            ],
            SharedRow::Sources => &["DELETE FROM sources WHERE id = ?1"],
            SharedRow::SelfReports(_) => &["DELETE FROM self_reports WHERE id = ?1"],
        };
        for (id, _) in rows.iter().filter(|(_, needless)| *needless) {
            for sql in delete {
                self.conn.prepare_cached(sql)?.execute([id])?;
            }
        }
        Ok(rows.last().map(|(id, _)| *id))
    }
}
