//! Retention: deletes old traces with all their reports. Annotations, sets and feedback are kept.

use rusqlite::{OptionalExtension as _, Row, params, params_from_iter};
use tollgate_model::time::Timestamp;

use super::{Store, StoreError, writer::Writer};

/// Rows to delete per transaction, so that it takes no longer than storing a report.
const AT_ONCE: usize = 5_000;
/// Shared rows to check per transaction.
const LOOKED_AT: i64 = 2_000;

/// Statements that delete rows of a trace: `?1` is its row id, `?2` the limit.
const OF_TRACE: &[&str] = &[
    "DELETE FROM spans WHERE id IN (SELECT id FROM spans WHERE trace = ?1 LIMIT ?2)",
    "DELETE FROM logs WHERE id IN (SELECT id FROM logs WHERE trace = ?1 LIMIT ?2)",
    "DELETE FROM self_reports WHERE id IN (SELECT o.id FROM traces t JOIN self_reports o ON o.tenant = t.tenant AND o.run = t.trace \
     WHERE t.id = ?1 LIMIT ?2)",
    "DELETE FROM facets WHERE (trace, facet, text) IN (SELECT trace, facet, text FROM facets WHERE trace = ?1 LIMIT ?2)",
    "DELETE FROM usage WHERE (trace, source, model) IN (SELECT trace, source, model FROM usage WHERE trace = ?1 LIMIT ?2)",
    "DELETE FROM trace_reporters WHERE (trace, reporter) IN (SELECT trace, reporter FROM trace_reporters WHERE trace = ?1 LIMIT ?2)",
    "DELETE FROM trace_sources WHERE (trace, source) IN (SELECT trace, source FROM trace_sources WHERE trace = ?1 LIMIT ?2)",
    // Last, so that remaining rows of an interrupted deletion are found again.
    "DELETE FROM traces WHERE id IN (SELECT id FROM traces WHERE id = ?1 LIMIT ?2)",
];

/// Rows that several traces share.
#[derive(Debug, Clone, Copy)]
enum SharedRow {
    /// Texts of facets.
    Texts,
    /// Sources of reports.
    Sources,
    /// Self-reports from before this time about deleted traces.
    SelfReports(Timestamp),
}

impl Store {
    /// Deletes the traces of `tenant` that have been idle since `before`, and shared rows that no other trace uses.
    /// Returns the number of traces.
    ///
    /// # Errors
    /// [`StoreError`]; traces that were deleted before the error stay deleted.
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

    /// Deletes shared rows that no trace uses.
    async fn sweep(&self, shared: SharedRow) -> Result<(), StoreError> {
        let mut after = Some(0);
        while let Some(last) = after {
            after = self
                .write(move |writer| {
                    let done = writer.sweep(shared, last);
                    writer.forget();
                    // A checkpoint removes the deleted data from the write-ahead log.
                    writer.checkpoint = 0;
                    done.map_err(|e| writer.failed(&e))
                })
                .await?;
        }
        Ok(())
    }
}

impl Writer {
    /// Deletes some rows of old traces. Returns the number of completed traces; `None` if there are none left.
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

    /// Deletes some unused shared rows after row `after`. Returns the last checked row.
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
            // The full-text index is contentless, so a deletion needs the text.
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
