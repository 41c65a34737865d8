//! Reading a text into the index.

use super::{
    TextIndex,
    batch::Batch,
    rows::Rows,
    runs::{GUARANTEED, RUN, Runs, STEP},
};
use crate::provenance::{
    key::{IndexKey, Kind},
    skeleton::{fold_char, of_ascii},
    tail::{self, MAX_TAIL, Tail},
    urging::OrderReader,
};

/// The most rows of words that end with a word.
const MAX_ROWS: usize = 5;
/// Folded bytes that are read at once.
const BLOCK: usize = 512;
/// Folded bytes that are winnowed between two looks at the room for digests.
const STRETCH: usize = 8 * STEP;
/// Folded bytes before them that are held.
const BEFORE: usize = MAX_TAIL;

/// Words after which the next one is a value, as they are folded.
const NAMES: [u64; 6] = [
    tail::last(b"id"),
    tail::last(b"ids"),
    tail::last(b"no"),
    tail::last(b"nr"),
    tail::last(b"num"),
    tail::last(b"number"),
];
/// The most bytes of one.
const NAME: usize = 6;

/// Reads one text into the index.
pub(super) struct Reader<'a> {
    key: &'a IndexKey,
    source: u32,
    index: &'a mut TextIndex,
    /// The latest folded bytes, after [`BEFORE`] of those before them.
    folded: [u8; BEFORE + BLOCK],
    /// How many of them there are, with those before.
    end: usize,
    /// Folded bytes of the text before these.
    passed: usize,
    runs: Runs,
    batch: Batch,
    rows: Rows,
    /// Where the latest word begins, or the next one, in folded bytes of the text.
    word: usize,
    /// Whether the next word is a value by its mark: after `#` or `id`.
    named: bool,
    quotes: u8,
    orders: OrderReader,
    /// Where what stands between white space begins, in folded bytes of the text.
    chunk: usize,
    /// What the latest character did, as one of [`ACTS`].
    last: u8,
    /// Bytes of the text.
    size: usize,
    /// Digests in the index before.
    before: usize,
}

/// What a byte of a text does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Sign {
    /// Nothing.
    None,
    /// It is not ASCII.
    Wide,
    /// It is white space.
    Space,
    /// It ends a word, as between the parts of lists, paths, URLs and assignments.
    End,
    Quote,
    Hash,
}

/// The folded byte of each byte, or its [`Sign`].
static ACTS: [u8; 256] = acts();
/// The smallest folded byte.
const MIN_FOLDED: u8 = b'2';

const fn acts() -> [u8; 256] {
    let mut table = [Sign::Wide as u8; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        let act = match byte {
            b' ' | b'\n' | b'\t' | b'\r' | 0x0b | 0x0c => Sign::Space as u8,
            b'\'' | b'"' | b'`' => Sign::Quote as u8,
            b'#' => Sign::Hash as u8,
            b',' | b';' | b'|' | b'=' | b'/' | b'\\' | b'<' | b'>' | b'(' | b')' | b'[' | b']'
            | b'{' | b'}' => Sign::End as u8,
            _ => of_ascii(byte),
        };
        #[expect(clippy::indexing_slicing, reason = "checked at compile time")]
        {
            table[byte as usize] = act;
        }
        byte += 1;
    }
    table
}

impl<'a> Reader<'a> {
    pub(super) fn new(key: &'a IndexKey, source: u32, index: &'a mut TextIndex) -> Self {
        Self {
            folded: [0; BEFORE + BLOCK],
            end: BEFORE,
            passed: 0,
            runs: Runs::new(),
            batch: Batch::new(),
            rows: Rows::new(),
            word: 0,
            named: false,
            quotes: 0,
            orders: OrderReader::new(),
            chunk: 0,
            last: Sign::Space as u8,
            size: 0,
            before: index.table.len(),
            key,
            source,
            index,
        }
    }

    /// Reads the text. Whether it orders an act; `None` if the index is full before its end.
    pub(super) fn read(mut self, text: &str) -> Option<bool> {
        self.size = text.len();
        let mut rest = text;
        while !rest.is_empty() && !self.index.is_full {
            // No byte of ASCII folds to more than one.
            let room = self.room(1);
            let bytes = rest.as_bytes();
            let ascii = self.ascii(bytes.get(..room).unwrap_or(bytes));
            rest = rest.get(ascii..).unwrap_or_default();
            let Some(c) = rest.chars().next().filter(|c| !c.is_ascii()) else {
                continue;
            };
            self.character(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        self.end_chunk(false);
        let length = self.length();
        if (1..GUARANTEED).contains(&length) {
            let whole = self.tail().end(length);
            let digest = self.key.short(Kind::FoldedWhole, whole);
            self.batch.push(digest, true);
        }
        self.winnow();
        self.insert(0);
        (!self.index.is_full).then(|| self.orders.is_found())
    }

    /// Folded bytes so far.
    fn length(&self) -> usize {
        self.passed + self.end - BEFORE
    }

    /// The latest folded bytes.
    fn tail(&self) -> Tail {
        let all = self.end.checked_sub(MAX_TAIL);
        let all = all.and_then(|start| self.folded.get(start..)?.first_chunk());
        all.map(Tail::of).unwrap_or_default()
    }

    /// How many folded bytes there is room for: at least `fewest`.
    fn room(&mut self, fewest: usize) -> usize {
        if self.folded.len() - self.end < fewest {
            self.winnow();
        }
        self.folded.len() - self.end
    }

    /// Reads bytes up to the first that is not ASCII; there is room for them. Returns how many there were.
    fn ascii(&mut self, bytes: &[u8]) -> usize {
        let mut last = self.last;
        let mut end = self.end;
        let mut count = bytes.len();
        for (at, byte) in bytes.iter().enumerate() {
            let act = ACTS.get(usize::from(*byte)).copied().unwrap_or(0);
            if act >= MIN_FOLDED {
                if let Some(slot) = self.folded.get_mut(end) {
                    *slot = act;
                }
                end += 1;
            } else {
                if act == Sign::Wide as u8 {
                    count = at;
                    break;
                }
                self.end = end;
                self.last = last;
                self.sign(act, *byte);
            }
            last = act;
        }
        self.end = end;
        self.last = last;
        count
    }

    fn sign(&mut self, act: u8, byte: u8) {
        const SPACE: u8 = Sign::Space as u8;
        const END: u8 = Sign::End as u8;
        const QUOTE: u8 = Sign::Quote as u8;
        const HASH: u8 = Sign::Hash as u8;
        match act {
            SPACE => self.end_chunk(byte == b'\n'),
            END => self.end_word(),
            QUOTE => self.quotes = self.quotes.saturating_add(1),
            HASH => self.named = true,
            _ => {}
        }
    }

    fn character(&mut self, c: char) {
        if c.is_whitespace() {
            self.end_chunk(false);
        } else if matches!(c, '“' | '”' | '‘' | '’' | '«' | '»' | '„') {
            self.quotes = self.quotes.saturating_add(1);
        } else {
            fold_char(c, |byte| {
                self.room(1);
                self.push(byte);
            });
        }
        self.last = match c {
            _ if c.is_whitespace() => Sign::Space as u8,
            _ if c.is_alphanumeric() => MIN_FOLDED,
            _ => Sign::None as u8,
        };
    }

    /// Adds a folded byte; there is room for it.
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.folded.get_mut(self.end) {
            *slot = byte;
            self.end += 1;
        }
    }

    fn end_chunk(&mut self, is_line: bool) {
        self.end_word();
        self.rows.end_chunk();
        let length = self.length();
        if length > self.chunk {
            let bytes = length - self.chunk;
            let word = (bytes <= MAX_TAIL).then(|| self.tail().end(bytes));
            self.orders.word(word);
            self.chunk = length;
        }
        if is_line || (self.last < MIN_FOLDED && self.last != Sign::Space as u8) {
            self.orders.end_clause();
        }
    }

    fn end_word(&mut self) {
        let length = self.length();
        if length == self.word {
            return;
        }
        if !self.batch.has_room(MAX_ROWS) {
            self.insert(1);
        }
        let is_marked = self.quotes >= 2 || self.named;
        let tail = self.tail();
        let (key, batch) = (self.key, &mut self.batch);
        self.rows.end_word(self.word, length, is_marked, |bytes| {
            batch.push(key.short(Kind::Folded, tail.end(bytes)), true);
        });
        let bytes = length - self.word;
        self.named = bytes <= NAME && NAMES.contains(&tail.end(bytes).last);
        self.word = length;
        self.quotes = 0;
    }

    /// Winnows the folded bytes, and makes room for others.
    fn winnow(&mut self) {
        let end = match self.length() {
            GUARANTEED.. => self.end,
            _ => BEFORE,
        };
        let mut at = BEFORE;
        while at < end {
            if !self.batch.has_room(STRETCH) {
                self.insert(1);
            }
            let next = (at + STRETCH).min(end);
            while at < next {
                let view = self.folded.get(at + 1 - RUN..);
                if let Some(view) = view.and_then(<[u8]>::first_chunk) {
                    let count = (end - at).min(STEP);
                    self.runs.step(self.key, view, count, &mut self.batch);
                }
                at += STEP;
            }
        }
        self.passed += self.end - BEFORE;
        self.folded.copy_within(self.end - BEFORE..self.end, 0);
        self.end = BEFORE;
    }

    /// Inserts the digests that wait. `more` is 1 if others may follow.
    fn insert(&mut self, more: usize) {
        // As many of each byte as so far.
        let read = self.length().max(1);
        let new = self.index.table.len() - self.before;
        let left = self.size.saturating_sub(read);
        let more = more * (new.saturating_mul(left) / read);
        self.index.insert(self.batch.digests(), self.source, more);
        self.batch.clear();
    }
}
