//! What calls passed on. A tool that repeats its arguments, at once or in a later result, vouches for none of
//! them: a value is never more trusted than it was as an argument.

use std::collections::HashSet;

use serde_json::Value;

use super::{
    IndexKey, Origin, ReadIndex, form,
    key::Kind,
    parts::is_value,
    texts::{Containment, TextIndex},
    words::{Word, words},
};
use crate::ids::RunId;

/// The most slots for arguments of a scope: 4 MiB, for about a million bytes.
const MAX_SLOTS: usize = 1 << 19;
/// The most words of arguments for which someone vouched.
const MAX_VOUCHED: usize = 1 << 16;
/// The most values of a call that are looked up; any other may be a stranger's.
const MAX_VALUES: usize = 1024;
/// The most bytes of a value that is looked up.
const MAX_TEXT: usize = 64 * 1024;
/// The most words of a value that are looked up.
const MAX_WORDS: usize = 4096;
/// The most levels of arguments; what is deeper is one text.
const MAX_DEPTH: usize = 64;
/// The fewest characters of a text that may say something in disguise.
const MIN_TEXT: usize = 4;
/// The smallest number that may.
const MIN_NUMBER: f64 = 1e6;

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
    fn read(&mut self, key: &IndexKey, text: &str) {
        self.texts.read(key, text, 0);
    }

    /// Whether a value stands in the arguments, as a whole or by an address, a number or a path in it.
    pub(super) fn repeats(&self, key: &IndexKey, text: &str, words: &[Word]) -> bool {
        if self.texts.is_full() {
            return true;
        }
        let is_vouched = |word: &Word| self.vouched.contains(&word_digest(key, word));
        let stands = |text: &str| {
            let found = self.texts.find(key, text);
            matches!(found, Some(Containment::Whole(_) | Containment::Field(_)))
        };
        if stands(text) {
            return !words.iter().all(is_vouched);
        }
        let mut values = words.iter().filter(|word| is_value(&word.text));
        words.len() > 1 && values.any(|word| !is_vouched(word) && stands(&word.text))
    }

    pub(super) fn bytes(&self) -> usize {
        const ENTRY: usize = 17;
        self.texts.bytes() + self.vouched.capacity() * ENTRY
    }
}

fn word_digest(key: &IndexKey, word: &Word) -> u64 {
    key.digest(Kind::Field, [word.text.as_str()])
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
    /// Whether strangers may have chosen one of them, and with it the result.
    #[must_use]
    pub fn is_strangers(&self) -> bool {
        self.is_strangers
    }

    /// Whether a value of its result stands in its arguments.
    pub(super) fn repeats(&self, key: &IndexKey, text: &str, words: &[Word]) -> bool {
        if self.words.is_empty() {
            return false;
        }
        let is_own = |word: &Word| self.words.contains(&word_digest(key, word));
        words.iter().all(is_own) || self.own.repeats(key, text, words)
    }
}

impl ReadIndex {
    /// Says that a call of a run starts with these arguments.
    pub fn begin_call(&mut self, run: RunId, arguments: &Value) -> CallValues {
        let mut reader = ArgumentReader {
            run,
            is_exposed: self.is_exposed(),
            count: 0,
            values: CallValues::default(),
            scope: std::mem::take(&mut self.arguments),
            index: self,
        };
        reader.value(arguments, 0, Within::Object);
        let ArgumentReader { values, scope, .. } = reader;
        self.arguments = scope;
        values
    }
}

/// What a value is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Object,
    Array,
}

struct ArgumentReader<'a> {
    index: &'a ReadIndex,
    run: RunId,
    is_exposed: bool,
    count: usize,
    values: CallValues,
    /// The arguments of all calls of the scope.
    scope: ArgumentIndex,
}

impl ArgumentReader<'_> {
    fn value(&mut self, value: &Value, depth: usize, within: Within) {
        if depth > MAX_DEPTH {
            return self.leaf(&value.to_string(), true);
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if depth > 0 && is_value(name) {
                        self.leaf(name, true);
                    }
                    self.value(member, depth + 1, Within::Object);
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.value(item, depth + 1, Within::Array);
                }
            }
            Value::String(text) => self.leaf(text, tells(text)),
            Value::Number(number) => {
                let is_small = number.as_f64().is_some_and(|n| n.abs() < MIN_NUMBER);
                let tells = !is_small || within == Within::Array;
                self.leaf(&number.to_string(), tells);
            }
            Value::Bool(_) | Value::Null => {}
        }
    }

    /// Reads a value. `tells` says whether it can carry what a stranger said, in whatever form.
    fn leaf(&mut self, text: &str, tells: bool) {
        let Some(origin) = self.origin(text) else {
            return;
        };
        let own = &mut self.values;
        let is_strangers = match origin {
            Origin::Operator | Origin::Trusted => return,
            Origin::User => false,
            Origin::Model => self.is_exposed,
            Origin::Untrusted => true,
        };
        let (key, words) = (&self.index.key, words(text));
        own.own.read(key, text);
        own.words
            .extend(words.iter().map(|word| word_digest(key, word)));
        // What tells nothing may stand anywhere.
        if is_strangers && tells {
            own.is_strangers = true;
            self.scope.read(key, text);
            self.vouch(&words);
        }
    }

    /// The origin of a value; `None` if there is nothing in it.
    fn origin(&mut self, text: &str) -> Option<Origin> {
        self.count += 1;
        if self.count > MAX_VALUES || text.len() > MAX_TEXT {
            return Some(Origin::Untrusted);
        }
        let found = self.index.find(self.run, text)?;
        Some(found.origin)
    }

    /// Keeps which of these words someone vouches for.
    fn vouch(&mut self, words: &[Word]) {
        for word in words.iter().take(MAX_WORDS) {
            if self.scope.vouched.len() < MAX_VOUCHED
                && self.index.is_vouched(self.run, std::slice::from_ref(word))
            {
                let digest = word_digest(&self.index.key, word);
                self.scope.vouched.insert(digest);
            }
        }
    }
}

/// Whether a text can carry what a stranger said: not if it is a few characters, a small number, a date or a
/// time.
fn tells(text: &str) -> bool {
    let words = words(text);
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let is_plain = match texts.as_slice() {
        [] => true,
        [word] => {
            let number = form::number(word).and_then(|n| n.parse::<f64>().ok());
            word.chars().count() < MIN_TEXT
                || number.is_some_and(|n| n.abs() < MIN_NUMBER)
                || form::time(word).is_some()
                || form::date(&[word]).is_some()
        }
        [all @ .., time] => {
            let is_date =
                |words: &[&str]| form::date(words).is_some_and(|(_, used)| used == words.len());
            is_date(&texts) || (form::time(time).is_some() && is_date(all))
        }
    };
    !is_plain
}

#[cfg(test)]
mod tests;
