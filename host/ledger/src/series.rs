//! Series of history facts: what is stored of them, and those that were read recently, in memory.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, params};
use tollgate_model::{
    history::{Series, SeriesEntry, SeriesQuery, SeriesTotals},
    ids::{MaskedAmount, SeriesId, SpanId, ValueDigest},
    record::CountedCalls,
    time::Timestamp,
};

use crate::{AmountPlace, Keys, error::ReadError, sqlite::from_sql_u64};

/// Entries of a generation of the cache; it has two. An entry takes about 150 bytes.
const GENERATION: usize = 1 << 17;
/// Series whose last change is held.
const CHANGES: usize = 1 << 16;

/// An entry as it is stored: its amount is masked.
#[derive(Debug, Clone)]
pub(crate) struct StoredEntry {
    pub(crate) amount: Option<MaskedAmount>,
    pub(crate) call: SpanId,
    pub(crate) further: u64,
    pub(crate) index: u64,
    pub(crate) provisional: bool,
    pub(crate) series: SeriesId,
    pub(crate) tenant: String,
    pub(crate) time: Timestamp,
    pub(crate) until: Option<Timestamp>,
    pub(crate) values: Vec<ValueDigest>,
}

impl StoredEntry {
    /// With its amount. An amount that cannot be unmasked is not a number.
    fn open(self, keys: &Keys) -> SeriesEntry {
        let unmask = |masked| {
            let place = AmountPlace {
                series: self.series,
                call: self.call,
                time: self.time,
            };
            keys.unmask_amount(&self.tenant, place, masked).ok()
        };
        SeriesEntry {
            amount: self.amount.and_then(unmask),
            call: self.call,
            further: self.further,
            index: self.index,
            provisional: self.provisional,
            time: self.time,
            until: self.until,
            values: self.values,
        }
    }
}

/// A change of a series by a record.
#[derive(Debug)]
pub(crate) struct SeriesChange {
    pub(crate) index: u64,
    pub(crate) series: SeriesId,
    pub(crate) event: SeriesEvent,
}

#[derive(Debug)]
pub(crate) enum SeriesEvent {
    Added(Box<StoredEntry>),
    /// The call no longer counts.
    Removed(SpanId),
    /// Its run has ended.
    Ended,
}

/// A series, as of the record before `size`.
pub(crate) struct LoadedSeries {
    series: Series,
    size: u64,
}

/// Reads a series. The connection has a read transaction.
pub(crate) fn load(
    conn: &Connection,
    keys: &Keys,
    id: SeriesId,
) -> Result<LoadedSeries, ReadError> {
    let last: Option<i64> = conn
        .prepare_cached("SELECT max(idx) FROM records")?
        .query_row([], |row| row.get(0))?;
    let mut select = conn.prepare_cached(
        "SELECT e.idx, e.call, e.time, e.until, e.counts, e.amount, e.digests, e.further, r.tenant \
         FROM fact_entries e JOIN runs r ON r.opened = e.run WHERE e.series = ?1 ORDER BY e.idx",
    )?;
    let mut rows = select.query(params![id.as_bytes()])?;
    let mut series = Series::default();
    while let Some(row) = rows.next()? {
        let damaged = || ReadError::Damaged("an entry of a fact cannot be read".into());
        let counts =
            CountedCalls::from_name(row.get_ref("counts")?.as_str().map_err(|_| damaged())?);
        let amount: Option<i64> = row.get("amount")?;
        let digests: Vec<u8> = row.get("digests")?;
        let entry = StoredEntry {
            amount: amount.map(|amount| MaskedAmount::from_bytes(amount.to_be_bytes())),
            call: SpanId::from_bytes(row.get("call")?),
            further: from_sql_u64(row.get("further")?),
            index: from_sql_u64(row.get("idx")?),
            provisional: counts.ok_or_else(damaged)?.is_provisional(),
            series: id,
            tenant: row.get("tenant")?,
            time: Timestamp(row.get("time")?),
            until: row.get::<_, Option<i64>>("until")?.map(Timestamp),
            values: digests
                .as_chunks::<16>()
                .0
                .iter()
                .map(|digest| ValueDigest::from_bytes(*digest))
                .collect(),
        };
        series.insert(entry.open(keys));
    }
    Ok(LoadedSeries {
        series,
        size: last.map_or(0, |last| from_sql_u64(last) + 1),
    })
}

impl LoadedSeries {
    pub(crate) fn totals(&self, query: &SeriesQuery<'_>) -> SeriesTotals {
        self.series.totals(query)
    }

    fn apply(&mut self, keys: &Keys, change: SeriesChange) {
        // The store had this change when the series was read.
        if change.index < self.size {
            return;
        }
        match change.event {
            SeriesEvent::Added(entry) => self.series.insert(entry.open(keys)),
            SeriesEvent::Removed(call) => self.series.remove(call),
            SeriesEvent::Ended => {}
        }
    }
}

/// Recently read series. Readers put them in, and the writer keeps them as of the last commit.
pub(crate) struct SeriesCache {
    keys: Keys,
    young: HashMap<SeriesId, LoadedSeries>,
    old: HashMap<SeriesId, LoadedSeries>,
    /// Entries in `young`.
    entries: usize,
    /// The records that last changed a series.
    changed: HashMap<SeriesId, u64>,
    /// Changes by records before this are not in `changed`.
    floor: u64,
}

impl std::fmt::Debug for SeriesCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeriesCache").finish_non_exhaustive()
    }
}

impl SeriesCache {
    pub(crate) fn new(keys: Keys, size: u64) -> Self {
        Self {
            keys,
            young: HashMap::new(),
            old: HashMap::new(),
            entries: 0,
            changed: HashMap::new(),
            floor: size,
        }
    }

    /// Drops everything, because the store has changed.
    pub(crate) fn clear(&mut self, size: u64) {
        *self = Self::new(self.keys.clone(), size);
    }

    /// The totals of a series, if it is in memory.
    pub(crate) fn totals(
        &mut self,
        id: &SeriesId,
        query: &SeriesQuery<'_>,
    ) -> Option<SeriesTotals> {
        if let Some(found) = self.old.remove(id) {
            self.hold(*id, found);
        }
        self.young.get(id).map(|found| found.totals(query))
    }

    /// Whether no record from `size` on has changed the series.
    pub(crate) fn is_unchanged(&self, id: &SeriesId, size: u64) -> bool {
        self.floor <= size && self.changed.get(id).is_none_or(|index| *index < size)
    }

    /// Holds a series that was read, unless it has changed since.
    pub(crate) fn put(&mut self, id: SeriesId, loaded: LoadedSeries) {
        let is_held = self.young.contains_key(&id) || self.old.contains_key(&id);
        if !is_held && self.is_unchanged(&id, loaded.size) {
            self.hold(id, loaded);
        }
    }

    fn hold(&mut self, id: SeriesId, loaded: LoadedSeries) {
        let entries = loaded.series.size() + 1;
        if self.entries + entries > GENERATION && !self.young.is_empty() {
            self.old = std::mem::take(&mut self.young);
            self.entries = 0;
        }
        self.entries += entries;
        self.young.insert(id, loaded);
    }

    /// Applies what a commit has changed, before its size is published.
    pub(crate) fn publish(&mut self, changes: impl IntoIterator<Item = SeriesChange>) {
        for change in changes {
            if self.changed.len() >= CHANGES {
                // Decisions that read any series before now are made again.
                self.changed.clear();
                self.floor = change.index;
            }
            self.changed.insert(change.series, change.index);
            if matches!(change.event, SeriesEvent::Ended) {
                // What other runs have added to it, only the store tells.
                self.young.remove(&change.series);
                self.old.remove(&change.series);
                continue;
            }
            let held = match self.young.get_mut(&change.series) {
                Some(held) => {
                    self.entries += 1;
                    Some(held)
                }
                None => self.old.get_mut(&change.series),
            };
            if let Some(held) = held {
                held.apply(&self.keys, change);
            }
        }
    }
}

/// Whether a change that is not committed yet concerns one of these series.
pub(crate) fn concerns(changes: &[SeriesChange], series: &BTreeSet<SeriesId>) -> Option<SeriesId> {
    let changed = changes.iter().map(|change| change.series);
    changed.into_iter().find(|changed| series.contains(changed))
}
