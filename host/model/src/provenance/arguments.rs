//! The roles of a tool's arguments, and proposals from its schema.

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

/// The roles that a tool's input schema suggests, by the formats and the names of its properties. If it suggests
/// none, the required texts and numbers are identifiers, unless they describe or count something: a call without any
/// target would look as if nothing of it came from strangers.
#[must_use]
pub fn proposed_roles(schema: &Value) -> Vec<(PointerPattern, Role)> {
    let mut found = Vec::new();
    let mut path = Vec::new();
    properties(schema, &mut path, &mut found);
    if found.is_empty() {
        targets(schema, &mut found);
    }
    found
}

fn targets(schema: &Value, found: &mut Vec<(PointerPattern, Role)>) {
    let required = schema.get("required").and_then(Value::as_array);
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let mut required = required.into_iter().flatten();
        let words = super::asked::name_words(name);
        let describes =
            |word: &String| TEXTS.contains(&word.as_str()) || DESCRIPTIONS.contains(&word.as_str());
        if required.any(|required| required == name)
            && may_hold_text(property, 0)
            && !words.iter().any(describes)
            && let Ok(pattern) = PointerPattern::parse(&format!("/{}", escape_segment(name)))
        {
            found.push((pattern, Role::Identifier));
        }
    }
}

fn properties(schema: &Value, path: &mut Vec<String>, found: &mut Vec<(PointerPattern, Role)>) {
    if path.len() > MAX_DEPTH {
        return;
    }
    for (name, property) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        path.push(escape_segment(name));
        let role = by_format(property, 0)
            .or_else(|| may_hold_text(property, 0).then(|| by_name(name)).flatten());
        if let Some(role) = role
            && let Ok(pattern) = PointerPattern::parse(&format!("/{}", path.join("/")))
        {
            found.push((pattern, role));
        }
        properties(property, path, found);
        path.pop();
    }
    for branch in branches(schema) {
        properties(branch, path, found);
    }
    if let Some(items) = schema.get("items").filter(|_| !path.is_empty()) {
        path.push("*".into());
        properties(items, path, found);
        path.pop();
    }
}

fn branches(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf", "allOf"]
        .into_iter()
        .filter_map(|name| schema.get(name).and_then(Value::as_array))
        .flatten()
}

/// Words of names of what only describes, counts or limits something.
const DESCRIPTIONS: &[&str] = &[
    "date",
    "day",
    "time",
    "start",
    "starts",
    "end",
    "ends",
    "since",
    "until",
    "month",
    "year",
    "duration",
    "timeout",
    "amount",
    "price",
    "cost",
    "quantity",
    "count",
    "total",
    "limit",
    "max",
    "min",
    "page",
    "size",
    "offset",
    "length",
    "depth",
    "query",
    "q",
    "search",
    "keyword",
    "keywords",
    "term",
    "terms",
    "filter",
    "language",
    "lang",
    "locale",
    "format",
    "unit",
    "currency",
    "reason",
    "priority",
    "severity",
    "mode",
    "state",
    "status",
    "kind",
    "type",
    "category",
    "sort",
    "content",
    "data",
    "value",
    "values",
    "question",
    "prompt",
    "input",
    "json",
    "expression",
    "seconds",
    "milliseconds",
    "ms",
    "x",
    "y",
    "a",
    "b",
    "city",
    "country",
    "location",
];

fn by_format(schema: &Value, depth: usize) -> Option<Role> {
    if depth > MAX_DEPTH {
        return None;
    }
    let format = schema.get("format").and_then(Value::as_str);
    let role = match format.unwrap_or_default() {
        "email" | "idn-email" => Some(Role::Recipient),
        "uri" | "iri" | "uri-reference" | "url" => Some(Role::Url),
        "hostname" | "idn-hostname" | "ipv4" | "ipv6" => Some(Role::Host),
        "uuid" => Some(Role::Identifier),
        _ => None,
    };
    role.or_else(|| {
        let items = schema.get("items").into_iter();
        items
            .chain(branches(schema))
            .find_map(|part| by_format(part, depth + 1))
    })
}

/// Whether a property can be a text or a number: not if it is a switch or a fixed choice.
fn may_hold_text(schema: &Value, depth: usize) -> bool {
    if schema.get("enum").is_some() || schema.get("const").is_some() || depth > MAX_DEPTH {
        return false;
    }
    match schema.get("type") {
        Some(Value::String(kind)) if kind == "boolean" || kind == "null" => false,
        Some(Value::String(kind)) if kind == "array" => schema
            .get("items")
            .is_none_or(|items| may_hold_text(items, depth + 1)),
        Some(_) => true,
        None => {
            let mut any = branches(schema).peekable();
            any.peek().is_none() || any.any(|branch| may_hold_text(branch, depth + 1))
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
