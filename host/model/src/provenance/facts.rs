//! The facts about a call that policies see.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ArgumentRoles, IndexKey, Origin, ReadIndex, Role, Source,
    asked::is_asked,
    links::{MAX_LINKS, links},
    parts::is_value,
    phrase::CallValue,
    request::{MessageIndex, RequestIndex},
};
use crate::{canonical::escape_segment, ids::RunId};

/// The most values of a call whose origin is looked up.
const MAX_VALUES: usize = 1024;
/// The most sources that are named for a value.
const MAX_SOURCES: usize = 8;
/// The most bytes of a value that are looked up; a longer one is untrusted.
const MAX_TEXT: usize = 64 * 1024;
/// The most bytes of all values of a call that are looked up.
const MAX_BYTES: usize = 1 << 20;
/// The most levels of arguments.
const MAX_DEPTH: usize = 64;

/// Where the values of a call come from. The default is what records of before have; a call whose run is not held has
/// [`CallArguments::unseen`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProvenanceFacts {
    /// Whether the user's request has a word that asks for the tool. False if no words are configured.
    pub asked: bool,
    /// Whether a text of strangers names the trusted value of an argument with a role, too, or may; or orders an
    /// act next to it, and the user's request does not ask for the tool.
    pub echoed: bool,
    /// Whether the agent's host is to tell the user's request. Facts of before do not have it.
    pub expected: bool,
    /// Whether strangers may have told the model something: it has read a text or a field of theirs, or the gate has
    /// not seen all that it read.
    pub exposed: bool,
    /// Whether the user's request and every result of the scope were seen.
    pub known: bool,
    /// Whether the user's request is known. Facts of before have it only as a part of `known`.
    pub request: bool,
    /// Origins of the links in texts that are not an argument with a role.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub links: BTreeSet<Origin>,
    /// The least safe origin of each argument with a role.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub sinks: BTreeSet<Origin>,
    /// Whether strangers, where they order an act, name the trusted value of an argument with a role that the user
    /// did not name.
    pub urged: bool,
    /// Each value, by its pointer in the arguments.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, ValueOrigin>,
}

/// Where one value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueOrigin {
    /// The origin that counts: of the most trusted source, for a value of several parts of the least.
    pub origin: Origin,
    /// The role of its argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Its sources, the one that counts first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
}

impl ProvenanceFacts {
    /// Pointers of the values with a source of this origin.
    pub fn pointers(&self, origin: Origin) -> impl Iterator<Item = &str> {
        let has = move |value: &ValueOrigin| {
            value.origin == origin || value.sources.iter().any(|source| source.origin == origin)
        };
        let values = self.values.iter();
        values.filter_map(move |(pointer, value)| has(value).then_some(pointer.as_str()))
    }
}

/// The arguments of a call, with what is configured for its tool.
#[derive(Debug, Clone, Copy)]
pub struct CallArguments<'a> {
    /// The arguments.
    pub arguments: &'a Value,
    /// The words that ask for the tool.
    pub asked_by: &'a [String],
    /// The roles of its arguments.
    pub roles: &'a ArgumentRoles,
    /// The run.
    pub run: RunId,
}

impl CallArguments<'_> {
    /// Where the values come from.
    #[must_use]
    pub fn provenance(&self, index: &ReadIndex) -> ProvenanceFacts {
        let request = index.request(self.run);
        let mut survey = Survey {
            index,
            run: self.run,
            roles: self.roles,
            path: Vec::new(),
            count: 0,
            bytes: 0,
            given_up: BTreeSet::new(),
            named: None,
            is_near_orders: false,
            facts: ProvenanceFacts {
                exposed: index.is_exposed(),
                known: index.is_complete(self.run),
                request: request.is_some(),
                ..ProvenanceFacts::default()
            },
        };
        survey.value(self.arguments);
        let asks = |message: &MessageIndex| is_asked(&index.key, message, self.asked_by);
        let messages = request.map_or(&[][..], RequestIndex::messages);
        let asked = match &survey.named {
            // A word of one message does not ask for what another one names.
            Some(named) => {
                let mut named = messages.iter().zip(named);
                named.any(|(message, names)| *names && asks(message))
            }
            None => messages.last().is_some_and(asks),
        };
        survey.facts.asked = asked;
        survey.facts.echoed |= !asked && survey.is_near_orders;
        survey.facts
    }

    /// The same for a run of which nothing is held: everything may be a stranger's, also a value that is not among
    /// the arguments.
    #[must_use]
    pub fn unseen(&self) -> ProvenanceFacts {
        // Nothing is looked up in it, so any key will do.
        let mut nothing = ReadIndex::new(IndexKey::new([0; 32]));
        nothing.lose();
        let mut facts = self.provenance(&nothing);
        facts.echoed = true;
        facts.links.insert(Origin::Untrusted);
        facts.sinks.insert(Origin::Untrusted);
        facts
    }
}

struct Survey<'a> {
    index: &'a ReadIndex,
    run: RunId,
    roles: &'a ArgumentRoles,
    path: Vec<String>,
    count: usize,
    bytes: usize,
    /// Roles of values that are not looked up.
    given_up: BTreeSet<Role>,
    /// Of each message of the run, whether it names all values of the user that have a role; absent without such a
    /// value.
    named: Option<Vec<bool>>,
    /// Whether strangers order an act next to a trusted value that has a role.
    is_near_orders: bool,
    facts: ProvenanceFacts,
}

impl Survey<'_> {
    fn value(&mut self, value: &Value) {
        if self.path.len() > MAX_DEPTH {
            return self.give_up(self.roles.of(&self.path));
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    self.path.push(name.clone());
                    self.name(name, member);
                    self.value(member);
                    self.path.pop();
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.path.push(at.to_string());
                    self.value(item);
                    self.path.pop();
                }
            }
            Value::String(text) => self.leaf(&CallValue::text(text)),
            Value::Number(number) => self.leaf(&CallValue {
                is_number: true,
                ..CallValue::text(&number.to_string())
            }),
            Value::Bool(_) | Value::Null => {}
        }
    }

    /// The name of a member. It is a value itself if it looks like one, or if the tool has no such member and the
    /// argument has a role: in a map, and in any object where the member says nothing but that the name is there.
    fn name(&mut self, name: &str, member: &Value) {
        let is_callers = self.roles.of(&self.path).is_some() && !self.roles.names(&self.path);
        let is_set = matches!(member, Value::Bool(_) | Value::Null | Value::Number(_));
        match self.path.len() {
            _ if is_callers && (is_set || self.roles.is_map(&self.path)) => {
                self.leaf(&CallValue::text(name));
            }
            1 if is_value(name) => self.links(name),
            _ if is_value(name) => self.leaf(&CallValue::text(name)),
            _ => {}
        }
    }

    /// There is more than is looked up: nothing of it is safe. The first value of each role is kept.
    fn give_up(&mut self, role: Option<Role>) {
        self.facts.sinks.insert(Origin::Untrusted);
        self.facts.links.insert(Origin::Untrusted);
        self.facts.echoed = true;
        if let Some(role) = role
            && self.given_up.insert(role)
        {
            let value = ValueOrigin {
                origin: Origin::Untrusted,
                role: Some(role),
                sources: Vec::new(),
            };
            self.facts.values.insert(pointer(&self.path), value);
        }
    }

    fn leaf(&mut self, value: &CallValue<'_>) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(value.text.len());
        let role = self.roles.of(&self.path);
        if self.count > MAX_VALUES || self.bytes > MAX_BYTES {
            return self.give_up(role);
        }
        if role.is_none() {
            self.links(value.text);
        }
        let Some((origin, mut sources)) = self.origin(value, role) else {
            return;
        };
        if role.is_some() {
            let names = |source: &Source| source.origin == Origin::Untrusted;
            self.facts.echoed |= origin < Origin::Model && sources.iter().any(names);
            self.facts.sinks.insert(origin);
            if origin == Origin::Trusted {
                self.facts.urged |= self.index.is_urged(value.text);
                self.is_near_orders |= self.index.is_ordered_near(value);
            }
            if origin == Origin::User {
                let value = with_role(value, role);
                let names = self.index.messages_with(self.run, &value);
                self.named = Some(match self.named.take() {
                    Some(named) => named.iter().zip(names).map(|(a, b)| *a && b).collect(),
                    None => names,
                });
            }
        }
        sources.retain(|source| source.place.is_some() || source.origin < Origin::Model);
        sources.truncate(MAX_SOURCES);
        let pointer = pointer(&self.path);
        let value = ValueOrigin {
            origin,
            role,
            sources,
        };
        match self.facts.values.get_mut(&pointer) {
            // The name and the value of one member: the less safe one counts.
            Some(held) if held.origin >= origin => held.sources.extend(value.sources),
            _ => drop(self.facts.values.insert(pointer, value)),
        }
    }

    /// The origin of a value with its sources; `None` for one that decides nothing.
    fn origin(&self, value: &CallValue<'_>, role: Option<Role>) -> Option<(Origin, Vec<Source>)> {
        if value.text.len() > MAX_TEXT {
            return Some((Origin::Untrusted, Vec::new()));
        }
        if let Some(found) = self.index.find_value(self.run, &with_role(value, role)) {
            return Some((found.origin, found.sources));
        }
        // `/`, `*` and an empty path name something, too; no recipient is none.
        let decides = match role {
            None => false,
            Some(Role::Recipient) => !value.text.trim().is_empty(),
            Some(_) => true,
        };
        decides.then(|| (Origin::Model, Vec::new()))
    }

    fn links(&mut self, text: &str) {
        for (at, link) in links(text).enumerate() {
            let found = (at < MAX_LINKS).then(|| self.index.find(self.run, link));
            let origin = match found {
                Some(found) => found.map_or(Origin::Model, |found| found.origin),
                // There are more than are looked up.
                None => Origin::Untrusted,
            };
            self.facts.links.insert(origin);
            if at >= MAX_LINKS {
                return;
            }
        }
    }
}

/// A value as that of an argument with a role.
fn with_role<'a>(value: &CallValue<'a>, role: Option<Role>) -> CallValue<'a> {
    CallValue {
        has_role: role.is_some(),
        may_be_list: role != Some(Role::Command),
        ..*value
    }
}

fn pointer(path: &[String]) -> String {
    let mut pointer = String::new();
    for part in path {
        pointer.push('/');
        pointer.push_str(&escape_segment(part));
    }
    pointer
}
