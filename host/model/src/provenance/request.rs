//! The user's request, as positions of the digests of its words.

use std::collections::{HashMap, HashSet};

use super::{
    form,
    key::{IndexKey, Kind},
    phrase::{self, Phrase},
    spans::{Span, spans},
    words,
};

/// The most bytes of requests that are indexed. What follows is not the user's for any value.
const MAX_BYTES: usize = 64 * 1024;
/// The fewest characters of a value that may stand anywhere in the request.
const MIN_LENGTH: usize = 3;
/// The same of a value in digits alone, which may be a part of a date or a time.
const MIN_DIGITS: usize = 4;
/// The most words of a value that is written in groups.
const MAX_GROUPS: usize = 10;
/// The most places of a word that are kept.
const MAX_PLACES: usize = 1024;
/// The most messages of a run; the oldest goes first.
const MAX_MESSAGES: usize = 64;

/// What the user asked for in a run: messages, the latest last.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestIndex {
    messages: Vec<MessageIndex>,
    bytes: usize,
}

impl RequestIndex {
    pub(super) fn read(&mut self, key: &IndexKey, text: &str) {
        let room = MAX_BYTES.saturating_sub(self.bytes);
        let text = text
            .get(..text.floor_char_boundary(room))
            .unwrap_or_default();
        let whole = Phrase::new(text).digest(key);
        let mut held = self.messages.iter();
        if let Some(at) = held.position(|message| message.whole == whole) {
            // Hosts tell the same request with every call.
            let message = self.messages.remove(at);
            return self.messages.push(message);
        }
        self.bytes += text.len();
        if self.messages.len() >= MAX_MESSAGES {
            self.messages.remove(0);
        }
        let mut message = MessageIndex {
            whole,
            ..MessageIndex::default()
        };
        message.read(key, text);
        self.messages.push(message);
    }

    /// Whether the user named this value.
    pub(super) fn has(&self, key: &IndexKey, value: &Phrase) -> bool {
        self.messages.iter().any(|message| message.has(key, value))
    }

    /// The messages, the latest last.
    pub(super) fn messages(&self) -> &[MessageIndex] {
        &self.messages
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.messages.iter().map(MessageIndex::bytes).sum()
    }
}

/// One message of the user.
#[derive(Debug, Clone, Default)]
pub(super) struct MessageIndex {
    /// The digest of all of it.
    whole: u64,
    /// Where each word begins and ends, in their order.
    places: HashMap<u64, Vec<(u32, u32)>>,
    /// Short values that are marked as such, whole requests, hosts, dates, and values without white space.
    values: HashSet<u64>,
    /// Where sentences begin.
    beginnings: HashSet<u32>,
}

impl MessageIndex {
    fn read(&mut self, key: &IndexKey, text: &str) {
        let (spans, _) = spans(text, 0);
        for span in &spans {
            self.read_span(key, span);
        }
        let leaves: Vec<&Span> = spans.iter().filter(|span| span.is_leaf).collect();
        for at in 0..leaves.len() {
            let rest = leaves.get(at..).unwrap_or_default();
            self.read_groups(key, rest);
            self.read_date(key, rest);
        }
        self.values.insert(self.whole);
    }

    fn read_span(&mut self, key: &IndexKey, span: &Span) {
        if span.is_first {
            self.beginnings.insert(span.start);
        }
        let mut digests = Vec::new();
        for form in &span.forms {
            let form = form.as_str();
            digests.push(key.digest(Kind::Word, [form]));
            digests.extend(phrase::source_number_digests(key, form));
            if span.is_marked {
                self.values.insert(key.digest(Kind::Field, [form]));
            }
        }
        if let Some(host) = words::url_host(&span.core) {
            self.values.insert(key.digest(Kind::Field, [host]));
        }
        let place = (span.start, span.end);
        for digest in digests {
            let places = self.places.entry(digest).or_default();
            if places.len() < MAX_PLACES && places.last() != Some(&place) {
                places.push(place);
            }
        }
    }

    fn read_groups(&mut self, key: &IndexKey, rest: &[&Span]) {
        for (at, group) in rest.iter().take(MAX_GROUPS).enumerate() {
            let all = rest.get(..=at).unwrap_or_default();
            let cores = all.iter().map(|span| span.core.as_str());
            if let Some(compact) = phrase::compact(cores) {
                self.values
                    .insert(key.digest(Kind::Compact, [compact.as_str()]));
            }
            // Nothing but white space stands between two groups.
            let next = rest.get(at + 1);
            if !group.is_bare.1 || next.is_none_or(|next| !next.is_bare.0) {
                return;
            }
        }
    }

    fn read_date(&mut self, key: &IndexKey, rest: &[&Span]) {
        const MAX_WORDS: usize = 4;
        let words = rest.iter().take(MAX_WORDS);
        let words: Vec<&str> = words.map(|span| span.core.as_str()).collect();
        if let Some((date, _)) = form::date(&words) {
            self.values.extend(phrase::source_date_digests(key, &date));
        }
    }

    /// Whether the user named this value.
    pub(super) fn has(&self, key: &IndexKey, value: &Phrase) -> bool {
        if self.values.contains(&value.digest(key)) {
            return true;
        }
        // Signs alone are a value only where they are marked as one.
        if !value.has_letter_or_digit() {
            return false;
        }
        let words = value.words();
        let length: usize = words.iter().map(|word| word.chars().count()).sum();
        let is_digits = words
            .iter()
            .all(|word| word.bytes().all(|b| b.is_ascii_digit()));
        if length < MIN_LENGTH || (is_digits && length < MIN_DIGITS) {
            return false;
        }
        self.follow(key, value) || self.has_form(key, value)
    }

    /// Whether these words follow one another in it.
    fn follow(&self, key: &IndexKey, value: &Phrase) -> bool {
        // Where the words before end; absent before the first.
        let mut ends: Option<Vec<u32>> = None;
        for word in value.words().iter().take(phrase::MAX_WORDS) {
            let digests = value.word_digests(key, word);
            let places = digests.filter_map(|digest| self.places.get(&digest));
            let mut next: Vec<u32> = places
                .flatten()
                .filter(|(start, _)| {
                    let before = ends.as_ref();
                    before.is_none_or(|ends| ends.binary_search(start).is_ok())
                })
                .map(|(_, end)| *end)
                .collect();
            if next.is_empty() {
                return false;
            }
            next.sort_unstable();
            next.dedup();
            ends = Some(next);
        }
        ends.is_some()
    }

    /// Whether the value stands there in another form: a date, or an account number in groups.
    fn has_form(&self, key: &IndexKey, value: &Phrase) -> bool {
        let compact = value.compact();
        let compact = compact.map(|compact| key.digest(Kind::Compact, [compact.as_str()]));
        let dates = value.date_digests(key);
        let mut all = compact.into_iter().chain(dates);
        all.any(|digest| self.values.contains(&digest))
    }

    /// Whether this word stands in it.
    pub(super) fn has_word(&self, key: &IndexKey, word: &str) -> bool {
        !self.places_of(key, word).is_empty()
    }

    /// Whether this word begins a sentence, or follows one of these.
    pub(super) fn has_word_after(&self, key: &IndexKey, word: &str, before: &[&str]) -> bool {
        let follows = |at: u32| {
            let Some(previous) = at.checked_sub(1) else {
                return false;
            };
            let stands = |word: &&str| {
                let places = self.places_of(key, word);
                places.binary_search(&(previous, at)).is_ok()
            };
            before.iter().any(stands)
        };
        let places = self.places_of(key, word).iter();
        places
            .map(|(start, _)| *start)
            .any(|at| self.beginnings.contains(&at) || follows(at))
    }

    fn places_of(&self, key: &IndexKey, word: &str) -> &[(u32, u32)] {
        let places = self.places.get(&key.digest(Kind::Word, [word]));
        places.map_or(&[], Vec::as_slice)
    }

    fn bytes(&self) -> usize {
        const ENTRY: usize = 17;
        const PLACES: usize = 64;
        self.places.capacity() * (ENTRY + PLACES)
            + (self.values.capacity() + self.beginnings.capacity()) * ENTRY
    }
}
