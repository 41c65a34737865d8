//! What the runs of one scope of memory have read.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    FieldTrust, IndexKey, Origin, Trust,
    key::Kind,
    request::RequestIndex,
    structure::structured,
    texts::{Containment, TextIndex},
    words::{self, Word, words},
};
use crate::ids::{RunId, SpanId};

/// The most trusted values.
const MAX_TRUSTED: usize = 1 << 17;
/// The most places; of further ones only the step is known.
const MAX_PLACES: usize = 1 << 14;
/// The most bytes of a pointer.
const MAX_POINTER: usize = 120;
/// The most runs whose requests are held.
const MAX_REQUESTS: usize = 64;
/// The most bytes that requests take; the oldest go first.
const MAX_REQUEST_BYTES: usize = 6 << 20;
/// The most levels of a result that are read as fields; what is deeper is untrusted text.
const MAX_DEPTH: usize = 64;
/// The most words of a field whose single words are values, too.
const MAX_WORDS: usize = 8;
/// The fewest characters of such a word.
const MIN_WORD: usize = 4;
/// The most bytes of a text that is read as fields though all of them are untrusted.
const MAX_UNTRUSTED_FIELDS: usize = 64 * 1024;
/// The most lines of a trusted text whose parts are values.
const MAX_LINES: usize = 4096;
/// The most parts of a value that is a list.
const MAX_PARTS: usize = 64;

/// Where something was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The call whose result it was.
    pub call: SpanId,
    /// The pointer in the result, with `*` for items; empty for a text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pointer: String,
    /// The run.
    pub run: RunId,
    /// The number of the result among those that were read, from 1.
    pub step: u32,
    /// The tool.
    pub tool: String,
}

/// A source of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The origin that it gives the value.
    pub origin: Origin,
    /// Where it was read; absent for the request and the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// The call whose result is read.
#[derive(Debug, Clone)]
pub struct ResultSource<'a> {
    /// The call.
    pub call: SpanId,
    /// Its run.
    pub run: RunId,
    /// Its tool.
    pub tool: &'a str,
    /// The trust in its fields.
    pub trust: &'a FieldTrust,
}

/// An index of what was read; see the [module](super).
#[derive(Debug)]
pub struct ReadIndex {
    key: IndexKey,
    requests: VecDeque<(RunId, RequestIndex)>,
    operator: HashSet<u64>,
    /// Endings that the operator lists, such as `@example.com`.
    endings: Vec<String>,
    trusted: HashMap<u64, u32>,
    texts: TextIndex,
    places: Vec<Place>,
    steps: u32,
    /// Whether something was read that is not in the index.
    has_gap: bool,
}

/// A value's origin with its sources, the deciding one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) origin: Origin,
    pub(super) sources: Vec<Source>,
}

impl Found {
    fn one(origin: Origin, place: Option<Place>) -> Self {
        Self {
            origin,
            sources: vec![Source { origin, place }],
        }
    }
}

impl ReadIndex {
    /// An empty index.
    #[must_use]
    pub fn new(key: IndexKey) -> Self {
        Self {
            key,
            requests: VecDeque::new(),
            operator: HashSet::new(),
            endings: Vec::new(),
            trusted: HashMap::new(),
            texts: TextIndex::default(),
            places: Vec::new(),
            steps: 0,
            has_gap: false,
        }
    }

    /// Adds what the user asks for in a run. Only for text from a channel that the operator trusts for it.
    pub fn read_request(&mut self, run: RunId, text: &str) {
        let at = self.requests.iter().position(|(of, _)| *of == run);
        let held = at.and_then(|at| self.requests.remove(at));
        let mut request = held.map_or_else(RequestIndex::default, |(_, request)| request);
        request.read(&self.key, text);
        self.requests.push_back((run, request));
        let is_much = |index: &Self| {
            index.requests.len() > MAX_REQUESTS || index.request_bytes() > MAX_REQUEST_BYTES
        };
        while self.requests.len() > 1 && is_much(self) {
            self.requests.pop_front();
        }
    }

    /// Adds a value of the operator's configuration. `*@example.com` stands for every value that ends so.
    pub fn read_operator(&mut self, value: &str) {
        match value.strip_prefix('*') {
            Some(ending) if ending.len() > 1 => self.endings.push(ending.to_lowercase()),
            _ => {
                let joined = words::joined(&words(value));
                let digest = self.key.digest(Kind::Field, [joined.as_str()]);
                self.operator.insert(digest);
            }
        }
    }

    /// Replaces the operator's values by these.
    pub fn replace_operator(&mut self, values: &[String]) {
        self.operator.clear();
        self.endings.clear();
        values.iter().for_each(|value| self.read_operator(value));
    }

    /// Says that a result was read that the index has not seen.
    pub fn mark_gap(&mut self) {
        self.has_gap = true;
    }

    /// Whether the run's request and everything that was read are in the index.
    #[must_use]
    pub fn is_complete(&self, run: RunId) -> bool {
        !self.has_gap && self.request(run).is_some()
    }

    /// Bytes that it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const ENTRY: usize = 17;
        let places = self.places.iter();
        let texts: usize = places.map(|p| p.pointer.len() + p.tool.len()).sum();
        self.texts.bytes()
            + (self.trusted.capacity() + self.operator.capacity()) * ENTRY
            + self.places.capacity() * size_of::<Place>()
            + texts
            + self.request_bytes()
    }

    fn request_bytes(&self) -> usize {
        self.requests.iter().map(|(_, r)| r.bytes()).sum()
    }

    pub(super) fn request(&self, run: RunId) -> Option<&RequestIndex> {
        let found = self.requests.iter().find(|(of, _)| *of == run);
        found.map(|(_, request)| request)
    }

    pub(super) fn key(&self) -> &IndexKey {
        &self.key
    }

    /// Whether nothing was read that could be a source.
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
            && self.operator.is_empty()
            && self.endings.is_empty()
            && self.trusted.is_empty()
            && self.texts.is_empty()
    }

    /// Adds a text of a result: as fields if it is JSON, YAML or a table, else as one.
    pub fn read_text(&mut self, source: &ResultSource<'_>, text: &str) {
        // The fields of a long text that are all untrusted tell nothing that the text does not.
        let is_plain = text.len() > MAX_UNTRUSTED_FIELDS && source.trust.is_untrusted();
        match (!is_plain).then(|| structured(text)).flatten() {
            Some(value) => self.read_value(source, &value),
            None => {
                let mut reading = Reading::new(self, source);
                reading.leaf(text);
            }
        }
    }

    /// Adds the fields of a result.
    pub fn read_value(&mut self, source: &ResultSource<'_>, value: &Value) {
        let mut reading = Reading::new(self, source);
        reading.value(value);
    }

    fn place(&self, place: u32) -> Option<Place> {
        self.places.get(usize::try_from(place).ok()?).cloned()
    }

    /// The origin of a value; `None` for a value without a letter or a digit.
    pub(super) fn find(&self, value: &str) -> Option<Found> {
        let words = words(value);
        if !value.chars().any(char::is_alphanumeric) || words.is_empty() {
            return None;
        }
        Some(self.find_words(value, &words))
    }

    fn find_words(&self, value: &str, words: &[Word]) -> Found {
        if self.is_users(words) {
            return Found::one(Origin::User, None);
        }
        let written = self.written(value);
        let safe = match self.is_operators(words) {
            true => Some(Found::one(Origin::Operator, None)),
            false => self
                .trusted_place(words)
                .map(|place| Found::one(Origin::Trusted, self.place(place))),
        };
        if let Some(mut found) = safe {
            if let Some(Containment::Whole(place)) = written {
                found.sources.push(Source {
                    origin: Origin::Untrusted,
                    place: self.place(place),
                });
            }
            return found;
        }
        if let Some(whole @ (Containment::Whole(_) | Containment::Field(_))) = written {
            return match self.find_parts(value, words.len()) {
                Some(found) if found.origin < Origin::Model => found,
                _ => Found::one(Origin::Untrusted, self.place(whole.source())),
            };
        }
        if let Some(found) = self.find_parts(value, words.len()) {
            return found;
        }
        match written {
            Some(part) => Found::one(Origin::Untrusted, self.place(part.source())),
            None if self.texts.is_full() => Found::one(Origin::Untrusted, None),
            None => Found::one(Origin::Model, None),
        }
    }

    /// How much of a value strangers wrote; of a URL also its host alone, which they choose.
    fn written(&self, value: &str) -> Option<Containment> {
        let found = self.texts.find(&self.key, value);
        found.or_else(|| {
            let bare = ["https://", "http://", "ftp://", "www."]
                .iter()
                .find_map(|begin| value.to_ascii_lowercase().find(begin))?;
            let (_, url) = value.split_at_checked(bare)?;
            let url = url.split_once("://").map_or(url, |(_, rest)| rest);
            let host = words::host(url)?;
            let found = self.texts.find(&self.key, host)?;
            Some(Containment::Part(found.source()))
        })
    }

    fn is_users(&self, words: &[Word]) -> bool {
        let mut requests = self.requests.iter();
        requests.any(|(_, request)| request.has(&self.key, words))
    }

    fn is_operators(&self, words: &[Word]) -> bool {
        if self.operator.is_empty() && self.endings.is_empty() {
            return false;
        }
        let joined = words::joined(words);
        let digest = self.key.digest(Kind::Field, [joined.as_str()]);
        self.operator.contains(&digest)
            || (words.len() == 1
                && self
                    .endings
                    .iter()
                    .any(|end| joined.ends_with(end.as_str())))
    }

    fn trusted_place(&self, words: &[Word]) -> Option<u32> {
        if self.trusted.is_empty() {
            return None;
        }
        let joined = words::joined(words);
        let field = self.key.digest(Kind::Field, [joined.as_str()]);
        let compact = || {
            let compact = words::compact(words)?;
            let digest = self.key.digest(Kind::Compact, [compact.as_str()]);
            self.trusted.get(&digest)
        };
        self.trusted.get(&field).or_else(compact).copied()
    }

    /// The origin of a value that is a list, JSON, or a name with an address: the least safe of its parts.
    fn find_parts(&self, value: &str, count: usize) -> Option<Found> {
        let parts = parts(value)?;
        if parts.len() < 2 && count < 2 {
            return None;
        }
        let mut sources: Vec<Source> = Vec::new();
        for part in &parts {
            let of = words(part);
            if of.is_empty() {
                continue;
            }
            let found = self.find_part(part, &of);
            for source in found.sources {
                if !sources.contains(&source) {
                    sources.push(source);
                }
            }
        }
        sources.sort_by_key(|source| std::cmp::Reverse(source.origin));
        let origin = sources.first()?.origin;
        Some(Found { origin, sources })
    }

    fn find_part(&self, part: &str, words: &[Word]) -> Found {
        if self.is_users(words) {
            return Found::one(Origin::User, None);
        }
        if self.is_operators(words) {
            return Found::one(Origin::Operator, None);
        }
        if let Some(place) = self.trusted_place(words) {
            return Found::one(Origin::Trusted, self.place(place));
        }
        match self.written(part) {
            Some(found) => Found::one(Origin::Untrusted, self.place(found.source())),
            None if self.texts.is_full() => Found::one(Origin::Untrusted, None),
            None => Found::one(Origin::Model, None),
        }
    }
}

/// The parts of a value that is several.
fn parts(value: &str) -> Option<Vec<String>> {
    if value.starts_with(['{', '[']) {
        let json: Value = serde_json::from_str(value).ok()?;
        let mut leaves = Vec::new();
        collect(&json, &mut leaves);
        return (leaves.len() <= MAX_PARTS).then_some(leaves);
    }
    let separators = [',', ';', '|', '\n', '<', '>'];
    let parts: Vec<String> = value
        .split(separators)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    if (2..=MAX_PARTS).contains(&parts.len()) {
        return Some(parts);
    }
    // A date with a time, or addresses in a row: every part is a value in its form.
    let rows: Vec<&str> = value.split_whitespace().collect();
    let is_value =
        |part: &&str| part.contains(['@', ':', '/']) || part.bytes().any(|b| b.is_ascii_digit());
    ((2..=MAX_PARTS).contains(&rows.len()) && rows.iter().all(is_value))
        .then(|| rows.into_iter().map(str::to_owned).collect())
}

fn collect(json: &Value, leaves: &mut Vec<String>) {
    match json {
        Value::Object(members) => {
            for (name, member) in members {
                if super::facts::is_value(name) {
                    leaves.push(name.clone());
                }
                collect(member, leaves);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, leaves)),
        Value::String(text) => leaves.push(text.clone()),
        Value::Number(number) => leaves.push(number.to_string()),
        Value::Bool(_) | Value::Null => {}
    }
}

/// Reads one result.
struct Reading<'a> {
    index: &'a mut ReadIndex,
    source: &'a ResultSource<'a>,
    /// The path to the value that is being read.
    path: Vec<String>,
    /// Places of this result, by pointer.
    known: BTreeMap<String, u32>,
}

impl<'a> Reading<'a> {
    fn new(index: &'a mut ReadIndex, source: &'a ResultSource<'a>) -> Self {
        index.steps = index.steps.saturating_add(1);
        Self {
            index,
            source,
            path: Vec::new(),
            known: BTreeMap::new(),
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
                    self.leaf(name);
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

    fn leaf(&mut self, text: &str) {
        match self.source.trust.of(&self.path) {
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
        let joined = words::joined(&words);
        insert(key.digest(Kind::Field, [joined.as_str()]));
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
            pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
        }
        if let Some(place) = self.known.get(&pointer) {
            return *place;
        }
        let places = &mut self.index.places;
        let last = || u32::try_from(places.len().saturating_sub(1)).unwrap_or(u32::MAX);
        if places.len() >= MAX_PLACES {
            return last();
        }
        places.push(Place {
            call: self.source.call,
            pointer: pointer.clone(),
            run: self.source.run,
            step: self.index.steps,
            tool: self.source.tool.to_owned(),
        });
        let place = u32::try_from(places.len().saturating_sub(1)).unwrap_or(u32::MAX);
        self.known.insert(pointer, place);
        place
    }
}
