//! The roles of a tool's arguments, and proposals from its schema.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Authority, PointerPattern, Role};
use crate::canonical::escape_segment;

/// The most levels of a schema that are read.
const MAX_DEPTH: usize = 6;

/// The role of some of a tool's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    /// Which arguments.
    pub pattern: PointerPattern,
    /// Their role; `None` if they have none, even if one is proposed.
    pub role: Option<Role>,
    /// Who says it.
    pub by: Authority,
}

/// The roles of a tool's arguments, by pointer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArgumentRoles(Vec<RoleRule>);

impl ArgumentRoles {
    /// The roles that the operator gives, before those that are proposed. `None` takes a proposal away.
    #[must_use]
    pub fn new(
        given: Vec<(PointerPattern, Option<Role>)>,
        proposed: Vec<(PointerPattern, Role)>,
    ) -> Self {
        let given = given.into_iter().map(|(pattern, role)| RoleRule {
            pattern,
            role,
            by: Authority::Operator,
        });
        let mut roles: Vec<RoleRule> = given.collect();
        for (pattern, role) in proposed {
            if !roles.iter().any(|known| known.pattern == pattern) {
                roles.push(RoleRule {
                    pattern,
                    role: Some(role),
                    by: Authority::Definition,
                });
            }
        }
        Self(roles)
    }

    /// The same for a tool that acts: what no one says a role of, and what is not only content or a setting, may
    /// say what it acts on.
    #[must_use]
    pub fn or_identifiers(mut self, schema: &Value) -> Self {
        for (pattern, role) in identifiers(schema) {
            if !self.0.iter().any(|known| known.pattern == pattern) {
                self.0.push(RoleRule {
                    pattern,
                    role,
                    by: Authority::Definition,
                });
            }
        }
        self
    }

    /// The role of an argument: of the pattern that covers it most exactly.
    pub(super) fn of<S: AsRef<str>>(&self, path: &[S]) -> Option<Role> {
        // Of equally exact ones the first: what the operator gives.
        let mut best: Option<((usize, usize), Option<Role>)> = None;
        for rule in &self.0 {
            if let Some(rank) = rule.pattern.covers(path)
                && best.is_none_or(|(better, _)| rank > better)
            {
                best = Some((rank, rule.role));
            }
        }
        best.and_then(|(_, role)| role)
    }

    /// What is said about arguments.
    #[must_use]
    pub fn rules(&self) -> &[RoleRule] {
        &self.0
    }

    /// The pointers with their roles.
    pub fn iter(&self) -> impl Iterator<Item = (&PointerPattern, Role)> {
        let all = self.0.iter();
        all.filter_map(|rule| Some((&rule.pattern, rule.role?)))
    }
}

/// The roles that a tool's input schema suggests, by the formats and the names of its properties.
#[must_use]
pub fn proposed_roles(schema: &Value) -> Vec<(PointerPattern, Role)> {
    let mut found = Vec::new();
    let mut read = |pattern: PointerPattern, name: &str, property: &Property<'_>| {
        let by_name = || property.may_hold_text().then(|| by_name(name)).flatten();
        if let Some(role) = property.format_role().or_else(by_name) {
            found.push((pattern, role));
        }
    };
    SchemaReader::new(schema, &mut read).properties(schema, 0);
    found
}

/// Whether a tool with these labels acts on something outside: what its arguments say counts.
#[must_use]
pub fn acts(labels: &BTreeSet<String>) -> bool {
    let mut labels = labels.iter();
    labels.any(|label| matches!(label.as_str(), "egress" | "destructive" | "unlabelled"))
}

/// Every property, with whether it may say what a tool acts on.
fn identifiers(schema: &Value) -> Vec<(PointerPattern, Option<Role>)> {
    let mut found = Vec::new();
    let mut read = |pattern: PointerPattern, name: &str, property: &Property<'_>| {
        let words = super::asked::name_words(name);
        let last = words.last().map_or("", String::as_str);
        let is_only = [TEXTS, CONTENTS, SETTINGS]
            .iter()
            .any(|names| names.contains(&last));
        let names = property.is_open() || (!is_only && property.may_name());
        found.push((pattern, names.then_some(Role::Identifier)));
    };
    SchemaReader::new(schema, &mut read).properties(schema, 0);
    found
}

/// The most properties of a schema that are read.
const MAX_PROPERTIES: usize = 1024;

/// Takes a property with the pattern of its pointer and its name.
type TakeProperty<'p> = dyn FnMut(PointerPattern, &str, &Property<'_>) + 'p;

/// Reads the properties of a schema.
struct SchemaReader<'a, 'p> {
    root: &'a Value,
    take: &'p mut TakeProperty<'p>,
    path: Vec<String>,
    left: usize,
}

/// A property of a schema.
#[derive(Clone, Copy)]
struct Property<'a> {
    root: &'a Value,
    schema: &'a Value,
    depth: usize,
}

impl<'a, 'p> SchemaReader<'a, 'p> {
    fn new(root: &'a Value, take: &'p mut TakeProperty<'p>) -> Self {
        Self {
            root,
            take,
            path: Vec::new(),
            left: MAX_PROPERTIES,
        }
    }

    fn properties(&mut self, schema: &'a Value, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let schema = resolved(self.root, schema);
        let named = schema.get("properties").and_then(Value::as_object);
        for (name, property) in named.into_iter().flatten() {
            self.property(name, name, property, depth);
        }
        // Members of other names, as in a map, are values of the property around them.
        for others in ["additionalProperties", "patternProperties"] {
            for other in others_of(schema, others) {
                let name = self.path.last().cloned().unwrap_or_default();
                self.property("*", &name, other, depth);
            }
        }
        for branch in branches(schema) {
            self.properties(branch, depth + 1);
        }
        if !self.path.is_empty() {
            for items in items(schema) {
                self.path.push("*".into());
                self.properties(items, depth + 1);
                self.path.pop();
            }
        }
    }

    fn property(&mut self, segment: &str, name: &str, schema: &'a Value, depth: usize) {
        let Some(left) = self.left.checked_sub(1) else {
            return;
        };
        self.left = left;
        self.path.push(match segment {
            "*" => segment.to_owned(),
            name => escape_segment(name),
        });
        if let Ok(pattern) = PointerPattern::parse(&format!("/{}", self.path.join("/"))) {
            let property = Property {
                root: self.root,
                schema,
                depth: 0,
            };
            (self.take)(pattern, name, &property);
        }
        self.properties(schema, depth + 1);
        self.path.pop();
    }
}

/// The schema that a reference within the same document names; a schema without one is itself.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..MAX_DEPTH {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
        match pointer.and_then(|pointer| root.pointer(pointer)) {
            Some(named) => schema = named,
            None => return schema,
        }
    }
    schema
}

/// The schemas of members whose names the schema does not list.
fn others_of<'a>(schema: &'a Value, keyword: &str) -> Vec<&'a Value> {
    match (keyword, schema.get(keyword)) {
        ("patternProperties", Some(Value::Object(patterns))) => patterns.values().collect(),
        ("additionalProperties", Some(other @ (Value::Object(_) | Value::Bool(true)))) => {
            vec![other]
        }
        _ => Vec::new(),
    }
}

/// The schemas of the items of a list.
fn items(schema: &Value) -> impl Iterator<Item = &Value> {
    let listed = ["items", "prefixItems"].into_iter();
    listed
        .filter_map(|name| schema.get(name))
        .flat_map(|items| match items {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        })
}

fn branches(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf", "allOf"]
        .into_iter()
        .filter_map(|name| schema.get(name).and_then(Value::as_array))
        .flatten()
}

impl<'a> Property<'a> {
    /// Its items and its branches, unless they are too deep.
    fn parts(self) -> impl Iterator<Item = Self> {
        let schema = resolved(self.root, self.schema);
        let part = move |schema: &'a Value| Self {
            schema,
            depth: self.depth + 1,
            ..self
        };
        let parts = items(schema).chain(branches(schema));
        parts.filter(move |_| self.depth < MAX_DEPTH).map(part)
    }

    fn format_role(self) -> Option<Role> {
        let format = resolved(self.root, self.schema).get("format");
        let role = match format.and_then(Value::as_str).unwrap_or_default() {
            "email" | "idn-email" => Some(Role::Recipient),
            "uri" | "iri" | "uri-reference" | "url" => Some(Role::Url),
            "hostname" | "idn-hostname" | "ipv4" | "ipv6" => Some(Role::Host),
            "uuid" => Some(Role::Identifier),
            _ => None,
        };
        role.or_else(|| self.parts().find_map(Self::format_role))
    }

    /// Whether it can be a text or a number: not if it is a switch or a fixed choice.
    fn may_hold_text(self) -> bool {
        self.may_be(|kind, _| kind != "boolean")
    }

    /// Whether it can be a text that names something: not if it is a number, a date or a time. The members of
    /// an object are properties of their own.
    fn may_name(self) -> bool {
        self.may_be(|kind, schema| {
            let format = schema.get("format").and_then(Value::as_str);
            !matches!(kind, "boolean" | "number" | "integer" | "object")
                && !matches!(format, Some("date" | "date-time" | "time" | "duration"))
        })
    }

    /// Whether it can be an object of any members.
    fn is_open(self) -> bool {
        let schema = resolved(self.root, self.schema);
        let is_object = match schema.get("type") {
            Some(Value::String(kind)) => kind == "object",
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
            _ => false,
        };
        let lists = [
            "properties",
            "additionalProperties",
            "patternProperties",
            "allOf",
            "anyOf",
            "oneOf",
        ];
        is_object && !lists.iter().any(|keyword| schema.get(keyword).is_some())
            || self.parts().any(Self::is_open)
    }

    fn may_be(self, fits: fn(&str, &Value) -> bool) -> bool {
        let schema = resolved(self.root, self.schema);
        if schema.get("enum").is_some() || schema.get("const").is_some() {
            return false;
        }
        let mut parts = self.parts().peekable();
        let is_whole = parts.peek().is_none();
        let mut any = || is_whole || parts.any(|part| part.may_be(fits));
        match schema.get("type") {
            Some(Value::String(kind)) if kind == "array" => any(),
            Some(Value::String(kind)) => kind != "null" && fits(kind, schema),
            Some(Value::Array(kinds)) => {
                kinds
                    .iter()
                    .filter_map(Value::as_str)
                    .any(|kind| match kind {
                        "null" => false,
                        "array" => any(),
                        kind => fits(kind, schema),
                    })
            }
            _ => fits("", schema) && any(),
        }
    }
}

/// Words of names, with the role that they suggest. The last word of a name counts first.
const NAMES: &[(Role, &[&str])] = &[
    (
        Role::Recipient,
        &[
            "to",
            "cc",
            "bcc",
            "recipient",
            "recipients",
            "email",
            "emails",
            "mail",
            "address",
            "addresses",
            "participant",
            "participants",
            "attendee",
            "attendees",
            "invitee",
            "invitees",
            "guest",
            "guests",
            "channel",
            "channels",
            "phone",
            "assignee",
            "assignees",
            "reviewer",
            "reviewers",
            "receiver",
            "beneficiary",
            "payee",
            "audience",
        ],
    ),
    (
        Role::Url,
        &[
            "url", "urls", "uri", "link", "links", "href", "webhook", "callback", "endpoint",
            "website", "webpage",
        ],
    ),
    (
        Role::Host,
        &[
            "host", "hosts", "hostname", "domain", "domains", "server", "ip",
        ],
    ),
    (
        Role::Path,
        &[
            "path",
            "paths",
            "filepath",
            "filename",
            "dir",
            "directory",
            "folder",
            "destination",
        ],
    ),
    (
        Role::Account,
        &[
            "account",
            "accounts",
            "iban",
            "bic",
            "wallet",
            "card",
            "password",
            "passwd",
            "passphrase",
            "secret",
            "token",
            "credential",
            "credentials",
        ],
    ),
    (
        Role::Identifier,
        &[
            "id",
            "ids",
            "uuid",
            "guid",
            "user",
            "users",
            "username",
            "member",
            "members",
            "group",
            "team",
            "owner",
            "repo",
            "repository",
            "branch",
            "order",
            "ticket",
            "issue",
            "customer",
        ],
    ),
    (
        Role::Command,
        &[
            "command",
            "commands",
            "cmd",
            "script",
            "code",
            "sql",
            "shell",
            "statement",
        ],
    ),
];

/// Words of names of things that are only described: a text, however the rest is named.
const TEXTS: &[&str] = &[
    "text",
    "body",
    "description",
    "subject",
    "title",
    "message",
    "note",
    "notes",
    "comment",
];

/// Further words of such names, of tools that act.
const CONTENTS: &[&str] = &[
    "about",
    "agenda",
    "answer",
    "caption",
    "content",
    "contents",
    "data",
    "details",
    "feedback",
    "greeting",
    "headline",
    "html",
    "keywords",
    "label",
    "labels",
    "location",
    "markdown",
    "payload",
    "place",
    "prompt",
    "q",
    "query",
    "question",
    "reason",
    "search",
    "signature",
    "summary",
    "tag",
    "tags",
    "topic",
];

/// Words of names of settings: how something is done, or when.
const SETTINGS: &[&str] = &[
    "category",
    "color",
    "colour",
    "currency",
    "date",
    "day",
    "days",
    "duration",
    "encoding",
    "end",
    "format",
    "frequency",
    "hour",
    "hours",
    "importance",
    "kind",
    "language",
    "limit",
    "locale",
    "minute",
    "minutes",
    "mode",
    "month",
    "offset",
    "order",
    "page",
    "permission",
    "permissions",
    "priority",
    "recurrence",
    "schedule",
    "size",
    "sort",
    "start",
    "state",
    "status",
    "style",
    "time",
    "timezone",
    "timestamp",
    "tone",
    "type",
    "unit",
    "units",
    "version",
    "visibility",
    "week",
    "year",
];

pub(super) fn by_name(name: &str) -> Option<Role> {
    let words = super::asked::name_words(name);
    if words
        .last()
        .is_some_and(|last| TEXTS.contains(&last.as_str()))
    {
        return None;
    }
    let role = |word: &String| {
        let mut names = NAMES.iter();
        names
            .find(|(_, names)| names.contains(&word.as_str()))
            .map(|(role, _)| *role)
    };
    let last = words.last().and_then(role);
    match last {
        // `file_id` is an identifier, `email_address` a recipient, `user_name` as `user`.
        Some(role) => Some(role),
        None if words
            .last()
            .is_some_and(|last| last == "name" || last == "number") =>
        {
            words.iter().rev().skip(1).find_map(role)
        }
        None => None,
    }
}

#[cfg(test)]
mod tests;
