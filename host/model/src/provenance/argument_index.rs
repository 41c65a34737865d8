//! What calls passed on. A tool that repeats its arguments, at once or in a later result, vouches for none of
//! them: a value is never more trusted than it was as an argument.

use std::collections::HashSet;

use super::{
    IndexKey,
    key::Kind,
    parts::is_value,
    phrase::Phrase,
    texts::{Containment, TextIndex},
    words::Word,
};

/// The most slots for arguments of a scope: 4 MiB, for about a million bytes.
const MAX_SLOTS: usize = 1 << 19;
/// The most words of arguments for which someone vouched.
const MAX_VOUCHED: usize = 1 << 16;
/// Values of arguments, folded as strangers' texts are.
#[derive(Debug, Clone)]
pub(super) struct ArgumentIndex {
    texts: TextIndex,
    /// Words in them for which someone vouched.
    vouched: HashSet<u64>,
}

impl Default for ArgumentIndex {
    fn default() -> Self {
        Self {
            texts: TextIndex::new(MAX_SLOTS),
            vouched: HashSet::new(),
        }
    }
}

impl ArgumentIndex {
    /// Adds a value.
    pub(super) fn read(&mut self, key: &IndexKey, text: &str) {
        self.texts.read(key, text, 0);
    }

    /// Says that it lacks some: everything may be one of them.
    pub(super) fn fill(&mut self) {
        self.texts.fill();
    }

    /// Whether it lacks some.
    pub(super) fn is_full(&self) -> bool {
        self.texts.is_full()
    }

    /// Says that someone vouches for a word of it.
    pub(super) fn vouch(&mut self, key: &IndexKey, word: &Phrase) {
        if self.vouched.len() < MAX_VOUCHED {
            self.vouched.insert(word.digest(key));
        }
    }

    /// Whether no value repeats one of it.
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Whether a value stands in the arguments, as a whole or by an address, a number or a path in it.
    pub(super) fn repeats(&self, key: &IndexKey, text: &str, words: &[Word]) -> bool {
        if self.texts.is_full() {
            return true;
        }
        if self.texts.is_empty() {
            return false;
        }
        // Another value is another one, however little it differs.
        let is_vouched = |word: &str| self.vouched.contains(&word_digest(key, word));
        let stands = |text: &str| {
            let found = self.texts.find(key, text);
            matches!(found, Some(Containment::Whole(_) | Containment::Field(_)))
        };
        let phrase = Phrase::new(text);
        if stands(text) {
            return !phrase.words().iter().all(|word| is_vouched(word));
        }
        let folded = words.iter().map(|word| word.text.as_str());
        let all = folded.chain(phrase.words().iter().map(String::as_str));
        let mut values = all.filter(|word| is_value(word));
        words.len() > 1 && values.any(|word| !is_vouched(word) && stands(word))
    }

    pub(super) fn bytes(&self) -> usize {
        const ENTRY: usize = 17;
        self.texts.bytes() + self.vouched.capacity() * ENTRY
    }
}

fn word_digest(key: &IndexKey, word: &str) -> u64 {
    key.digest(Kind::Field, [word])
}

/// The values of a call that has started, for the reading of its result.
#[derive(Debug, Clone, Default)]
pub struct CallValues {
    /// Those for which neither the operator nor a trusted field vouched.
    own: ArgumentIndex,
    /// Their words.
    words: HashSet<u64>,
    is_strangers: bool,
}

impl CallValues {
    /// Adds a value.
    pub(super) fn read(&mut self, key: &IndexKey, text: &str, words: &[Word]) {
        self.own.read(key, text);
        let digests = words.iter().map(|word| word_digest(key, &word.text));
        self.words.extend(digests);
    }

    /// Says that strangers may have chosen one of them.
    pub(super) fn expose(&mut self) {
        self.is_strangers = true;
    }

    /// Whether strangers may have chosen one of them, and with it the result.
    #[must_use]
    pub fn is_strangers(&self) -> bool {
        self.is_strangers
    }

    /// Whether no value of its result repeats one of them.
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether a value of its result stands in its arguments.
    pub(super) fn repeats(&self, key: &IndexKey, text: &str, words: &[Word]) -> bool {
        if self.words.is_empty() {
            return false;
        }
        let is_own = |word: &Word| self.words.contains(&word_digest(key, &word.text));
        words.iter().all(is_own) || self.own.repeats(key, text, words)
    }
}
