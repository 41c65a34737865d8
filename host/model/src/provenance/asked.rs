//! Whether the user's request asks for a tool.

use super::{IndexKey, phrase::Phrase, request::MessageIndex};

/// Words for acts, with the words that ask for each of them.
pub(super) const ACTS: &[(&[&str], &[&str])] = &[
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
        &[
            "run", "execute", "exec", "launch", "invoke", "start", "restart", "install",
        ],
        &[
            "run", "execute", "launch", "invoke", "start", "restart", "install", "apply",
        ],
    ),
    (
        &["grant", "assign", "allow", "enable", "approve", "permit"],
        &[
            "grant", "assign", "allow", "enable", "approve", "permit", "give", "add", "let",
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

/// Words that ask for something and also name things: as in "email Ann", not as in "read my email".
const NAMES: [&str; 12] = [
    "answer", "book", "charge", "contact", "email", "end", "mail", "message", "order", "plan",
    "post", "share",
];

/// Words after which such a word is a verb.
const BEFORE_VERBS: [&str; 20] = [
    "also", "and", "can", "could", "finally", "just", "kindly", "must", "next", "now", "or",
    "please", "shall", "should", "then", "to", "we", "will", "would", "you",
];

/// Forms of words that no ending makes.
const IRREGULAR: [(&str, &[&str]); 9] = [
    ("buy", &["bought"]),
    ("get", &["got"]),
    ("give", &["gave", "given"]),
    ("make", &["made"]),
    ("pay", &["paid"]),
    ("revoke", &["revocation"]),
    ("send", &["sent"]),
    ("tell", &["told"]),
    ("write", &["wrote", "written"]),
];

/// Whether a request has one of these words or phrases, in any of their forms (`deleted`, `deletion`).
pub(super) fn is_asked(key: &IndexKey, request: &MessageIndex, asked_by: &[String]) -> bool {
    asked_by.iter().any(|phrase| {
        let phrase = Phrase::new(phrase);
        match phrase.words() {
            [] => false,
            [word] if NAMES.contains(&word.as_str()) => {
                request.has_word_after(key, word, &BEFORE_VERBS)
            }
            [word] => forms(word).iter().any(|form| request.has_word(key, form)),
            _ => request.has(key, &phrase),
        }
    })
}

/// The forms of a word: those of a verb, and the nouns for its act.
fn forms(word: &str) -> Vec<String> {
    let mut forms = vec![word.to_owned(), format!("{word}s"), format!("{word}es")];
    // `drop` and `cancel` have `dropped` and `cancellation`, `close` has `closing`, `modify` has `modified`.
    let doubled = word.chars().last().map(|last| format!("{word}{last}"));
    let stems = [
        Some(word.to_owned()),
        doubled,
        word.strip_suffix('e').map(str::to_owned),
    ];
    for stem in stems.into_iter().flatten() {
        let endings = ["ed", "ing", "ion", "ation", "al", "ment"];
        forms.extend(endings.map(|ending| format!("{stem}{ending}")));
    }
    if let Some(stem) = word.strip_suffix('y') {
        forms.extend(["ied", "ies", "ication"].map(|ending| format!("{stem}{ending}")));
    }
    let irregular = IRREGULAR.iter().find(|(base, _)| *base == word);
    let irregular = irregular.into_iter().flat_map(|(_, forms)| forms.iter());
    forms.extend(irregular.map(|form| (*form).to_owned()));
    forms
}

#[cfg(test)]
mod tests;
