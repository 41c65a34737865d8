//! Whether the user's request asks for a tool.

use super::{IndexKey, request::RequestIndex, words::words};

/// Words for acts, with the words that ask for each of them.
const ACTS: &[(&[&str], &[&str])] = &[
    (
        &[
            "delete", "remove", "erase", "drop", "destroy", "purge", "trash", "clear", "wipe",
            "discard", "unlink",
        ],
        &[
            "delete", "remove", "erase", "drop", "destroy", "purge", "trash", "clear", "wipe",
            "discard", "get rid", "clean", "kick",
        ],
    ),
    (
        &["cancel", "abort", "revoke", "terminate", "close", "stop"],
        &[
            "cancel",
            "abort",
            "revoke",
            "terminate",
            "close",
            "stop",
            "call off",
            "end",
            "delete",
            "remove",
        ],
    ),
    (
        &[
            "update",
            "change",
            "modify",
            "set",
            "edit",
            "replace",
            "overwrite",
            "reset",
            "rename",
            "move",
        ],
        &[
            "update",
            "change",
            "modify",
            "set",
            "edit",
            "replace",
            "overwrite",
            "reset",
            "rename",
            "move",
            "adjust",
            "correct",
            "fix",
        ],
    ),
    (
        &["pay", "transfer", "refund", "charge", "withdraw", "wire"],
        &[
            "pay",
            "send",
            "transfer",
            "refund",
            "charge",
            "withdraw",
            "reimburse",
            "wire",
            "give",
        ],
    ),
    (
        &[
            "send", "email", "mail", "message", "reply", "forward", "notify", "invite",
        ],
        &[
            "send", "email", "e-mail", "mail", "message", "reply", "respond", "answer", "forward",
            "notify", "invite", "write", "tell", "inform", "contact", "ask", "pay", "transfer",
            "refund", "share", "post",
        ],
    ),
    (
        &[
            "create", "add", "insert", "schedule", "append", "open", "register",
        ],
        &[
            "create", "add", "insert", "schedule", "append", "open", "register", "make", "new",
            "set up", "plan", "put", "write", "invite", "arrange", "organise", "organize", "book",
        ],
    ),
    (
        &[
            "publish", "post", "share", "release", "deploy", "merge", "upload",
        ],
        &[
            "publish", "post", "share", "release", "deploy", "merge", "announce", "upload", "put",
            "send", "give",
        ],
    ),
    (
        &["reserve", "book", "order", "buy", "purchase"],
        &[
            "reserve",
            "reservation",
            "book",
            "order",
            "buy",
            "purchase",
            "get me",
            "rent",
            "make",
        ],
    ),
];

/// The words of a tool's or argument's name: `deleteFile` and `delete_file` have two.
pub(super) fn name_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in name.chars() {
        let begins = !before.is_alphanumeric() || (c.is_uppercase() && !before.is_uppercase());
        if c.is_alphanumeric() {
            match words.last_mut() {
                Some(last) if !begins => last.extend(c.to_lowercase()),
                _ => words.push(c.to_lowercase().collect()),
            }
        }
        before = c;
    }
    words
}

/// The words that ask for a tool of this name: those for the first act in its name. None if it names none.
#[must_use]
pub fn proposed_words(tool: &str) -> Vec<String> {
    let own = tool.rsplit("__").next().unwrap_or(tool);
    let found = name_words(own).into_iter().find_map(|word| {
        let mut acts = ACTS.iter();
        acts.find(|(names, _)| names.contains(&word.as_str()))
    });
    let asking = found.map_or(&[][..], |(_, asking)| asking);
    asking.iter().map(|word| (*word).to_owned()).collect()
}

/// Whether a request has one of these words or phrases, in any of their forms (`deleted`, `deleting`).
pub(super) fn is_asked(key: &IndexKey, request: &RequestIndex, asked_by: &[String]) -> bool {
    asked_by.iter().any(|phrase| {
        let words = words(phrase);
        match words.as_slice() {
            [] => false,
            [word] => request.has_stem(key, stem(&word.text)),
            several => request.has(key, several),
        }
    })
}

/// A word without the ending that its other forms change.
fn stem(word: &str) -> &str {
    match word.strip_suffix('e') {
        Some(stem) if stem.len() > 3 => stem,
        _ => word,
    }
}

#[cfg(test)]
mod tests;
