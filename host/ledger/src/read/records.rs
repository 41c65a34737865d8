//! Records one by one, by time, and by run.

use std::ops::{ControlFlow, Range};

use rusqlite::{Connection, OptionalExtension as _, params};
use tollgate_model::{ids::RunId, record::Record, time::Timestamp};

use super::{LedgerError, LedgerReader, ReadError, parsed, stored};
use crate::cached_run::{int, nat};

/// Records are read this many at a time, so that a long list holds no state of the store for long.
const PAGE: usize = 256;

/// Times of records are those of their making: one may be recorded this many microseconds later, after
/// others that were made later.
const SKEW: i64 = 300_000_000;

/// Which way a list goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest record first.
    #[default]
    NewestFirst,
    /// The oldest record first.
    OldestFirst,
}

/// Which records a list has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Only those made at or after this time.
    pub since: Option<Timestamp>,
    /// Only those made before this time.
    pub until: Option<Timestamp>,
    /// Only those with these indices.
    pub range: Option<Range<u64>>,
    /// Which way.
    pub order: Order,
}

impl LedgerReader {
    /// The record at `index`.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn record(&self, index: u64) -> Result<Option<Record>, LedgerError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached("SELECT leaf FROM records WHERE idx = ?1")?;
            let leaf = select
                .query_row([int(index)], |row| row.get::<_, Vec<u8>>(0))
                .optional()?;
            leaf.map(|leaf| parsed(index, &leaf)).transpose()
        })
    }

    /// Show records to `visit` until it breaks off. Reads as it goes: a list without end costs nothing
    /// but what is looked at, and what is committed meanwhile may or may not be seen.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn records(
        &self,
        filter: &RecordFilter,
        mut visit: impl FnMut(u64, Record) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        let (mut first, mut end) = self.range(filter)?;
        let wanted = |record: &Record| {
            filter.since.is_none_or(|t| record.time >= t)
                && filter.until.is_none_or(|t| record.time < t)
        };
        while first < end {
            let page = self.page(first, end, filter.order)?;
            let Some((last, _)) = page.last() else { break };
            match filter.order {
                Order::NewestFirst => end = *last,
                Order::OldestFirst => first = last + 1,
            }
            for (index, record) in page {
                if wanted(&record) && visit(index, record).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn page(&self, first: u64, end: u64, order: Order) -> Result<Vec<(u64, Record)>, LedgerError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(match order {
                Order::NewestFirst => {
                    "SELECT idx, leaf FROM records WHERE idx >= ?1 AND idx < ?2 ORDER BY idx DESC LIMIT ?3"
                }
                Order::OldestFirst => {
                    "SELECT idx, leaf FROM records WHERE idx >= ?1 AND idx < ?2 ORDER BY idx LIMIT ?3"
                }
            })?;
            let mut rows = select.query(params![int(first), int(end), int(PAGE as u64)])?;
            let mut page = Vec::with_capacity(PAGE);
            while let Some(row) = rows.next()? {
                let index = nat(row.get(0)?);
                page.push((index, parsed(index, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?));
            }
            Ok(page)
        })
    }

    /// The indices among which all records of the filter are.
    fn range(&self, filter: &RecordFilter) -> Result<(u64, u64), LedgerError> {
        self.snapshot(|conn| {
            let last: Option<i64> =
                conn.query_row("SELECT max(idx) FROM records", [], |row| row.get(0))?;
            let size = last.map_or(0, |last| nat(last) + 1);
            let range = filter.range.clone().unwrap_or(0..size);
            let (mut first, mut end) = (range.start, range.end.min(size));
            if let Some(since) = filter.since {
                first = first.max(boundary(
                    conn,
                    size,
                    Timestamp(since.0.saturating_sub(SKEW)),
                )?);
            }
            if let Some(until) = filter.until {
                end = end.min(boundary(
                    conn,
                    size,
                    Timestamp(until.0.saturating_add(SKEW)),
                )?);
            }
            Ok((first, end))
        })
    }

    /// Every record of a run, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn records_of_run(&self, run: RunId) -> Result<Vec<(u64, Record)>, LedgerError> {
        self.snapshot(|conn| records_of(conn, run))
    }
}

/// The first index whose record was made at or after `time`, to within the skew of the times.
fn boundary(conn: &Connection, size: u64, time: Timestamp) -> Result<u64, ReadError> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        if stored(conn, middle)?.time < time {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Every record of a run, oldest first: along the list that begins at its last.
pub(crate) fn records_of(conn: &Connection, run: RunId) -> Result<Vec<(u64, Record)>, ReadError> {
    let head: Option<i64> = conn
        .prepare_cached("SELECT head FROM runs WHERE id = ?1")?
        .query_row([run.as_bytes()], |row| row.get(0))
        .optional()?;
    let mut next = head;
    let mut records = Vec::new();
    let mut select = conn.prepare_cached("SELECT leaf, prev FROM records WHERE idx = ?1")?;
    while let Some(index) = next {
        let (record, prev) = {
            let mut rows = select.query([index])?;
            let row = rows.next()?.ok_or_else(|| {
                ReadError::Damaged(format!("record {index} of run {run} is missing"))
            })?;
            let leaf = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            (parsed(nat(index), leaf)?, row.get::<_, Option<i64>>(1)?)
        };
        records.push((nat(index), record));
        // A list that does not go back would never end.
        if prev.is_some_and(|prev| prev >= index) {
            return Err(ReadError::Damaged(format!(
                "record {index} names a later one as earlier"
            )));
        }
        next = prev;
    }
    records.reverse();
    Ok(records)
}
