//! The facts about a call that policies see.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ArgumentRoles, Origin, ReadIndex, Role, Source, asked::is_asked, parts::is_value};
use crate::{canonical::escape_segment, ids::RunId};

/// The most values of a call whose origin is looked up.
const MAX_VALUES: usize = 1024;
/// The most links of a text that are looked up.
const MAX_LINKS: usize = 64;
/// The most sources that are named for a value.
const MAX_SOURCES: usize = 8;
/// The most bytes of a value that are looked up; a longer one is untrusted.
const MAX_TEXT: usize = 64 * 1024;
/// The most bytes of all values of a call that are looked up.
const MAX_BYTES: usize = 1 << 20;
/// The most levels of arguments.
const MAX_DEPTH: usize = 64;

/// Where the values of a call come from. The default knows nothing, which is what a call has whose run was
/// not seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProvenanceFacts {
    /// Whether the user's request has a word that asks for the tool. False if no words are configured.
    pub asked: bool,
    /// Whether a text of strangers names the trusted value of an argument with a role, too; or asks for an act right
    /// next to it, and the user's request does not ask for the tool.
    pub echoed: bool,
    /// Whether the user's request and every result of the scope were seen, and every value looked up.
    pub known: bool,
    /// Origins of the links in texts that are not an argument with a role.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub links: BTreeSet<Origin>,
    /// The least safe origin of each argument with a role.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub sinks: BTreeSet<Origin>,
    /// Whether strangers, where they ask for an act, name the trusted value of an argument with a role that the user
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
            roles: self.roles,
            path: Vec::new(),
            count: 0,
            bytes: 0,
            facts: ProvenanceFacts {
                asked: request.is_some_and(|request| is_asked(&index.key, request, self.asked_by)),
                known: index.is_complete(self.run),
                ..ProvenanceFacts::default()
            },
        };
        survey.value(self.arguments);
        survey.facts
    }
}

struct Survey<'a> {
    index: &'a ReadIndex,
    roles: &'a ArgumentRoles,
    path: Vec<String>,
    count: usize,
    bytes: usize,
    facts: ProvenanceFacts,
}

impl Survey<'_> {
    fn value(&mut self, value: &Value) {
        if self.path.len() > MAX_DEPTH {
            return self.give_up();
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    self.path.push(name.clone());
                    if self.path.len() > 1 && is_value(name) {
                        self.leaf(name);
                    }
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
            Value::String(text) => self.leaf(text),
            Value::Number(number) => self.leaf(&number.to_string()),
            Value::Bool(_) | Value::Null => {}
        }
    }

    /// There is more than is looked up: nothing of it is safe.
    fn give_up(&mut self) {
        self.facts.known = false;
        self.facts.sinks.insert(Origin::Untrusted);
    }

    fn leaf(&mut self, text: &str) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(text.len());
        if self.count > MAX_VALUES || self.bytes > MAX_BYTES {
            return self.give_up();
        }
        let role = self.roles.of(&self.path);
        if role.is_none() {
            self.links(text);
        }
        let found = match self.index.is_empty() {
            true if !text.chars().any(char::is_alphanumeric) => None,
            true => Some((Origin::Model, Vec::new())),
            false if text.len() > MAX_TEXT => Some((Origin::Untrusted, Vec::new())),
            false => self.index.find(text).map(|f| (f.origin, f.sources)),
        };
        let Some((origin, mut sources)) = found else {
            return;
        };
        if role.is_some() {
            let names = |source: &Source| source.origin == Origin::Untrusted;
            self.facts.echoed |= origin < Origin::Model && sources.iter().any(names);
            if origin == Origin::Trusted {
                self.facts.urged |= self.index.is_urged(text);
                self.facts.echoed |= !self.facts.asked && self.index.is_ordered_near(text);
            }
            self.facts.sinks.insert(origin);
        }
        sources.retain(|source| source.place.is_some() || source.origin != Origin::Model);
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

    fn links(&mut self, text: &str) {
        for link in links(text).take(MAX_LINKS) {
            if let Some(found) = self.index.find(link) {
                self.facts.links.insert(found.origin);
            } else {
                self.facts.links.insert(Origin::Model);
            }
        }
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

/// Last parts of names of hosts that are links without a path. Any other one is a link with a path or a port.
const DOMAINS: [&str; 18] = [
    "com", "net", "org", "info", "biz", "io", "app", "dev", "xyz", "site", "online", "shop", "top",
    "club", "live", "link", "page", "cloud",
];

/// The links in a text: what begins with a scheme or with `www.`, and names of hosts.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '"' | '\'' | '<' | '>' | '`' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | ','
            )
    };
    text.split(ends).filter_map(|word| {
        let lower = word.to_ascii_lowercase();
        let begins = ["https://", "http://", "ftp://", "www."];
        let marked = begins.iter().filter_map(|begin| lower.find(begin)).min();
        let at = marked.or_else(|| is_host(&lower).then_some(0))?;
        let link = word
            .get(at..)?
            .trim_end_matches(['.', ',', ';', ':', '!', '?']);
        (link.len() > 4).then_some(link)
    })
}

/// Whether a word is the name of a host, such as `example.com` or `example.org:8080/a`.
fn is_host(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',', ';', ':', '!', '?']);
    let end = word.find(['/', ':', '?', '#']).unwrap_or(word.len());
    let (host, rest) = word.split_at(end);
    let labels: Vec<&str> = host.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let Some(last) = labels
        .last()
        .filter(|_| labels.len() > 1 && labels.iter().all(is_label))
    else {
        return false;
    };
    let is_domain = last.len() > 1 && last.bytes().all(|b| b.is_ascii_alphabetic());
    is_domain && (rest.len() > 1 || DOMAINS.contains(last))
}
