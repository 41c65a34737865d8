//! What strangers wrote: an index of folded texts.
//!
//! Texts are folded to letters and digits ([`super::skeleton`]). Of every run of [`RUN`] bytes its digest is
//! taken, and of every [`WINDOW`] successive digests the smallest is kept (winnowing, Schleimer et al. 2003).
//! So each run of [`GUARANTEED`] folded bytes that a value shares with a text is found, wherever it begins,
//! while less than a quarter of the digests is kept. Shorter values are compared with single words, and with
//! words in a row.

use super::{
    key::{IndexKey, Kind},
    skeleton::{fold_ascii, fold_char, folded},
    table::{DigestTable, Insertion},
};

/// Folded bytes of a run.
const RUN: usize = 8;
/// Runs of which one is kept.
const WINDOW: usize = 8;
/// Folded bytes of a value that are found in any text with them.
pub(super) const GUARANTEED: usize = RUN + WINDOW - 1;
/// The fewest folded bytes of a word that counts without being marked.
const MIN_WORD: usize = 4;
/// The most words in a row that are one value. The parts of a path or an address may be more.
const MAX_ROW: usize = 4;
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

    /// Adds a text.
    pub(super) fn read(&mut self, key: &IndexKey, text: &str, source: u32) {
        if self.is_full {
            return;
        }
        let mut reader = Reader::new(key, source, self);
        reader.read(text);
    }

    fn insert(&mut self, digest: u64, source: u32) {
        self.is_full |= self.table.insert(digest, source) == Insertion::Full;
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
            let digest = |kind| {
                let state = bytes.iter().fold(key.begin(kind), |s, b| key.push(s, *b));
                self.table.get(key.end(state))
            };
            return digest(Kind::Folded)
                .map(Containment::Whole)
                .or_else(|| digest(Kind::FoldedWhole).map(Containment::Field));
        }
        let (mut found, mut missing) = (None, false);
        let mut runs = Runs::default();
        for byte in bytes {
            let Some(kept) = runs.push(key, *byte) else {
                continue;
            };
            match self.table.get(kept) {
                Some(source) => found = found.or(Some(source)),
                None => missing = true,
            }
        }
        found.map(|source| match missing {
            true => Containment::Part(source),
            false => Containment::Whole(source),
        })
    }
}

/// The runs of a folded text, of which some are kept.
#[derive(Debug, Default)]
struct Runs {
    /// The latest [`RUN`] bytes.
    bytes: u64,
    /// How many bytes there were.
    length: usize,
    /// Digests of the latest runs, in a ring.
    ring: [u64; WINDOW],
    /// Where in the text the run that was kept last begins, counted from 1.
    kept: usize,
}

impl Runs {
    /// The digest of a run that is kept from now on, if there is one.
    fn push(&mut self, key: &IndexKey, byte: u8) -> Option<u64> {
        self.bytes = self.bytes << 8 | u64::from(byte);
        self.length += 1;
        if self.length < RUN {
            return None;
        }
        let digest = key.run(self.bytes);
        if let Some(place) = self.ring.get_mut(self.length % WINDOW) {
            *place = digest;
        }
        if self.length < GUARANTEED {
            return None;
        }
        // The kept run is still in the window and no larger than the new one: it stays.
        let oldest = self.length - WINDOW + 1;
        if self.kept >= oldest {
            let held = self.ring.get(self.kept % WINDOW).copied()?;
            if held <= digest {
                return None;
            }
            self.kept = self.length;
            return Some(digest);
        }
        let (at, smallest) = (oldest..=self.length)
            .filter_map(|at| Some((at, *self.ring.get(at % WINDOW)?)))
            .min_by_key(|(_, digest)| *digest)?;
        self.kept = at;
        Some(smallest)
    }
}

/// Reads one text into the index.
struct Reader<'a> {
    key: &'a IndexKey,
    source: u32,
    index: &'a mut TextIndex,
    runs: Runs,
    /// The whole text so far.
    whole: u64,
    /// The rows of words that end with the one that is being read, the longest first.
    rows: Vec<WordRow>,
    is_in_word: bool,
    /// Whether the next word is a value by its mark: after `#` or `id`.
    named: bool,
    quotes: u8,
}

/// A word so far, or several in a row.
#[derive(Debug, Clone, Copy)]
struct WordRow {
    state: u64,
    length: usize,
    /// Its folded bytes while they are at most eight.
    bytes: u64,
    marked: bool,
    /// Whether it begins after white space, and there was none since.
    is_unbroken: bool,
}

impl<'a> Reader<'a> {
    fn new(key: &'a IndexKey, source: u32, index: &'a mut TextIndex) -> Self {
        Self {
            rows: Vec::with_capacity(MAX_ROW + 1),
            is_in_word: false,
            whole: key.begin(Kind::FoldedWhole),
            runs: Runs::default(),
            named: false,
            quotes: 0,
            key,
            source,
            index,
        }
    }

    fn read(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() && !self.index.is_full {
            let ascii = rest.bytes().position(|b| b >= 128).unwrap_or(rest.len());
            for byte in rest.bytes().take(ascii) {
                self.ascii(byte);
            }
            rest = rest.get(ascii..).unwrap_or_default();
            let Some(c) = rest.chars().next() else { break };
            if c.is_whitespace() {
                self.end_chunk();
            } else if matches!(c, '“' | '”' | '‘' | '’' | '«' | '»' | '„') {
                self.quotes = self.quotes.saturating_add(1);
            } else {
                fold_char(c, |byte| self.push(byte));
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        self.end_word();
        if (1..GUARANTEED).contains(&self.runs.length) {
            let digest = self.key.end(self.whole);
            self.index.insert(digest, self.source);
        }
    }

    fn ascii(&mut self, byte: u8) {
        match byte {
            b' ' | b'\n' | b'\t' | b'\r' | 0x0b | 0x0c => self.end_chunk(),
            b'\'' | b'"' | b'`' => self.quotes = self.quotes.saturating_add(1),
            b'#' => self.named = true,
            // Words end where the parts of lists, paths, URLs and assignments do.
            b',' | b';' | b'|' | b'=' | b'/' | b'\\' | b'<' | b'>' | b'(' | b')' | b'[' | b']'
            | b'{' | b'}' => {
                self.end_word();
            }
            _ => match fold_ascii(byte) {
                0 => {}
                folded => self.push(folded),
            },
        }
    }

    fn push(&mut self, byte: u8) {
        if !self.is_in_word {
            self.is_in_word = true;
            let is_unbroken = !self.rows.iter().any(|row| row.is_unbroken);
            self.rows.push(WordRow::new(self.key, is_unbroken));
        }
        for row in &mut self.rows {
            row.push(self.key, byte);
        }
        self.whole = self.key.push(self.whole, byte);
        if let Some(kept) = self.runs.push(self.key, byte) {
            self.index.insert(kept, self.source);
        }
    }

    fn end_chunk(&mut self) {
        self.end_word();
        for row in &mut self.rows {
            row.is_unbroken = false;
        }
        let more = self.rows.len().saturating_sub(MAX_ROW - 1);
        self.rows.drain(..more);
    }

    fn end_word(&mut self) {
        if !self.is_in_word {
            return;
        }
        self.is_in_word = false;
        if let Some(word) = self.rows.last_mut() {
            word.marked = self.quotes >= 2 || self.named;
            self.named = word.names_the_next();
        }
        self.quotes = 0;
        for row in &self.rows {
            let counts = row.length >= MIN_WORD || row.marked;
            if counts && row.length < GUARANTEED {
                self.index.insert(self.key.end(row.state), self.source);
            }
        }
        self.rows.retain(|row| row.length < GUARANTEED);
        let more = self.rows.len().saturating_sub(MAX_ROW - 1);
        let mut at = 0;
        self.rows.retain(|row| {
            at += 1;
            at > more || row.is_unbroken
        });
    }
}

impl WordRow {
    fn new(key: &IndexKey, is_unbroken: bool) -> Self {
        Self {
            state: key.begin(Kind::Folded),
            length: 0,
            bytes: 0,
            marked: false,
            is_unbroken,
        }
    }

    fn push(&mut self, key: &IndexKey, byte: u8) {
        if self.length < GUARANTEED {
            self.state = key.push(self.state, byte);
        }
        if self.length < RUN {
            self.bytes = self.bytes << 8 | u64::from(byte);
        }
        self.length += 1;
    }

    /// Whether it is `id`, `no`, `nr` or `number`, as they are folded.
    fn names_the_next(&self) -> bool {
        let is = |name: &[u8]| {
            let bytes = name.iter().fold(0, |sum: u64, b| sum << 8 | u64::from(*b));
            self.length == name.len() && self.bytes == bytes
        };
        [&b"id"[..], b"ids", b"no", b"nr", b"num", b"number"]
            .into_iter()
            .any(is)
    }
}
