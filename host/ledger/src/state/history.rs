//! History facts: the entries that records add to series, and those that no longer count.

use rusqlite::{Connection, params};
use tollgate_model::{
    ids::{SeriesId, SpanId},
    record::{CountedCalls, FactEntry, OutcomeRecord, Status},
    time::Timestamp,
};

use super::PendingState;
use crate::{
    error::{ApplyError, rejected},
    series::{SeriesChange, SeriesEvent, StoredEntry},
    sqlite::to_sql_i64,
};

/// How long an entry is held after it has left the window, in microseconds: a decision about an earlier time may still
/// be in flight.
const GRACE: i64 = 60_000_000;
/// The most entries that one record clears away. A record adds fewer on average, so none pile up.
const CLEARED: i64 = 64;

/// A record that concerns a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallRecord<'a> {
    pub(super) index: u64,
    /// The record that opened its run.
    pub(super) run: u64,
    pub(super) call: SpanId,
    pub(super) tenant: &'a str,
    pub(super) time: Timestamp,
}

impl PendingState {
    /// Adds the entries of a call's decision or outcome. An entry of the same call in the same series is replaced: a
    /// call that is resumed counts once.
    pub(super) fn add_entries(
        &mut self,
        conn: &Connection,
        record: CallRecord<'_>,
        entries: &[FactEntry],
    ) -> Result<(), ApplyError> {
        if entries.is_empty() {
            return Ok(());
        }
        let before = series_of_call(conn, record.run, record.call)?;
        for entry in entries {
            if before.iter().any(|(series, _)| *series == entry.series) {
                self.remove_entry(conn, record, entry.series)?;
            }
            self.add_entry(conn, record, entry)?;
        }
        clear(conn, record.time)
    }

    fn add_entry(
        &mut self,
        conn: &Connection,
        record: CallRecord<'_>,
        entry: &FactEntry,
    ) -> Result<(), ApplyError> {
        let amount = entry.amount.map(|m| i64::from_be_bytes(*m.as_bytes()));
        let digests: Vec<u8> = entry.values.iter().flat_map(|v| *v.as_bytes()).collect();
        let added = conn
            .prepare_cached(
                "INSERT OR IGNORE INTO fact_entries (series, idx, run, call, time, until, counts, of_run, amount, \
                 digests, further) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                entry.series.as_bytes(),
                to_sql_i64(record.index),
                to_sql_i64(record.run),
                record.call.as_bytes(),
                record.time.0,
                entry.until.map(|until| until.0),
                entry.counts.as_str(),
                entry.of_run,
                amount,
                digests,
                to_sql_i64(entry.further)
            ])?;
        if added == 0 {
            return Err(rejected("a record adds to a series once"));
        }
        let entry = StoredEntry {
            amount: entry.amount,
            call: record.call,
            further: entry.further,
            index: record.index,
            provisional: entry.counts.is_provisional(),
            series: entry.series,
            tenant: record.tenant.to_owned(),
            time: record.time,
            until: entry.until,
            values: entry.values.clone(),
        };
        self.series.push(SeriesChange {
            index: record.index,
            series: entry.series,
            event: SeriesEvent::Added(Box::new(entry)),
        });
        Ok(())
    }

    fn remove_entry(
        &mut self,
        conn: &Connection,
        record: CallRecord<'_>,
        series: SeriesId,
    ) -> Result<(), ApplyError> {
        conn.prepare_cached(
            "DELETE FROM fact_entries WHERE run = ?1 AND call = ?2 AND series = ?3",
        )?
        .execute(params![
            to_sql_i64(record.run),
            record.call.as_bytes(),
            series.as_bytes()
        ])?;
        self.series.push(SeriesChange {
            index: record.index,
            series,
            event: SeriesEvent::Removed(record.call),
        });
        Ok(())
    }

    /// Removes the entries that no longer count after an outcome, and adds those that count because of it.
    pub(super) fn end_call(
        &mut self,
        conn: &Connection,
        record: CallRecord<'_>,
        outcome: &OutcomeRecord,
    ) -> Result<(), ApplyError> {
        for (series, counts) in series_of_call(conn, record.run, record.call)? {
            if outcome.releases(counts) {
                self.remove_entry(conn, record, series)?;
            } else if counts.is_provisional() && outcome.status != Status::Pending {
                self.settle_entry(record, series);
            }
        }
        self.add_entries(conn, record, &outcome.history)
    }

    /// Keeps the entries of a call that waited, and was then refused for good.
    pub(super) fn settle_entries(
        &mut self,
        conn: &Connection,
        record: CallRecord<'_>,
    ) -> Result<(), ApplyError> {
        for (series, counts) in series_of_call(conn, record.run, record.call)? {
            if counts.is_provisional() {
                self.settle_entry(record, series);
            }
        }
        Ok(())
    }

    fn settle_entry(&mut self, record: CallRecord<'_>, series: SeriesId) {
        self.series.push(SeriesChange {
            index: record.index,
            series,
            event: SeriesEvent::Settled(record.call),
        });
    }

    /// Ends the series of a run.
    pub(super) fn end_series(
        &mut self,
        conn: &Connection,
        index: u64,
        run: u64,
    ) -> Result<(), ApplyError> {
        let mut delete = conn.prepare_cached(
            "DELETE FROM fact_entries WHERE run = ?1 AND of_run = 1 RETURNING series",
        )?;
        let mut rows = delete.query([to_sql_i64(run)])?;
        while let Some(row) = rows.next()? {
            self.series.push(SeriesChange {
                index,
                series: SeriesId::from_bytes(row.get(0)?),
                event: SeriesEvent::Ended,
            });
        }
        Ok(())
    }
}

/// The series in which a call has an entry, and why it counts.
fn series_of_call(
    conn: &Connection,
    run: u64,
    call: SpanId,
) -> Result<Vec<(SeriesId, CountedCalls)>, ApplyError> {
    let mut select = conn.prepare_cached(
        "SELECT series, counts FROM fact_entries WHERE run = ?1 AND call = ?2 ORDER BY series",
    )?;
    let rows = select.query_map(params![to_sql_i64(run), call.as_bytes()], |row| {
        let counts = CountedCalls::from_name(row.get_ref(1)?.as_str()?);
        Ok((SeriesId::from_bytes(row.get(0)?), counts))
    })?;
    let mut found = Vec::new();
    for row in rows {
        let (series, counts) = row?;
        let counts = counts.ok_or_else(|| rejected("an entry of a fact counts nothing known"))?;
        found.push((series, counts));
    }
    Ok(found)
}

/// Clears away entries that have left their window, the oldest first.
fn clear(conn: &Connection, now: Timestamp) -> Result<(), ApplyError> {
    conn.prepare_cached(
        "DELETE FROM fact_entries WHERE (series, idx) IN (SELECT series, idx FROM fact_entries \
         WHERE until IS NOT NULL AND until <= ?1 ORDER BY until, series, idx LIMIT ?2)",
    )?
    .execute([now.0.saturating_sub(GRACE), CLEARED])?;
    Ok(())
}
