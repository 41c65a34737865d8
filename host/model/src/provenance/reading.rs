//! Reading a result into an index, field by field.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Place, ReadIndex, ResultSource, Trust,
    key::Kind,
    structure::structured,
    words::{self, words},
};
use crate::canonical::escape_segment;

/// The most trusted values.
const MAX_TRUSTED: usize = 1 << 17;
/// The most places; of further ones only the step is known.
const MAX_PLACES: usize = 1 << 14;
/// The most bytes of a pointer.
const MAX_POINTER: usize = 120;
/// The most levels of a result that are read as fields; what is deeper is untrusted text.
const MAX_DEPTH: usize = 64;
/// The most words of a field whose single words are values, too.
const MAX_WORDS: usize = 8;
/// The fewest characters of such a word.
const MIN_WORD: usize = 4;
/// The most bytes of a trusted text; what follows is not a value.
const MAX_TRUSTED_TEXT: usize = 64 * 1024;
/// The most lines of a trusted text whose parts are values.
const MAX_LINES: usize = 4096;
/// The most bytes of a result that are read. What follows may be any value.
const MAX_RESULT: usize = 16 << 20;
/// How often the bytes of a text count that is not all ASCII: what its characters look like takes time.
const FOLDED_WEIGHT: usize = 4;
/// The most bytes of a text that is read as fields though all of them are untrusted.
const MAX_UNTRUSTED_FIELDS: usize = 64 * 1024;

impl ReadIndex {
    /// Adds a text of a result: as fields if it is JSON, YAML or a table, else as one.
    pub fn read_text(&mut self, source: &ResultSource<'_>, text: &str) {
        // The fields of a long text that are all untrusted tell nothing that the text does not.
        let is_plain = text.len() > MAX_UNTRUSTED_FIELDS && source.trust.is_untrusted();
        match (!is_plain).then(|| structured(text)).flatten() {
            Some(value) => self.read_value(source, &value),
            None => ResultReader::new(self, source).leaf(text),
        }
    }

    /// Adds the fields of a result.
    pub fn read_value(&mut self, source: &ResultSource<'_>, value: &Value) {
        ResultReader::new(self, source).value(value);
    }
}

/// Reads one result.
struct ResultReader<'a> {
    index: &'a mut ReadIndex,
    source: &'a ResultSource<'a>,
    /// The path to the value that is being read.
    path: Vec<String>,
    /// Places of this result, by pointer.
    known: BTreeMap<String, u32>,
    /// Bytes that may still be read.
    left: usize,
}

impl<'a> ResultReader<'a> {
    fn new(index: &'a mut ReadIndex, source: &'a ResultSource<'a>) -> Self {
        index.steps = index.steps.saturating_add(1);
        Self {
            index,
            source,
            path: Vec::new(),
            known: BTreeMap::new(),
            left: MAX_RESULT,
        }
    }

    fn value(&mut self, value: &Value) {
        if self.path.len() > MAX_DEPTH {
            return self.text(&value.to_string());
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    self.path.push(name.clone());
                    self.name(name);
                    self.value(member);
                    self.path.pop();
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.path.push("*".to_owned());
                    self.value(item);
                    self.path.pop();
                }
            }
            Value::String(text) => self.leaf(text),
            Value::Number(number) => self.leaf(&number.to_string()),
            Value::Bool(_) | Value::Null => {}
        }
    }

    fn name(&mut self, text: &str) {
        self.read(text, self.source.trust.of(&self.path));
    }

    fn leaf(&mut self, text: &str) {
        self.read(text, self.source.trust.of_text(&self.path));
    }

    fn read(&mut self, text: &str, trust: Trust) {
        let weight = if text.is_ascii() { 1 } else { FOLDED_WEIGHT };
        let Some(left) = self.left.checked_sub(text.len().saturating_mul(weight)) else {
            self.left = 0;
            return self.index.texts.mark_full();
        };
        self.left = left;
        match trust {
            Trust::Trusted => self.trusted(text),
            Trust::Untrusted => self.text(text),
        }
    }

    fn text(&mut self, text: &str) {
        let place = self.place();
        let ReadIndex { key, texts, .. } = &mut *self.index;
        texts.read(key, text, place);
    }

    /// A trusted text: a value as a whole, and what stands in each of its lines, lists and assignments.
    fn trusted(&mut self, text: &str) {
        let text = text
            .get(..text.floor_char_boundary(MAX_TRUSTED_TEXT))
            .unwrap_or_default();
        self.trusted_value(text);
        let separators = ['\n', ',', ';', '|'];
        if !text.contains(separators) && !text.contains(": ") {
            return;
        }
        for line in text.split('\n').take(MAX_LINES) {
            let (name, value) = line.split_once(": ").unwrap_or(("", line));
            for part in [line, name, value] {
                self.trusted_value(part);
            }
            value
                .split(separators)
                .for_each(|part| self.trusted_value(part));
        }
    }

    fn trusted_value(&mut self, text: &str) {
        let words = words(text);
        if words.is_empty() {
            return;
        }
        let place = self.place();
        let ReadIndex { key, trusted, .. } = &mut *self.index;
        let mut insert = |digest: u64| {
            if trusted.len() < MAX_TRUSTED {
                trusted.entry(digest).or_insert(place);
            }
        };
        insert(key.field(&words));
        if let Some(compact) = words::compact(&words) {
            // The groups of digits of an account number are not values by themselves.
            return insert(key.digest(Kind::Compact, [compact.as_str()]));
        }
        if words.len() > 1 && words.len() <= MAX_WORDS {
            let long = words.iter().filter(|w| w.text.chars().count() >= MIN_WORD);
            long.for_each(|w| insert(key.digest(Kind::Field, [w.text.as_str()])));
        }
    }

    /// The number of the place that is being read.
    fn place(&mut self) -> u32 {
        let mut pointer = String::new();
        for part in &self.path {
            if pointer.len() + part.len() > MAX_POINTER {
                pointer.push_str("/…");
                break;
            }
            pointer.push('/');
            pointer.push_str(&escape_segment(part));
        }
        if let Some(place) = self.known.get(&pointer) {
            return *place;
        }
        let places = &mut self.index.places;
        if places.len() >= MAX_PLACES {
            return last(places);
        }
        places.push(Place {
            call: self.source.call,
            pointer: pointer.clone(),
            run: self.source.run,
            step: self.index.steps,
            tool: self.source.tool.to_owned(),
        });
        let place = last(places);
        self.known.insert(pointer, place);
        place
    }
}

/// The number of the last place.
fn last(places: &[Place]) -> u32 {
    u32::try_from(places.len().saturating_sub(1)).unwrap_or(u32::MAX)
}
