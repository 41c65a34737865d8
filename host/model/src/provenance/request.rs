//! The user's request, as positions of the digests of its words.

use std::collections::{HashMap, HashSet};

use super::{
    form,
    key::{IndexKey, Kind},
    words::{self, Word, words},
};

/// The most bytes of requests that are indexed. What follows is not the user's for any value.
const MAX_BYTES: usize = 64 * 1024;
/// The fewest characters of a value that may stand anywhere in the request.
const MIN_LENGTH: usize = 3;
/// The same of a value in digits alone, which may be a part of a date or a time.
const MIN_DIGITS: usize = 4;
/// The most words of a value that is written in groups.
const MAX_GROUPS: usize = 10;
/// What a sentence ends with.
const SENTENCE_ENDS: [char; 5] = ['.', '!', '?', ':', ';'];

#[derive(Debug, Clone, Default)]
pub(super) struct RequestIndex {
    /// Positions of each word, in their order.
    positions: HashMap<u64, Vec<u32>>,
    /// Short values that are marked as such, whole requests, hosts, dates, and values without white space.
    values: HashSet<u64>,
    /// Positions of the first words of sentences.
    beginnings: HashSet<u32>,
    next: u32,
    bytes: usize,
}

impl RequestIndex {
    pub(super) fn read(&mut self, key: &IndexKey, text: &str) {
        let room = MAX_BYTES.saturating_sub(self.bytes);
        let text = text
            .get(..text.floor_char_boundary(room))
            .unwrap_or_default();
        let words = words(text);
        let whole = words::joined(&words);
        let whole = key.digest(Kind::Field, [whole.as_str()]);
        if self.values.contains(&whole) {
            // Hosts tell the same request with every call.
            return;
        }
        self.bytes += text.len();
        self.read_beginnings(text);
        for (at, word) in words.iter().enumerate() {
            self.read_word(key, word);
            self.read_groups(key, words.get(at..).unwrap_or_default());
        }
        let texts: Vec<&str> = words.iter().map(|w| w.text.as_str()).collect();
        for at in 0..texts.len() {
            if let Some((date, _)) = form::date(texts.get(at..).unwrap_or_default()) {
                self.values.insert(key.digest(Kind::Date, [date.as_str()]));
                if let Some(within) = date.get(5..).filter(|_| date.len() == 10) {
                    self.values.insert(key.digest(Kind::Date, [within]));
                }
            }
        }
        self.values.insert(whole);
        // Words of one message do not continue those of another.
        self.next = self.next.saturating_add(1);
    }

    fn read_beginnings(&mut self, text: &str) {
        let mut at = self.next;
        let mut begins = true;
        for chunk in text.split_inclusive(char::is_whitespace) {
            let count = words(chunk).len();
            if begins && count > 0 {
                self.beginnings.insert(at);
            }
            at = at.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            let ends = chunk.ends_with('\n') || chunk.trim_end().ends_with(SENTENCE_ENDS);
            begins = ends || (begins && count == 0);
        }
    }

    fn read_word(&mut self, key: &IndexKey, word: &Word) {
        let text = word.text.as_str();
        let digest = key.digest(Kind::Word, [text]);
        self.positions.entry(digest).or_default().push(self.next);
        self.next = self.next.saturating_add(1);
        if word.is_marked {
            self.values.insert(key.digest(Kind::Field, [text]));
        }
        if let Some(host) = words::host(text) {
            self.values.insert(key.digest(Kind::Field, [host]));
        }
    }

    fn read_groups(&mut self, key: &IndexKey, rest: &[Word]) {
        for length in 2..=MAX_GROUPS.min(rest.len()) {
            let groups = rest.get(..length).unwrap_or_default();
            if let Some(compact) = words::compact(groups) {
                self.values
                    .insert(key.digest(Kind::Compact, [compact.as_str()]));
            }
        }
    }

    /// Whether the user named this value.
    pub(super) fn has(&self, key: &IndexKey, value: &[Word]) -> bool {
        let length: usize = value.iter().map(|w| w.text.chars().count()).sum();
        let joined = words::joined(value);
        if self
            .values
            .contains(&key.digest(Kind::Field, [joined.as_str()]))
        {
            return true;
        }
        let is_digits = value
            .iter()
            .all(|w| w.text.bytes().all(|b| b.is_ascii_digit()));
        if length < MIN_LENGTH || (is_digits && length < MIN_DIGITS) {
            return false;
        }
        self.follow(key, value) || self.has_form(key, value)
    }

    /// Whether these words follow one another in it.
    fn follow(&self, key: &IndexKey, value: &[Word]) -> bool {
        let mut each = value.iter().map(|word| {
            let digest = key.digest(Kind::Word, [word.text.as_str()]);
            self.positions.get(&digest)
        });
        let Some(Some(first)) = each.next() else {
            return false;
        };
        let Some(rest) = each.collect::<Option<Vec<_>>>() else {
            return false;
        };
        first.iter().any(|begin| {
            (1..).zip(&rest).all(|(offset, at)| {
                let wanted = begin.saturating_add(offset);
                at.binary_search(&wanted).is_ok()
            })
        })
    }

    /// Whether the value stands there in another form: a date, or an account number in groups.
    fn has_form(&self, key: &IndexKey, value: &[Word]) -> bool {
        if let Some(compact) = words::compact(value)
            && self
                .values
                .contains(&key.digest(Kind::Compact, [compact.as_str()]))
        {
            return true;
        }
        let texts: Vec<&str> = value.iter().map(|w| w.text.as_str()).collect();
        match form::date(&texts) {
            Some((date, used)) if used == texts.len() => {
                let within = date.get(5..).unwrap_or_default();
                [date.as_str(), within].into_iter().any(|date| {
                    let digest = key.digest(Kind::Date, [date]);
                    !date.is_empty() && self.values.contains(&digest)
                })
            }
            _ => false,
        }
    }

    /// Whether this word stands in it.
    pub(super) fn has_word(&self, key: &IndexKey, word: &str) -> bool {
        !self.positions_of(key, word).is_empty()
    }

    /// Whether this word begins a sentence, or follows one of these.
    pub(super) fn has_word_after(&self, key: &IndexKey, word: &str, before: &[&str]) -> bool {
        let follows = |at: u32| {
            let Some(previous) = at.checked_sub(1) else {
                return false;
            };
            let stands = |word: &&str| {
                let positions = self.positions_of(key, word);
                positions.binary_search(&previous).is_ok()
            };
            before.iter().any(stands)
        };
        let positions = self.positions_of(key, word).iter();
        positions
            .copied()
            .any(|at| self.beginnings.contains(&at) || follows(at))
    }

    fn positions_of(&self, key: &IndexKey, word: &str) -> &[u32] {
        let positions = self.positions.get(&key.digest(Kind::Word, [word]));
        positions.map_or(&[], Vec::as_slice)
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        const ENTRY: usize = 17;
        const POSITIONS: usize = 48;
        self.positions.capacity() * (ENTRY + POSITIONS)
            + (self.values.capacity() + self.beginnings.capacity()) * ENTRY
    }
}
