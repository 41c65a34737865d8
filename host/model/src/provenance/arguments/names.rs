//! What the names of arguments say.

use crate::provenance::{Role, asked::name_words};

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
    "amount",
    "category",
    "color",
    "colour",
    "count",
    "currency",
    "date",
    "day",
    "days",
    "duration",
    "encoding",
    "end",
    "ends",
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
    "price",
    "priority",
    "quantity",
    "recurrence",
    "schedule",
    "size",
    "sort",
    "start",
    "starts",
    "state",
    "status",
    "style",
    "time",
    "timezone",
    "timestamp",
    "tone",
    "total",
    "type",
    "unit",
    "units",
    "version",
    "visibility",
    "week",
    "year",
];

/// The role that a name suggests.
pub(in crate::provenance) fn by_name(name: &str) -> Option<Role> {
    let words = name_words(name);
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

/// Whether a name says that a text is only content or a setting.
pub(super) fn is_other(name: &str) -> bool {
    let words = name_words(name);
    let last = words.last().map_or("", String::as_str);
    [TEXTS, CONTENTS, SETTINGS]
        .iter()
        .any(|names| names.contains(&last))
}
