//! The words of a text, folded: without quotes and punctuation around them, in one form of numbers and times.
//!
//! Only for finding repetitions of arguments, which takes trust away. What gives trust is compared as it stands
//! ([`super::phrase`], [`super::spans`]).

use super::form;

/// Characters that open or close a quotation or a bracket.
pub(super) const QUOTES: [char; 14] = [
    '"', '\'', '`', '“', '”', '‘', '’', '«', '»', '„', '‹', '›', '「', '」',
];
pub(super) const OPENING: [char; 4] = ['(', '[', '{', '<'];
pub(super) const CLOSING: [char; 4] = [')', ']', '}', '>'];
/// Punctuation after a word.
pub(super) const TRAILING: [char; 6] = ['.', ',', ';', ':', '!', '?'];
/// Words after which a short value is one on its own, such as `id 13`.
pub(super) const NAMING: [&str; 7] = ["id", "ids", "no", "nr", "num", "number", "#"];

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// In lower case, in the plain form of its kind.
    pub(super) text: String,
    /// Whether the text marks it as a value: in quotes, after `#`, or after `id`.
    pub(super) is_marked: bool,
}

/// The words of a text, in their order.
pub(super) fn words(text: &str) -> Vec<Word> {
    let lower = lower(text);
    let mut out: Vec<Word> = Vec::new();
    for chunk in lower.split_whitespace() {
        push_chunk(chunk, &mut out);
    }
    out
}

/// Whether a text has a word for certain: a letter or a digit that is not the `s` of a possessive.
pub(super) fn has_words(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric) && !text.contains(['\'', '’'])
}

/// The text in lower case. A character that only looks like a capital letter, such as the Kelvin sign, stays: its
/// capital is another one.
pub(super) fn lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let is_capital = c.to_lowercase().flat_map(char::to_uppercase).eq([c]);
        match is_capital {
            true => out.extend(c.to_lowercase()),
            false => out.push(c),
        }
    }
    out
}

/// A chunk may have thousands of separators: its parts wait in a list, and only short ones are numbers or dates.
fn push_chunk(chunk: &str, out: &mut Vec<Word>) {
    let mut left = vec![chunk];
    while let Some(chunk) = left.pop() {
        let (bare, quoted) = unquoted(chunk);
        if bare.is_empty() {
            if chunk == "#" {
                push("#", false, out);
            }
            continue;
        }
        let (bare, hash) = match bare.strip_prefix('#') {
            Some(rest) if !rest.is_empty() => (rest, true),
            _ => (bare, false),
        };
        let marked = quoted || hash;
        let short = Some(bare).filter(|bare| bare.len() <= form::MAX_FORM);
        if let Some(number) = short.and_then(form::number) {
            push(&number, marked, out);
        } else if let Some((date, time)) = short.and_then(moment) {
            push(date, marked, out);
            left.push(time);
        } else if let Some(time) = short.and_then(form::time) {
            push(&time, marked, out);
        } else if let Some((at, length)) = separator(bare) {
            let (before, after) = bare.split_at(at);
            left.push(after.get(length..).unwrap_or_default());
            left.push(before);
        } else {
            push(plain_url(bare), marked, out);
        }
    }
}

fn push(text: &str, is_marked: bool, out: &mut Vec<Word>) {
    let named = out
        .last()
        .is_some_and(|last| NAMING.contains(&last.text.as_str()));
    out.push(Word {
        text: text.to_owned(),
        is_marked: is_marked || named,
    });
}

/// A word without the quotes, brackets and punctuation around it, and whether it was in quotes alone.
fn unquoted(chunk: &str) -> (&str, bool) {
    let mut bare = chunk;
    let (mut opened, mut closed) = (false, false);
    loop {
        let before = bare.len();
        if let Some(rest) = bare.strip_prefix(QUOTES) {
            (bare, opened) = (rest, true);
        }
        if let Some(rest) = bare.strip_suffix(QUOTES) {
            (bare, closed) = (rest, true);
        }
        bare = bare.strip_prefix(OPENING).unwrap_or(bare);
        bare = bare.strip_suffix(CLOSING).unwrap_or(bare);
        bare = bare.strip_suffix(TRAILING).unwrap_or(bare);
        for possessive in ["'s", "’s"] {
            bare = bare.strip_suffix(possessive).unwrap_or(bare);
        }
        if bare.len() == before {
            return (bare, opened && closed);
        }
    }
}

/// `2024-05-01T10:00:00Z`, as its two words.
fn moment(word: &str) -> Option<(&str, &str)> {
    let (date, time) = word.split_once('t')?;
    let is_date = form::date(&[date]).is_some();
    let time = time.strip_suffix('z').unwrap_or(time);
    (is_date && form::time(time).is_some()).then_some((date, time))
}

/// Where a word is two: at a comma, a semicolon, a bar, an equals sign, or a colon that is not part of a URL
/// or a time.
pub(super) fn separator(word: &str) -> Option<(usize, usize)> {
    word.char_indices().find_map(|(at, c)| match c {
        ',' | ';' | '|' | '=' => Some((at, c.len_utf8())),
        ':' => {
            let after = word.get(at + 1..)?;
            let digits = after.starts_with(|c: char| c.is_ascii_digit())
                && word
                    .get(..at)
                    .is_some_and(|b| b.ends_with(|c: char| c.is_ascii_digit()));
            (!after.starts_with("//") && !digits).then_some((at, 1))
        }
        _ => None,
    })
}

/// A URL without its scheme and without a slash at its end.
fn plain_url(word: &str) -> &str {
    let bare = word
        .strip_prefix("https://")
        .or_else(|| word.strip_prefix("http://"))
        .unwrap_or(word);
    if bare.len() > 1 {
        bare.strip_suffix('/').unwrap_or(bare)
    } else {
        bare
    }
}

/// The host of a word that is a URL or a name with a dot in it.
pub(super) fn host(word: &str) -> Option<&str> {
    let host = word.split(['/', '?', '#']).next()?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split(':').next()?;
    (host.contains('.') && host.len() > 3).then_some(host)
}

/// The host of a word that is a URL.
pub(super) fn url_host(word: &str) -> Option<&str> {
    let bare = word
        .strip_prefix("https://")
        .or_else(|| word.strip_prefix("http://"));
    host(bare.or_else(|| word.starts_with("www.").then_some(word))?)
}

#[cfg(test)]
mod tests;
