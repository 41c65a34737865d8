//! Text from outside, made safe to display.

mod invisible;

use std::cmp::Ordering;

use invisible::INVISIBLE;

/// `text` with every invisible character, and every one that changes how others are displayed, escaped; cut
/// to at most `max` bytes. Line feeds and tabs stay.
#[must_use]
pub fn printable(text: &str, max: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let start = out.len();
        if is_visible(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
        if out.len() + '…'.len_utf8() > max {
            out.truncate(start);
            out.push('…');
            break;
        }
    }
    out
}

/// The candidate most like `name`, if any is alike enough to suggest.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|c| (strsim::damerau_levenshtein(name, c), c))
        .filter(|(distance, c)| *distance <= 1 + c.chars().count() / 4)
        .min()
        .map(|(_, c)| c)
}

/// The tool most like `name`: by its whole name, or else by what follows the name of its source, as `greet` in
/// `hello__greet`.
pub fn nearest_tool<'a>(name: &str, tools: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let tools: Vec<&str> = tools.collect();
    let own = |tool: &'a str| tool.split_once("__").map(|(_, own)| own);
    let called = |near: &str| tools.iter().copied().find(|tool| own(tool) == Some(near));
    nearest(name, tools.iter().copied())
        .or_else(|| called(name))
        .or_else(|| called(nearest(name, tools.iter().filter_map(|tool| own(tool)))?))
}

/// Text in which `%` and two hexadecimal digits stand for a byte (RFC 3986, section 2.1). `None` for an escape that
/// is not one, or bytes that are not UTF-8.
#[must_use]
pub fn percent_decoded(text: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.bytes();
    while let Some(byte) = left.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (high, low) = (digit(left.next()?)?, digit(left.next()?)?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Whether people see a character as what it is.
fn is_visible(c: char) -> bool {
    match c {
        '\n' | '\t' | ' '..='~' => true,
        _ => INVISIBLE
            .binary_search_by(|(first, last)| {
                if *last < c {
                    Ordering::Less
                } else if *first > c {
                    Ordering::Greater
                } else {
                    Ordering::Equal
                }
            })
            .is_err(),
    }
}

#[cfg(test)]
mod tests;
