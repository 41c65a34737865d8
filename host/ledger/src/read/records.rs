//! Records one by one, by time, and by run.

use std::ops::{ControlFlow, Range};

use rusqlite::{Connection, OptionalExtension as _, params};
use tollgate_model::{
    ids::RunId,
    record::{AdminAction, AdministrativeAct, Event, Record},
    time::Timestamp,
};

use super::LedgerReader;
use crate::{
    LedgerError,
    batch::EncodedRecord,
    error::ReadError,
    sqlite::{from_sql_u64, to_sql_i64},
};

/// Records read at a time, so that a long list does not keep a snapshot of the store open for long.
const PAGE: usize = 256;

/// A record has the time at which it was created. It may be committed up to this many microseconds later,
/// after records with later times.
const SKEW: i64 = 300_000_000;

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest record first.
    #[default]
    NewestFirst,
    /// The oldest record first.
    OldestFirst,
}

/// A filter for records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Only those made at or after this time.
    pub since: Option<Timestamp>,
    /// Only those made before this time.
    pub until: Option<Timestamp>,
    /// Only those with these indices.
    pub range: Option<Range<u64>>,
    /// The order.
    pub order: Order,
}

impl LedgerReader {
    /// The record at `index`.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn record(&self, index: u64) -> Result<Option<Record>, LedgerError> {
        self.with(|conn| {
            let leaf = leaf(conn, index)?;
            leaf.map(|leaf| parsed(index, &leaf)).transpose()
        })
    }

    /// Passes records to `visit` until it breaks. Reads page by page: records that are committed meanwhile
    /// may or may not be included.
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
            let mut rows = select.query(params![to_sql_i64(first), to_sql_i64(end), to_sql_i64(PAGE as u64)])?;
            let mut page = Vec::with_capacity(PAGE);
            while let Some(row) = rows.next()? {
                let index = from_sql_u64(row.get(0)?);
                page.push((index, parsed(index, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?));
            }
            Ok(page)
        })
    }

    /// The range of indices that contains all records of the filter.
    fn range(&self, filter: &RecordFilter) -> Result<(u64, u64), LedgerError> {
        self.snapshot(|conn| {
            let last: Option<i64> =
                conn.query_row("SELECT max(idx) FROM records", [], |row| row.get(0))?;
            let size = last.map_or(0, |last| from_sql_u64(last) + 1);
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

    /// Every administrative act of this kind, oldest first. Reads the whole ledger: for rare questions.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn administrative_acts(
        &self,
        action: AdminAction,
    ) -> Result<Vec<AdministrativeAct>, LedgerError> {
        let name = format!("\"{}\"", action.as_str());
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT idx, leaf FROM records WHERE instr(leaf, ?1) > 0 ORDER BY idx",
            )?;
            let mut rows = select.query([name.as_bytes()])?;
            let mut acts = Vec::new();
            while let Some(row) = rows.next()? {
                let leaf = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                let record = parsed(from_sql_u64(row.get(0)?), leaf)?;
                if let Event::Administered(act) = record.event
                    && act.action == action
                {
                    acts.push(act);
                }
            }
            Ok(acts)
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

/// Every record of a run, oldest first: follows `prev` from the last one.
pub(crate) fn records_of(conn: &Connection, run: RunId) -> Result<Vec<(u64, Record)>, ReadError> {
    let last: Option<i64> = conn
        .prepare_cached("SELECT last_record FROM runs WHERE id = ?1")?
        .query_row([run.as_bytes()], |row| row.get(0))
        .optional()?;
    let mut next = last;
    let mut records = Vec::new();
    let mut select = conn.prepare_cached("SELECT leaf, prev FROM records WHERE idx = ?1")?;
    while let Some(index) = next {
        let (record, prev) = {
            let mut rows = select.query([index])?;
            let row = rows.next()?.ok_or_else(|| {
                ReadError::Damaged(format!("record {index} of run {run} is missing"))
            })?;
            let leaf = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            (
                parsed(from_sql_u64(index), leaf)?,
                row.get::<_, Option<i64>>(1)?,
            )
        };
        records.push((from_sql_u64(index), record));
        // A list that does not go backwards would never end.
        if prev.is_some_and(|prev| prev >= index) {
            return Err(ReadError::Damaged(format!(
                "record {index} names a later record as the one before it"
            )));
        }
        next = prev;
    }
    records.reverse();
    Ok(records)
}

/// A record with the columns stored with it.
pub(crate) struct StoredRecord {
    pub(crate) index: u64,
    pub(crate) leaf: Vec<u8>,
    pub(crate) hash: Vec<u8>,
    pub(crate) chain: Vec<u8>,
    pub(crate) prev: Option<u64>,
}

impl StoredRecord {
    /// The record, to be replayed.
    pub(crate) fn encode(self) -> Result<EncodedRecord, ReadError> {
        let record = parsed(self.index, &self.leaf)?;
        Ok(EncodedRecord::stored(record, self.leaf))
    }
}

/// Up to `limit` records from index `first` on.
pub(crate) fn stored_page(
    conn: &Connection,
    first: u64,
    limit: u64,
) -> Result<Vec<StoredRecord>, ReadError> {
    let mut select = conn.prepare_cached(
        "SELECT idx, leaf, hash, chain, prev FROM records WHERE idx >= ?1 ORDER BY idx LIMIT ?2",
    )?;
    let rows = select.query_map([to_sql_i64(first), to_sql_i64(limit)], |row| {
        let prev: Option<i64> = row.get("prev")?;
        Ok(StoredRecord {
            index: from_sql_u64(row.get("idx")?),
            leaf: row.get("leaf")?,
            hash: row.get("hash")?,
            chain: row.get("chain")?,
            prev: prev.map(from_sql_u64),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The bytes of a record.
pub(crate) fn leaf(conn: &Connection, index: u64) -> Result<Option<Vec<u8>>, ReadError> {
    let mut select = conn.prepare_cached("SELECT leaf FROM records WHERE idx = ?1")?;
    Ok(select
        .query_row([to_sql_i64(index)], |row| row.get(0))
        .optional()?)
}

/// A record of the store.
pub(crate) fn stored(conn: &Connection, index: u64) -> Result<Record, ReadError> {
    let leaf = leaf(conn, index)?
        .ok_or_else(|| ReadError::Damaged(format!("record {index} is missing")))?;
    parsed(index, &leaf)
}

fn parsed(index: u64, leaf: &[u8]) -> Result<Record, ReadError> {
    Record::from_leaf(leaf)
        .map_err(|_| ReadError::Damaged(format!("record {index} cannot be read")))
}
