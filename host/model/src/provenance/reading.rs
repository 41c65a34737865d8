//! Reading a result into an index, field by field.

mod paths;

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, Value};

use self::paths::Paths;
use super::{
    FieldTrust, Place, ReadIndex, ResultSource, Trust, form,
    key::{IndexKey, Kind},
    phrase::{self, CallValue, Phrase},
    spans::{items, spans},
    structure::structured,
    urging::{orders, urging_parts},
    words::{TRAILING, has_words, words},
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
        let is_plain = text.len() > MAX_UNTRUSTED_FIELDS && trust(source).is_untrusted();
        let value = (!is_plain).then(|| structured(text)).flatten();
        let mut reader = ResultReader::new(self, source);
        match &value {
            Some(value) => reader.value(value),
            None => reader.leaf(&CallValue::text(text)),
        };
    }

    /// Adds the fields of a result.
    pub fn read_value(&mut self, source: &ResultSource<'_>, value: &Value) {
        ResultReader::new(self, source).value(value);
    }
}

/// The trust in the fields of a result. What a tool makes of a stranger's words is a stranger's, too.
fn trust<'a>(source: &ResultSource<'a>) -> Cow<'a, FieldTrust> {
    match source.is_tainted || source.values.is_strangers() {
        true => Cow::Owned(source.trust.of_fields()),
        false => Cow::Borrowed(source.trust),
    }
}

/// Reads one result.
struct ResultReader<'a> {
    index: &'a mut ReadIndex,
    source: &'a ResultSource<'a>,
    trust: Cow<'a, FieldTrust>,
    paths: Paths<'a>,
    /// Places of this result, by pointer.
    known: BTreeMap<String, u32>,
    /// Bytes that may still be read.
    left: usize,
}

impl<'a> ResultReader<'a> {
    fn new(index: &'a mut ReadIndex, source: &'a ResultSource<'a>) -> Self {
        index.steps = index.steps.saturating_add(1);
        let trust = trust(source);
        Self {
            index,
            source,
            paths: Paths::new(&trust),
            trust,
            known: BTreeMap::new(),
            left: MAX_RESULT,
        }
    }

    /// Reads a value. Whether strangers order an act in it.
    fn value(&mut self, value: &'a Value) -> bool {
        if self.paths.names().len() > MAX_DEPTH {
            return self.text(&value.to_string());
        }
        match value {
            Value::Object(members) => {
                let mut orders = false;
                for (name, member) in members {
                    self.paths.enter(name, &self.trust);
                    orders |= self.name(name);
                    orders |= self.value(member);
                    self.paths.leave();
                }
                if orders {
                    self.mark_near_orders(members);
                }
                orders
            }
            Value::Array(items) => {
                let mut orders = false;
                self.paths.enter("*", &self.trust);
                for item in items {
                    orders |= self.value(item);
                }
                self.paths.leave();
                orders
            }
            Value::String(text) => self.leaf(&CallValue::text(text)),
            Value::Number(number) => self.leaf(&CallValue {
                is_number: true,
                ..CallValue::text(&number.to_string())
            }),
            Value::Bool(_) | Value::Null => false,
        }
    }

    /// Notes the trusted values of an object in which strangers order an act: its own, and those of its lists.
    fn mark_near_orders(&mut self, members: &'a Map<String, Value>) {
        for (name, member) in members {
            self.paths.enter(name, &self.trust);
            match member {
                Value::Array(items) => {
                    self.paths.enter("*", &self.trust);
                    items.iter().for_each(|item| self.mark_leaf(item));
                    self.paths.leave();
                }
                member => self.mark_leaf(member),
            }
            self.paths.leave();
        }
    }

    fn mark_leaf(&mut self, leaf: &Value) {
        let (text, is_number) = match leaf {
            Value::String(text) => (text.clone(), false),
            Value::Number(number) => (number.to_string(), true),
            Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => return,
        };
        if text.len() > MAX_TRUSTED_TEXT
            || self.paths.trust(&self.trust).1 != Trust::Trusted
            || self.index.near_orders.len() >= MAX_TRUSTED
            || words(&text).is_empty()
        {
            return;
        }
        let value = CallValue {
            is_number,
            ..CallValue::text(&text)
        };
        let digests = field_digests(&self.index.key, &value);
        self.index.near_orders.extend(digests);
    }

    /// Reads the name of a member. Rows repeat their names: another reading of one changes nothing.
    fn name(&mut self, text: &str) -> bool {
        if !self.has_room(text) {
            return true;
        }
        let held = self.paths.path().and_then(|path| path.name_orders);
        if let Some(orders) = held.filter(|_| !self.is_full()) {
            return orders;
        }
        let (trust, _) = self.paths.trust(&self.trust);
        let orders = self.read(&CallValue::text(text), trust);
        if let Some(path) = self.paths.path() {
            path.name_orders = Some(orders);
        }
        orders
    }

    fn leaf(&mut self, value: &CallValue<'_>) -> bool {
        let (_, trust) = self.paths.trust(&self.trust);
        !self.has_room(value.text) || self.read(value, trust)
    }

    /// Whether a text is among those that are read. If not, it may say anything.
    fn has_room(&mut self, text: &str) -> bool {
        let weight = if text.is_ascii() { 1 } else { FOLDED_WEIGHT };
        let left = self.left.checked_sub(text.len().saturating_mul(weight));
        if left.is_none() {
            self.index.urging.mark_full();
            self.index.texts.mark_full();
        }
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    /// Whether no text of strangers is taken any more.
    fn is_full(&self) -> bool {
        self.index.texts.is_full() && self.index.urging.is_full()
    }

    /// Reads a text. Whether strangers order an act in it.
    fn read(&mut self, value: &CallValue<'_>, trust: Trust) -> bool {
        let text = value.text;
        match trust {
            Trust::Trusted => {
                self.trusted(value);
                false
            }
            Trust::Counterparty => {
                self.counterparty(text);
                false
            }
            Trust::Untrusted => self.text(text),
        }
    }

    /// Who wrote, paid or invited: the address counts, and is a stranger's text, too. Names next to it are
    /// only that.
    fn counterparty(&mut self, text: &str) {
        self.text(text);
        let address = match text.rsplit_once('<') {
            Some((_, address)) => address.trim_end().strip_suffix('>'),
            None => Some(text),
        };
        let Some(address) = address.filter(|address| !address.contains(char::is_whitespace)) else {
            return;
        };
        for digest in self.trusted_value(&CallValue::text(address)) {
            self.index.counterparties.insert(digest);
        }
    }

    fn text(&mut self, text: &str) -> bool {
        if self.is_full() {
            return true;
        }
        let place = self.place();
        let ReadIndex {
            key, texts, urging, ..
        } = &mut *self.index;
        let found = texts.read(key, text, place);
        let orders = found.unwrap_or_else(|| orders(text));
        if orders {
            for part in urging_parts(text) {
                urging.read(key, part, place);
            }
        }
        orders
    }

    /// A trusted text: a value as a whole, and what stands in each of its lines, lists and assignments.
    fn trusted(&mut self, value: &CallValue<'_>) {
        if self.index.trusted.len() >= MAX_TRUSTED {
            return;
        }
        let text = value
            .text
            .get(..value.text.floor_char_boundary(MAX_TRUSTED_TEXT))
            .unwrap_or_default();
        self.trusted_value(&CallValue { text, ..*value });
        let separators = ['\n', ',', ';', '|'];
        if !text.contains(separators) && !text.contains(": ") {
            return;
        }
        for line in text.split('\n').take(MAX_LINES) {
            // A path may have a colon in it, and what stands before that is another one.
            let named = line.split_once(": ");
            let named = named.filter(|(name, _)| !name.contains(['/', '\\']));
            let (name, value) = named.unwrap_or(("", line));
            for part in [line, name, value] {
                self.trusted_value(&CallValue::text(part));
            }
            // `1,000` is one number.
            let is_number = form::Number::read(value.trim()).is_some();
            let items = items(value, &separators).filter(|_| !is_number);
            for (_, part) in items.unwrap_or_default() {
                self.trusted_value(&CallValue::text(part));
            }
        }
    }

    /// Enters a value, unless this call or an earlier one passed it on. Returns its digests, as far as they are
    /// entered.
    fn trusted_value(&mut self, value: &CallValue<'_>) -> Vec<u64> {
        if self.index.may_repeat() {
            return Vec::new();
        }
        if self.repeats_or_is_blank(value.text) {
            return Vec::new();
        }
        let key = &self.index.key;
        let mut digests = field_digests(key, value);
        let place = self.place();
        let trusted = &mut self.index.trusted;
        for digest in &digests {
            if trusted.len() < MAX_TRUSTED {
                trusted.entry(*digest).or_insert(place);
            }
        }
        digests.retain(|digest| trusted.contains_key(digest));
        digests
    }

    /// Whether a text has no words, or a call passed it on.
    fn repeats_or_is_blank(&self, text: &str) -> bool {
        let (own, all) = (self.source.values, &self.index.arguments);
        if own.is_empty() && all.is_empty() && has_words(text) {
            return false;
        }
        let key = &self.index.key;
        let words = words(text);
        words.is_empty() || own.repeats(key, text, &words) || all.repeats(key, text, &words)
    }

    /// The number of the place that is being read.
    fn place(&mut self) -> u32 {
        if let Some(place) = self.paths.path().and_then(|path| path.place) {
            return place;
        }
        let place = self.place_of_pointer();
        if let Some(path) = self.paths.path() {
            path.place = Some(place);
        }
        place
    }

    fn place_of_pointer(&mut self) -> u32 {
        let mut pointer = String::new();
        for part in self.paths.names() {
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

/// The digests of a trusted field: of all of it, and of its words if they are few.
fn field_digests(key: &IndexKey, value: &CallValue<'_>) -> Vec<u64> {
    let phrase = value.phrase();
    let mut digests = vec![phrase.digest(key)];
    if let [only] = phrase.words() {
        digests.extend(phrase::source_number_digests(key, only));
        if value.is_number {
            let number = form::Number::read(only);
            digests.extend(number.map(|number| key.digest(Kind::Amount, ["", &number.plain])));
        }
    }
    // What ends a sentence is not a part of what it names.
    let whole = value.text.trim_end();
    let bare = whole.trim_end_matches(TRAILING);
    if phrase.words().len() > 1 && bare.len() < whole.len() && !bare.ends_with(['/', '\\']) {
        let sentence = Phrase::new(bare);
        if sentence.words().len() == phrase.words().len() {
            digests.push(sentence.digest(key));
        }
    }
    if let Some(compact) = phrase.compact() {
        // The groups of digits of an account number are not values by themselves.
        digests.push(key.digest(Kind::Compact, [compact.as_str()]));
    } else if (2..=MAX_WORDS).contains(&phrase.words().len())
        && !phrase.is_run_together()
        // What a path with spaces begins with is another one.
        && !value.text.contains(['/', '\\'])
    {
        let (spans, _) = spans(value.text, 0);
        for form in spans.iter().flat_map(|span| &span.forms) {
            if form.chars().count() >= MIN_WORD {
                digests.push(key.digest(Kind::Field, [form.as_str()]));
                digests.extend(phrase::source_number_digests(key, form));
            }
        }
    }
    digests
}
