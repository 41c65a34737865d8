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
/// Changes of a series that are held while it is read. Of more, it is read again.
const MAX_CHANGES: usize = 1 << 12;
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
#[derive(Debug, Clone)]
pub(crate) struct SeriesChange {
    pub(crate) index: u64,
    pub(crate) series: SeriesId,
    pub(crate) event: SeriesEvent,
}

#[derive(Debug, Clone)]
pub(crate) enum SeriesEvent {
    Added(Box<StoredEntry>),
    /// The call no longer counts.
    Removed(SpanId),
    /// The call has ended, and counts on. No total changes.
    Settled(SpanId),
    /// Its run has ended.
    Ended,
}

impl SeriesChange {
    /// Whether decisions that read the series before are made again.
    fn changes_totals(&self) -> bool {
        !matches!(self.event, SeriesEvent::Settled(_))
    }
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
        "SELECT e.idx, e.call, e.time, e.until, e.counts, e.amount, e.digests, e.further, r.tenant, \
         EXISTS (SELECT 1 FROM calls c WHERE c.run = e.run AND c.call = e.call \
                 AND (c.state = 'closed' OR c.state = 'indeterminate')) AS has_ended \
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
        let has_ended: bool = row.get("has_ended")?;
        let entry = StoredEntry {
            amount: amount.map(|amount| MaskedAmount::from_bytes(amount.to_be_bytes())),
            call: SpanId::from_bytes(row.get("call")?),
            further: from_sql_u64(row.get("further")?),
            index: from_sql_u64(row.get("idx")?),
            provisional: counts.ok_or_else(damaged)?.is_provisional() && !has_ended,
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
            SeriesEvent::Settled(call) => self.series.settle(call),
            SeriesEvent::Ended => {}
        }
    }
}

/// Recently read series. Readers put them in, and the writer keeps them as of the last commit.
pub(crate) struct SeriesCache {
    keys: Keys,
    young: HashMap<SeriesId, LoadedSeries>,
    old: HashMap<SeriesId, LoadedSeries>,
    /// Entries that `young` had, and those that were added since.
    entries: usize,
    /// Series that are read, each with the number of the reading and what has changed since it began.
    reading: HashMap<SeriesId, (u64, Vec<SeriesChange>)>,
    /// Readings that have begun.
    readings: u64,
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
            reading: HashMap::new(),
            readings: 0,
            changed: HashMap::new(),
            floor: size,
        }
    }

    /// Drops everything, because the store has changed.
    pub(crate) fn clear(&mut self, size: u64) {
        let readings = self.readings;
        *self = Self::new(self.keys.clone(), size);
        self.readings = readings;
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

    pub(crate) fn has(&self, id: &SeriesId) -> bool {
        self.young.contains_key(id) || self.old.contains_key(id)
    }

    /// Collects changes of a series from now on, because it is about to be read. Returns the number of the reading, unless
    /// there is another one.
    pub(crate) fn begin_reading(&mut self, id: SeriesId) -> Option<u64> {
        if self.has(&id) || self.reading.contains_key(&id) {
            return None;
        }
        self.readings += 1;
        self.reading.insert(id, (self.readings, Vec::new()));
        Some(self.readings)
    }

    /// Holds a series that was read, with what has changed since; `None` if it could not be read.
    pub(crate) fn end_reading(&mut self, id: SeriesId, reading: u64, loaded: Option<LoadedSeries>) {
        // Its changes may have been given up, and another reading have begun.
        let own = self.reading.get(&id).is_some_and(|(n, _)| *n == reading);
        let changes = own.then(|| self.reading.remove(&id)).flatten();
        let (Some((_, changes)), Some(mut loaded)) = (changes, loaded) else {
            return;
        };
        for change in changes {
            loaded.apply(&self.keys, change);
        }
        self.hold(id, loaded);
    }

    fn hold(&mut self, id: SeriesId, loaded: LoadedSeries) {
        self.make_room(loaded.series.size() + 1);
        self.young.insert(id, loaded);
    }

    /// Counts entries in. Drops the older generation if the younger one has no room for them.
    fn make_room(&mut self, entries: usize) {
        if self.entries + entries > GENERATION && !self.young.is_empty() {
            self.old = std::mem::take(&mut self.young);
            self.entries = 0;
        }
        self.entries += entries;
    }

    /// Applies what a commit has changed, before its size is published.
    pub(crate) fn publish(&mut self, changes: impl IntoIterator<Item = SeriesChange>) {
        for change in changes {
            if change.changes_totals() {
                self.note(&change);
            }
            if matches!(change.event, SeriesEvent::Ended) {
                // What other runs have added to it, only the store tells.
                self.young.remove(&change.series);
                self.old.remove(&change.series);
                self.reading.remove(&change.series);
                continue;
            }
            self.collect(&change);
            let size = match &change.event {
                SeriesEvent::Added(_) if self.has(&change.series) => 1,
                _ => 0,
            };
            self.make_room(size);
            let held = match self.young.get_mut(&change.series) {
                Some(held) => Some(held),
                None => self.old.get_mut(&change.series),
            };
            if let Some(held) = held {
                held.apply(&self.keys, change);
            }
        }
    }

    /// Notes which record last changed the series.
    fn note(&mut self, change: &SeriesChange) {
        if self.changed.len() >= CHANGES {
            // Decisions that read any series before now are made again.
            self.changed.clear();
            self.floor = change.index;
        }
        self.changed.insert(change.series, change.index);
    }

    /// Keeps a change for the one who reads the series now.
    fn collect(&mut self, change: &SeriesChange) {
        let Some((_, changes)) = self.reading.get_mut(&change.series) else {
            return;
        };
        if changes.len() < MAX_CHANGES {
            changes.push(change.clone());
        } else {
            self.reading.remove(&change.series);
        }
    }
}

/// Whether a change that is not committed yet concerns one of these series.
pub(crate) fn concerns(changes: &[SeriesChange], series: &BTreeSet<SeriesId>) -> Option<SeriesId> {
    let changed = changes.iter().filter(|change| change.changes_totals());
    changed
        .map(|change| change.series)
        .find(|changed| series.contains(changed))
}

#[cfg(test)]
impl SeriesCache {
    /// A series, if it is in memory.
    pub(crate) fn held(&self, id: &SeriesId) -> Option<&Series> {
        let held = self.young.get(id).or_else(|| self.old.get(id))?;
        Some(&held.series)
    }
}

#[cfg(test)]
impl LoadedSeries {
    pub(crate) fn series(&self) -> &Series {
        &self.series
    }
}
