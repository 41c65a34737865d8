//! The entries of one series, in memory.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasherDefault, Hasher},
};

use crate::{
    ids::{SpanId, ValueDigest},
    time::Timestamp,
};

/// Entries that are held one by one. Of more, the older ones are held in blocks.
const MAX_SINGLE: usize = 4096;
/// Values that a series tells apart. Of more, each of the older ones counts as one of its own.
const MAX_VALUES: usize = 16_384;
/// So many values take as much memory as an entry.
const VALUES_OF_ENTRY: usize = 8;
/// How long an entry is held after it has left the window, in microseconds: questions about an earlier time may still
/// be asked.
const GRACE: i64 = 60_000_000;

/// What one call has added to a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesEntry {
    /// What it adds to a sum; `None` if its value is not a number.
    pub amount: Option<i64>,
    /// The call.
    pub call: SpanId,
    /// More values than are distinguished: each counts as one that no other entry has.
    pub further: u64,
    /// The index of its record.
    pub index: u64,
    /// Whether it may be released: the call has not ended, and may stop counting when it does.
    pub provisional: bool,
    /// The time of its record.
    pub time: Timestamp,
    /// When it leaves the window; `None`: when the run ends.
    pub until: Option<Timestamp>,
    /// The values that it has.
    pub values: Vec<ValueDigest>,
}

/// Which entries of a series are counted, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct SeriesQuery<'a> {
    /// Only those of later records.
    pub after: Option<u64>,
    /// Whether amounts below zero are added up. Otherwise they are not numbers for the sum.
    pub negative: bool,
    /// Only those of a later time: an entry is in the window while it is younger than that.
    pub since: Option<Timestamp>,
    /// Values that are looked for.
    pub values: &'a [ValueDigest],
    /// Not that of this call.
    pub without: Option<SpanId>,
}

/// The answer to a [`SeriesQuery`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeriesTotals {
    /// Entries.
    pub calls: u64,
    /// Different values.
    pub distinct: u64,
    /// Those of the values that were looked for which no entry has.
    pub unseen: u64,
    /// The sum of their amounts; `None` if one of them has no amount, or one that is not added up, or if it is beyond 64
    /// bits.
    pub sum: Option<i64>,
    /// The time of the latest one, and the index of its record.
    pub last: Option<(Timestamp, u64)>,
}

/// Entries that are close in time, counted as if all were as new as the newest one.
#[derive(Debug, Clone)]
struct Block {
    amount: Option<i64>,
    /// Values that are not told apart any more.
    anonymous: u64,
    /// `None` if it has several calls.
    call: Option<SpanId>,
    calls: u64,
    index: u64,
    /// Whether one of its amounts is below zero.
    is_negative: bool,
    provisional: bool,
    time: Timestamp,
    until: Option<Timestamp>,
    values: Vec<ValueDigest>,
}

impl From<SeriesEntry> for Block {
    fn from(entry: SeriesEntry) -> Self {
        Self {
            amount: entry.amount,
            anonymous: entry.further,
            call: Some(entry.call),
            calls: 1,
            index: entry.index,
            is_negative: entry.amount.is_some_and(i64::is_negative),
            provisional: entry.provisional,
            time: entry.time,
            until: entry.until,
            values: entry.values,
        }
    }
}

impl Block {
    fn absorb(&mut self, newer: Self) {
        self.amount = self
            .amount
            .zip(newer.amount)
            .and_then(|(older, newer)| older.checked_add(newer));
        self.anonymous += newer.anonymous;
        self.call = None;
        self.calls += newer.calls;
        self.index = self.index.max(newer.index);
        self.is_negative |= newer.is_negative;
        self.time = self.time.max(newer.time);
        self.until = self.until.max(newer.until);
        self.values.extend(newer.values);
        self.values.sort_unstable();
        self.values.dedup();
    }
}

/// The entries of one series, the oldest first.
///
/// Up to 4,096 of them are exact. Of more, the older ones are held in blocks of at most a two-thousandth of all: a block
/// counts until its newest entry leaves the window, and is unknown in a sum if one of its entries is. Entries that may be
/// released stay apart, so memory is bounded by the calls that have not ended, and what is counted is never too little.
#[derive(Debug, Clone, Default)]
pub struct Series {
    blocks: VecDeque<Block>,
    /// Blocks at which the older ones are merged next. It grows with what cannot be merged, so that many entries cost
    /// each the same.
    limit: usize,
}

impl Series {
    /// Adds the entry of a call. An earlier one of the same call must have been removed.
    pub fn insert(&mut self, entry: SeriesEntry) {
        self.expire(entry.time);
        let at = self.blocks.partition_point(|b| b.index <= entry.index);
        self.blocks.insert(at, entry.into());
        if self.blocks.len() > self.limit.max(2 * MAX_SINGLE) {
            self.compact();
            self.limit = self.blocks.len().saturating_mul(3) / 2;
        }
    }

    /// Keeps the entry of a call that has ended and counts on.
    pub fn settle(&mut self, call: SpanId) {
        let own = |block: &&mut Block| block.call == Some(call);
        if let Some(block) = self.blocks.iter_mut().rev().find(own) {
            block.provisional = false;
        }
    }

    /// Whether the entry of a call may be released; `None` if it has none of its own.
    #[must_use]
    pub fn is_provisional(&self, call: SpanId) -> Option<bool> {
        let mut blocks = self.blocks.iter().rev();
        let own = blocks.find(|block| block.call == Some(call))?;
        Some(own.provisional)
    }

    /// Removes the entry of a call that no longer counts.
    pub fn remove(&mut self, call: SpanId) {
        // It is most likely one of the newest.
        let at = self.blocks.iter().rposition(|b| b.call == Some(call));
        if let Some(at) = at {
            self.blocks.remove(at);
        }
    }

    /// Approximate number of entries in memory. Values of an entry beyond the first few take the place of others.
    #[must_use]
    pub fn size(&self) -> usize {
        let values: usize = self.blocks.iter().map(|b| b.values.len()).sum();
        self.blocks.len() + values / VALUES_OF_ENTRY
    }

    /// Sums up the entries that the query asks for.
    #[must_use]
    pub fn totals(&self, query: &SeriesQuery<'_>) -> SeriesTotals {
        let is_counted = |block: &&Block| {
            query.since.is_none_or(|since| block.time > since)
                && query.after.is_none_or(|after| block.index > after)
                && (block.call.is_none() || block.call != query.without)
        };
        let mut seen: HashSet<ValueDigest, ByDigest> = HashSet::default();
        let mut totals = SeriesTotals::default();
        let mut sum = Some(0_i128);
        for block in self.blocks.iter().filter(is_counted) {
            totals.calls += block.calls;
            totals.distinct += block.anonymous;
            let is_added = query.negative || !block.is_negative;
            sum = sum
                .zip(block.amount.filter(|_| is_added))
                .map(|(sum, amount)| sum.saturating_add(amount.into()));
            seen.extend(block.values.iter().copied());
            totals.last = totals.last.max(Some((block.time, block.index)));
        }
        totals.distinct += seen.len() as u64;
        let unseen = query.values.iter().filter(|value| !seen.contains(*value));
        totals.unseen = unseen.collect::<HashSet<_>>().len() as u64;
        totals.sum = sum.and_then(|sum| i64::try_from(sum).ok());
        totals
    }

    /// Drops what has left the window well before `now`.
    fn expire(&mut self, now: Timestamp) {
        let horizon = now.0.saturating_sub(GRACE);
        while let Some(until) = self.blocks.front().and_then(|block| block.until)
            && until.0 <= horizon
        {
            self.blocks.pop_front();
        }
    }

    /// Holds the older half in blocks.
    fn compact(&mut self) {
        let calls: u64 = self.blocks.iter().map(|b| b.calls).sum();
        let most = calls.div_ceil(MAX_SINGLE as u64 / 2).max(2);
        let newest = self.blocks.split_off(self.blocks.len() - MAX_SINGLE);
        let mut older: VecDeque<Block> = VecDeque::new();
        for block in self.blocks.drain(..) {
            match older.back_mut() {
                Some(last)
                    if last.calls + block.calls <= most
                        && !last.provisional
                        && !block.provisional =>
                {
                    last.absorb(block);
                }
                _ => older.push_back(block),
            }
        }
        let mut values: usize = older.iter().map(|b| b.values.len()).sum();
        for block in &mut older {
            if values <= MAX_VALUES {
                break;
            }
            values -= block.values.len();
            block.anonymous += block.values.len() as u64;
            block.values = Vec::new();
        }
        older.extend(newest);
        self.blocks = older;
    }
}

type ByDigest = BuildHasherDefault<DigestHasher>;

/// A digest is its own hash: no one without the tenant's key can choose it.
#[derive(Debug, Default)]
struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(w, b)| *w = *b);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}

#[cfg(test)]
mod tests;
