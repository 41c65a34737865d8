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
