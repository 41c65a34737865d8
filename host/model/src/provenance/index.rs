//! What the runs of one scope of memory have read.

mod lookup;

use std::collections::{HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use self::lookup::Lookup;
use super::{
    CallValues, FieldTrust, IndexKey, Origin,
    argument_index::ArgumentIndex,
    key::Kind,
    links,
    parts::parts,
    phrase::{CallValue, MAX_WORDS, Phrase},
    request::{MessageIndex, RequestIndex},
    skeleton::folded,
    texts::{Containment, TextIndex},
    words,
};
use crate::ids::{RunId, SpanId};

/// The most runs whose requests are held.
const MAX_REQUESTS: usize = 64;
/// The most bytes that requests take; the oldest go first.
const MAX_REQUEST_BYTES: usize = 6 << 20;

/// The most values that say little, of which it is known that calls passed them on.
pub(super) const MAX_LITTLE: usize = 1 << 16;

/// The most slots for what strangers order: 4 MiB.
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
    /// The values of its arguments.
    pub values: &'a CallValues,
    /// Whether strangers may have written what it has read, also if its tool is not labelled so.
    pub is_tainted: bool,
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
    /// Trusted values that name a stranger who chose to stand there.
    pub(super) counterparties: HashSet<u64>,
    pub(super) texts: TextIndex,
    /// What strangers wrote around orders.
    pub(super) urging: TextIndex,
    /// Trusted values of objects in which strangers order an act.
    pub(super) near_orders: HashSet<u64>,
    /// What calls passed on that no one vouched for.
    pub(super) arguments: ArgumentIndex,
    /// The same of values that say little.
    pub(super) little: HashSet<u64>,
    pub(super) places: Vec<Place>,
    pub(super) steps: u32,
    /// Whether the requests of all its runs are one person's.
    shares_requests: bool,
    /// Whether something was read that is not in the index, and that may be what the user or a trusted field
    /// said.
    has_gap: bool,
    /// Whether strangers wrote something that cannot be looked up.
    has_unread: bool,
    /// Calls whose content the model may have before the index.
    unread: HashSet<SpanId>,
    /// Whether strangers may have told the model something.
    is_exposed: bool,
    /// Whether what was read before the index began is being read into it.
    is_restoring: bool,
    /// Whether that is being read just now, and not what is read since.
    is_earlier: bool,
}

/// What of the time before an index began was found again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoredParts {
    /// The arguments of every call that started.
    pub arguments: bool,
    /// The result of every call.
    pub results: bool,
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
            counterparties: HashSet::new(),
            texts: TextIndex::default(),
            urging: TextIndex::new(MAX_URGING_SLOTS),
            near_orders: HashSet::new(),
            arguments: ArgumentIndex::default(),
            little: HashSet::new(),
            places: Vec::new(),
            steps: 0,
            shares_requests: false,
            has_gap: false,
            has_unread: false,
            unread: HashSet::new(),
            is_exposed: false,
            is_restoring: false,
            is_earlier: false,
        }
    }

    /// Says that the requests of all its runs are one person's, as those of one conversation are.
    pub fn share_requests(&mut self) {
        self.shares_requests = true;
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
            Some(ending) if ending.len() > 1 => self.endings.push(words::lower(ending)),
            _ => {
                self.operator.insert(Phrase::new(value).digest(&self.key));
            }
        }
    }

    /// Replaces the operator's values by these.
    pub fn replace_operator(&mut self, values: &[String]) {
        self.operator.clear();
        self.endings.clear();
        values.iter().for_each(|value| self.read_operator(value));
    }

    /// Loses what was read and passed on elsewhere, such as in the index of another scope: strangers may have written
    /// it, it may name anything, and what is read from now on may repeat it, so that no one vouches for that.
    pub fn lose(&mut self) {
        self.mark_gap();
        self.mark_unread();
        self.arguments.fill();
    }

    /// Says that something was read that the index has not seen: its runs are not known.
    fn mark_gap(&mut self) {
        self.has_gap = true;
    }

    /// Says that what was read before the index began is read into it now. Until then it may be anything.
    pub fn begin_restoring(&mut self) {
        self.is_restoring = true;
    }

    /// Reads something that was read before the index began, in the order of that time.
    pub fn restore<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.is_earlier = true;
        let read = read(self);
        self.is_earlier = false;
        read
    }

    /// Ends what [`Self::begin_restoring`] began. What was not found again may be anything, and may name anything. If
    /// arguments were not found again, what is read from now on may repeat them, and no one vouches for it.
    pub fn end_restoring(&mut self, found: RestoredParts) {
        self.is_restoring = false;
        if !found.arguments {
            self.lose();
        } else if !found.results {
            self.mark_gap();
            self.mark_unread();
        }
    }

    /// Whether what is read now may repeat an argument that is not in the index yet.
    pub(super) fn may_repeat(&self) -> bool {
        self.is_restoring && !self.is_earlier
    }

    /// Says that strangers wrote something that cannot be looked up, such as a picture: what no one vouches for
    /// may be theirs, and they may name anything.
    pub fn mark_unread(&mut self) {
        self.has_unread = true;
    }

    /// Says that the model may have the content of a call of strangers before it is read.
    pub fn await_content(&mut self, call: SpanId) {
        self.unread.insert(call);
    }

    /// Says that the content of a call is read now, or was never there.
    pub fn end_content(&mut self, call: SpanId) {
        self.unread.remove(&call);
    }

    /// Says that strangers may have told the model something, even if no text of theirs is here.
    pub fn expose(&mut self) {
        self.is_exposed = true;
    }

    /// Whether a stranger may have told the model what to write.
    pub(super) fn is_exposed(&self) -> bool {
        self.is_exposed || self.has_gap || self.has_unread() || !self.texts.is_empty()
    }

    /// Whether strangers may have written what is not found.
    fn has_unread(&self) -> bool {
        self.has_unread || self.is_restoring || !self.unread.is_empty() || self.texts.is_full()
    }

    /// Whether the run's request and everything that was read are in the index.
    #[must_use]
    pub fn is_complete(&self, run: RunId) -> bool {
        !self.has_gap && !self.is_restoring && self.request(run).is_some()
    }

    /// Bytes that it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const ENTRY: usize = 17;
        let places = self.places.iter();
        let texts: usize = places.map(|p| p.pointer.len() + p.tool.len()).sum();
        let values =
            self.trusted.capacity() + self.operator.capacity() + self.near_orders.capacity();
        self.texts.bytes()
            + self.urging.bytes()
            + self.arguments.bytes()
            + (values + self.counterparties.capacity() + self.little.capacity()) * ENTRY
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

    fn place(&self, place: u32) -> Option<Place> {
        self.places.get(usize::try_from(place).ok()?).cloned()
    }

    /// Whether strangers name a value, or a part of it, where they ask for an act. They do if it is not known.
    pub(super) fn is_urged(&self, value: &str) -> bool {
        let is_named = |value: &str| {
            let found = self.urging.find(&self.key, value);
            matches!(found, Some(Containment::Whole(_) | Containment::Field(_)))
        };
        let mut parts = parts(value).into_iter().flatten();
        self.urging.is_full() || is_named(value) || parts.any(|part| is_named(&part.text))
    }

    /// Whether strangers ask for an act in an object that has a trusted value, or a part of it.
    pub(super) fn is_ordered_near(&self, value: &CallValue<'_>) -> bool {
        let is_there = |value: &CallValue<'_>| {
            let phrase = value.phrase();
            let mut digests = self.trusted_digests(&phrase);
            digests.any(|digest| self.near_orders.contains(&digest))
        };
        let mut parts = parts(value.text).into_iter().flatten();
        !self.near_orders.is_empty()
            && (is_there(value) || parts.any(|part| is_there(&part.value())))
    }

    /// Of each message of a run, whether it names a value, or each part of it.
    pub(super) fn messages_with(&self, run: RunId, value: &CallValue<'_>) -> Vec<bool> {
        let phrase = value.phrase();
        let list = value.may_be_list.then(|| parts(value.text)).flatten();
        let list: Option<Vec<Phrase>> =
            list.map(|all| all.iter().map(|part| part.value().phrase()).collect());
        let names = |message: &MessageIndex| {
            let mut parts = list.iter().flatten().peekable();
            let has_parts = parts.peek().is_some();
            message.has(&self.key, &phrase)
                || has_parts && parts.all(|part| message.has(&self.key, part))
        };
        let request = self.request(run);
        let messages = request.map_or(&[][..], RequestIndex::messages);
        messages.iter().map(names).collect()
    }

    /// The digests by which a trusted field with this value is found.
    fn trusted_digests(&self, phrase: &Phrase) -> impl Iterator<Item = u64> {
        let key = &self.key;
        let compact = phrase.compact();
        let compact = compact.map(|compact| key.digest(Kind::Compact, [compact.as_str()]));
        let all = [Some(phrase.digest(key)), compact, phrase.only_number(key)];
        all.into_iter().flatten()
    }

    /// The origin of a text in a call of a run; `None` for a value without a letter or a digit that no one named.
    pub(super) fn find(&self, run: RunId, text: &str) -> Option<Attribution> {
        self.find_value(run, &CallValue::text(text))
    }

    /// The same for any value.
    pub(super) fn find_value(&self, run: RunId, value: &CallValue<'_>) -> Option<Attribution> {
        if self.is_blank() {
            let names = value.text.chars().any(char::is_alphanumeric);
            return names.then(|| Attribution::one(Origin::Model, None));
        }
        let lookup = Lookup { index: self, run };
        let phrase = value.phrase();
        if phrase.words().is_empty() {
            return None;
        }
        if phrase.words().len() > MAX_WORDS {
            return Some(self.unvouched(self.written(value.text)));
        }
        match phrase.has_letter_or_digit() {
            true => Some(lookup.value(value, &phrase)),
            false => lookup.vouched(&phrase),
        }
    }

    /// Whether no one has named a value, and everything was seen: then every value is the model's.
    fn is_blank(&self) -> bool {
        let has_named = !self.requests.is_empty()
            || !self.operator.is_empty()
            || !self.endings.is_empty()
            || !self.trusted.is_empty();
        !has_named && self.texts.is_empty() && !self.has_unread()
    }

    /// Whether the user, the operator or a trusted field vouches for a value in a call of a run.
    pub(super) fn is_vouched(&self, run: RunId, phrase: &Phrase) -> bool {
        Lookup { index: self, run }.vouched(phrase).is_some()
    }

    /// The origin of a value for which no one vouches: what cannot be looked up is untrusted.
    fn unvouched(&self, written: Option<Containment>) -> Attribution {
        match written {
            Some(part) => Attribution::one(Origin::Untrusted, self.place(part.source())),
            None if self.has_unread() => Attribution::one(Origin::Untrusted, None),
            None => Attribution::one(Origin::Model, None),
        }
    }

    /// Whether a call passed a value on that says little, such as a small number: a tool that returns it does not
    /// vouch for the target of a call.
    fn may_be_passed_on(&self, value: &CallValue<'_>) -> bool {
        let is_held = || self.little.contains(&self.little_digest(value.text));
        value.has_role
            && !value.tells()
            && (self.arguments.is_full() || self.little.len() >= MAX_LITTLE || is_held())
    }

    pub(super) fn little_digest(&self, text: &str) -> u64 {
        let folded: String = folded(text).into_iter().map(char::from).collect();
        self.key.digest(Kind::FoldedWhole, [folded.as_str()])
    }

    /// How much of a value strangers wrote; of a URL also its host alone, which they choose.
    fn written(&self, value: &str) -> Option<Containment> {
        let found = self.texts.find(&self.key, value);
        found.or_else(|| {
            let host = words::host(links::without_scheme(links::links(value).next()?))?;
            let found = self.texts.find(&self.key, host)?;
            Some(Containment::Part(found.source()))
        })
    }

    fn is_operators(&self, phrase: &Phrase) -> bool {
        if self.operator.is_empty() && self.endings.is_empty() {
            return false;
        }
        let joined = phrase.joined();
        // What stands before the ending must not be a host or a path of its own.
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
        let ends = |ending: &String| {
            let name = joined.strip_suffix(ending.as_str());
            name.is_some_and(|name| !name.is_empty() && name.chars().all(is_name))
        };
        let is_listed = self.operator.contains(&phrase.digest(&self.key));
        is_listed || (phrase.words().len() == 1 && self.endings.iter().any(ends))
    }

    /// The place of a trusted field with this value, and the digest by which it was found.
    fn trusted_place(&self, phrase: &Phrase) -> Option<(u64, u32)> {
        if self.trusted.is_empty() {
            return None;
        }
        let mut digests = self.trusted_digests(phrase);
        digests.find_map(|digest| Some((digest, *self.trusted.get(&digest)?)))
    }
}
