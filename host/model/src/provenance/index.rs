//! What the runs of one scope of memory have read.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{
    FieldTrust, IndexKey, Origin,
    key::Kind,
    parts::parts,
    request::RequestIndex,
    texts::{Containment, TextIndex},
    words::{self, Word, words},
};
use crate::ids::{RunId, SpanId};

/// The most runs whose requests are held.
const MAX_REQUESTS: usize = 64;
/// The most bytes that requests take; the oldest go first.
const MAX_REQUEST_BYTES: usize = 6 << 20;

/// The most slots for what strangers write: 16 MiB, for about four million bytes of text.
const MAX_TEXT_SLOTS: usize = 1 << 21;
/// The most for what they ask for: 4 MiB.
const MAX_URGING_SLOTS: usize = 1 << 19;

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
    pub(super) key: IndexKey,
    requests: VecDeque<(RunId, RequestIndex)>,
    operator: HashSet<u64>,
    /// Endings that the operator lists, such as `@example.com`.
    endings: Vec<String>,
    pub(super) trusted: HashMap<u64, u32>,
    pub(super) texts: TextIndex,
    /// What strangers wrote around words for acts.
    pub(super) urging: TextIndex,
    /// Trusted values of objects in which strangers ask for an act.
    pub(super) near_orders: HashSet<u64>,
    pub(super) places: Vec<Place>,
    pub(super) steps: u32,
    /// Whether something was read that is not in the index.
    has_gap: bool,
}

/// A value's origin with its sources, the deciding one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribution {
    pub(super) origin: Origin,
    pub(super) sources: Vec<Source>,
}

impl Attribution {
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
            texts: TextIndex::new(MAX_TEXT_SLOTS),
            urging: TextIndex::new(MAX_URGING_SLOTS),
            near_orders: HashSet::new(),
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

    /// Adds a value of the operator's configuration. `*@example.com` stands for every value that ends so, after
    /// letters, digits and `. _ + -`.
    pub fn read_operator(&mut self, value: &str) {
        match value.strip_prefix('*') {
            Some(ending) if ending.len() > 1 => self.endings.push(words::lower(ending)),
            _ => {
                self.operator.insert(self.key.field(&words(value)));
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
            + self.urging.bytes()
            + (self.trusted.capacity() + self.operator.capacity() + self.near_orders.capacity())
                * ENTRY
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

    /// Whether nothing was read that could be a source.
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
            && self.operator.is_empty()
            && self.endings.is_empty()
            && self.trusted.is_empty()
            && self.texts.is_empty()
    }

    fn place(&self, place: u32) -> Option<Place> {
        self.places.get(usize::try_from(place).ok()?).cloned()
    }

    /// Whether strangers name a value, or a part of it, where they ask for an act. They do if it is not known.
    pub(super) fn is_urged(&self, value: &str) -> bool {
        let is_named = |value: &str| {
            let found = self.urging.find(&self.key, value);
            matches!(found, Some(Containment::Whole(_) | Containment::Field(_)))
        };
        self.urging.is_full()
            || is_named(value)
            || parts(value).iter().flatten().any(|part| is_named(part))
    }

    /// Whether strangers ask for an act in an object that has a trusted value, or a part of it.
    pub(super) fn is_ordered_near(&self, value: &str) -> bool {
        let is_there = |value: &str| {
            let words = words(value);
            let compact = words::compact(&words);
            let compact = compact.map(|compact| self.key.digest(Kind::Compact, [compact.as_str()]));
            self.near_orders.contains(&self.key.field(&words))
                || compact.is_some_and(|digest| self.near_orders.contains(&digest))
        };
        !self.near_orders.is_empty()
            && (is_there(value) || parts(value).iter().flatten().any(|part| is_there(part)))
    }

    /// The origin of a value; `None` for a value without a letter or a digit.
    pub(super) fn find(&self, value: &str) -> Option<Attribution> {
        let words = words(value);
        if !value.chars().any(char::is_alphanumeric) || words.is_empty() {
            return None;
        }
        Some(self.find_words(value, &words))
    }

    fn find_words(&self, value: &str, words: &[Word]) -> Attribution {
        if self.is_users(words) {
            return Attribution::one(Origin::User, None);
        }
        let written = self.written(value);
        if let Some(mut found) = self.find_vouched(words) {
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
                _ => Attribution::one(Origin::Untrusted, self.place(whole.source())),
            };
        }
        if let Some(found) = self.find_parts(value, words.len()) {
            return found;
        }
        self.unvouched(written)
    }

    /// Whether the operator or the system that a field belongs to vouches for a value.
    fn find_vouched(&self, words: &[Word]) -> Option<Attribution> {
        if self.is_operators(words) {
            return Some(Attribution::one(Origin::Operator, None));
        }
        let place = self.trusted_place(words)?;
        Some(Attribution::one(Origin::Trusted, self.place(place)))
    }

    /// The origin of a value for which no one vouches: what cannot be looked up is untrusted.
    fn unvouched(&self, written: Option<Containment>) -> Attribution {
        match written {
            Some(part) => Attribution::one(Origin::Untrusted, self.place(part.source())),
            None if self.texts.is_full() => Attribution::one(Origin::Untrusted, None),
            None => Attribution::one(Origin::Model, None),
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
        // What stands before the ending must not be a host or a path of its own.
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
        let ends = |ending: &String| {
            let name = joined.strip_suffix(ending.as_str());
            name.is_some_and(|name| !name.is_empty() && name.chars().all(is_name))
        };
        self.operator.contains(&digest) || (words.len() == 1 && self.endings.iter().any(ends))
    }

    fn trusted_place(&self, words: &[Word]) -> Option<u32> {
        if self.trusted.is_empty() {
            return None;
        }
        let field = self.key.field(words);
        let compact = || {
            let compact = words::compact(words)?;
            let digest = self.key.digest(Kind::Compact, [compact.as_str()]);
            self.trusted.get(&digest)
        };
        self.trusted.get(&field).or_else(compact).copied()
    }

    /// The origin of a value that is a list, JSON, or a name with an address: the least safe of its parts.
    fn find_parts(&self, value: &str, count: usize) -> Option<Attribution> {
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
        Some(Attribution { origin, sources })
    }

    fn find_part(&self, part: &str, words: &[Word]) -> Attribution {
        if self.is_users(words) {
            return Attribution::one(Origin::User, None);
        }
        self.find_vouched(words)
            .unwrap_or_else(|| self.unvouched(self.written(part)))
    }
}
