//! What strangers wrote: an index of folded texts.
//!
//! Texts are folded to letters and digits ([`super::skeleton`]). Of every run of eight bytes its digest is
//! taken, and of every eight successive digests the smallest is kept (winnowing, Schleimer et al. 2003).
//! So each run of [`GUARANTEED`] folded bytes that a value shares with a text is found, wherever it begins,
//! while less than a quarter of the digests is kept. Shorter values are compared with single words, and with
//! words in a row.

mod batch;
mod reader;
mod rows;
mod runs;

use self::{
    batch::Batch,
    reader::Reader,
    rows::MIN_WORD,
    runs::{RUN, Runs, STEP, VIEW},
};
use super::{
    key::{IndexKey, Kind},
    skeleton::folded,
    table::{DigestTable, Insertion},
    tail::Tail,
};

pub(super) use self::runs::GUARANTEED;

/// The most slots: 16 MiB, for about three million bytes of text.
const MAX_SLOTS: usize = 1 << 21;

/// How much of a value stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Containment {
    /// All of it, first in the text of this source.
    Whole(u32),
    /// It is all of a short text.
    Field(u32),
    /// A part of it.
    Part(u32),
}

impl Containment {
    pub(super) fn source(self) -> u32 {
        match self {
            Self::Whole(source) | Self::Field(source) | Self::Part(source) => source,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct TextIndex {
    table: DigestTable,
    is_full: bool,
}

impl Default for TextIndex {
    fn default() -> Self {
        Self::new(MAX_SLOTS)
    }
}

impl TextIndex {
    /// An index of at most this many slots of 8 bytes, a power of two.
    pub(super) fn new(max_slots: usize) -> Self {
        Self {
            table: DigestTable::new(max_slots),
            is_full: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty() && !self.is_full
    }

    /// Whether some text was too much for it.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Says that it lacks something.
    pub(super) fn fill(&mut self) {
        self.is_full = true;
    }

    pub(super) fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Says that there is a text that is too much for it.
    pub(super) fn mark_full(&mut self) {
        self.is_full = true;
    }

    /// Adds a text. Says whether it orders an act ([`super::urging`]); `None` if it is not read to its end.
    pub(super) fn read(&mut self, key: &IndexKey, text: &str, source: u32) -> Option<bool> {
        let is_read = !self.is_full;
        is_read.then(|| Reader::new(key, source, self).read(text))?
    }

    /// Adds digests of a text. `more` says how many may follow, about.
    fn insert(&mut self, digests: &[u64], source: u32, more: usize) {
        self.is_full |= self.table.insert(digests, source, more) == Insertion::Full;
    }

    /// How much of a value stands in the texts, forwards or backwards.
    pub(super) fn find(&self, key: &IndexKey, value: &str) -> Option<Containment> {
        if self.table.is_empty() {
            return None;
        }
        let bytes = folded(value);
        let forwards = self.find_forwards(key, value, &bytes);
        if matches!(forwards, Some(Containment::Whole(_))) || bytes.len() < MIN_WORD {
            return forwards;
        }
        let reversed: String = value.chars().rev().collect();
        let backwards = self.find_folded(key, &folded(&reversed));
        match (forwards, backwards) {
            (_, Some(whole @ Containment::Whole(_))) => Some(whole),
            (Some(found), _) => Some(found),
            (None, found) => found,
        }
    }

    /// How much of a value stands there; of a URL also without its beginning, which says nothing.
    fn find_forwards(&self, key: &IndexKey, value: &str, folded: &[u8]) -> Option<Containment> {
        let found = self.find_folded(key, folded);
        if matches!(found, Some(Containment::Whole(_) | Containment::Field(_))) {
            return found;
        }
        let mut bare = value;
        let mut found_bare = found;
        for beginning in ["https://", "http://", "www."] {
            let Some(rest) = bare
                .get(..beginning.len())
                .filter(|start| start.eq_ignore_ascii_case(beginning))
                .and_then(|_| bare.get(beginning.len()..))
            else {
                continue;
            };
            bare = rest;
            found_bare = self.find_folded(key, &super::skeleton::folded(bare));
            if matches!(found_bare, Some(Containment::Whole(_))) {
                return found_bare;
            }
        }
        found_bare
    }

    fn find_folded(&self, key: &IndexKey, bytes: &[u8]) -> Option<Containment> {
        if bytes.is_empty() {
            return None;
        }
        if bytes.len() < GUARANTEED {
            let digest = |kind| self.table.get(key.short(kind, Tail::whole(bytes)?));
            return digest(Kind::Folded)
                .map(Containment::Whole)
                .or_else(|| digest(Kind::FoldedWhole).map(Containment::Field));
        }
        let (mut found, mut missing) = (None, false);
        each_kept(key, bytes, |kept| match self.table.get(kept) {
            Some(source) => found = found.or(Some(source)),
            None => missing = true,
        });
        found.map(|source| match missing {
            true => Containment::Part(source),
            false => Containment::Whole(source),
        })
    }
}

/// Calls `each` with the digests of a folded text that are kept.
fn each_kept(key: &IndexKey, text: &[u8], mut each: impl FnMut(u64)) {
    let mut runs = Runs::new();
    let mut batch = Batch::new();
    let mut view = [0; VIEW];
    for step in text.chunks(STEP) {
        view.copy_within(STEP.., 0);
        for (to, byte) in view.iter_mut().skip(RUN - 1).zip(step) {
            *to = *byte;
        }
        runs.step(key, &view, step.len(), &mut batch);
        batch.digests().iter().for_each(|digest| each(*digest));
        batch.clear();
    }
}

#[cfg(test)]
mod tests;
