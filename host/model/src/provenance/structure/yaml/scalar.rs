//! Scalars of YAML.

/// Where a quoted scalar ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ScalarEnd<'a> {
    /// In this text, before `rest`.
    Here { value: String, rest: &'a str },
    /// In a later line.
    Open,
}

/// Reads a quoted scalar from after its opening quote. `None` if it is ambiguous.
pub(super) fn quoted(text: &str, quote: u8) -> Option<ScalarEnd<'_>> {
    match quote {
        b'\'' => single(text),
        _ => double(text),
    }
}

/// Whether a line of a quoted scalar has the quote that ends it.
pub(super) fn closes(line: &str, quote: u8) -> bool {
    if quote == b'\'' {
        // Two quotes are one in the text.
        return line.bytes().filter(|b| *b == quote).count() % 2 == 1;
    }
    let mut bytes = line.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return true,
            _ => {}
        }
    }
    false
}

fn single(text: &str) -> Option<ScalarEnd<'_>> {
    let mut value = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\'') {
        let before = rest.get(..at)?;
        // Other writers escape a quote with a backslash, which is an ordinary character here.
        if before.ends_with('\\') {
            return None;
        }
        value.push_str(before);
        let after = rest.get(at + 1..)?;
        match after.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => {
                return Some(ScalarEnd::Here {
                    value: unfolded(&value),
                    rest: after,
                });
            }
        }
    }
    Some(ScalarEnd::Open)
}

fn double(text: &str) -> Option<ScalarEnd<'_>> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => {
                return Some(ScalarEnd::Here {
                    value: unfolded(&value),
                    rest: text.get(at + 1..)?,
                });
            }
            '\\' => match characters.next() {
                // At the end of a line it joins the lines.
                Some((_, '\n')) => {
                    let rest = characters.as_str();
                    let skipped = rest.len() - rest.trim_start_matches([' ', '\n']).len();
                    for _ in 0..skipped {
                        characters.next();
                    }
                }
                Some((_, escape)) => push_escape(escape, &mut characters, &mut value)?,
                None => return Some(ScalarEnd::Open),
            },
            c => value.push(c),
        }
    }
    Some(ScalarEnd::Open)
}

/// A line end that came from an escape, apart from those that are folded.
const ESCAPED_LINE_END: char = '\u{2028}';

fn push_escape(
    escape: char,
    characters: &mut std::str::CharIndices<'_>,
    value: &mut String,
) -> Option<()> {
    let digits = match escape {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    if digits > 0 {
        let hex: String = characters.by_ref().take(digits).map(|(_, c)| c).collect();
        if hex.len() != digits {
            return None;
        }
        let code = u32::from_str_radix(&hex, 16).ok()?;
        // One half of a surrogate pair (as JSON writes them) is not a character.
        value.push(char::from_u32(code).unwrap_or('\u{fffd}'));
        return Some(());
    }
    value.push(match escape {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => ESCAPED_LINE_END,
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        ' ' => ' ',
        '"' => '"',
        '/' => '/',
        '\\' => '\\',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' | 'P' => ESCAPED_LINE_END,
        // `\'` is an escape of others.
        _ => return None,
    });
    Some(())
}

/// Lines of a quoted scalar, folded: one line end is a space, more are one fewer.
fn unfolded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.split('\n');
    out.push_str(lines.next().unwrap_or_default());
    let mut empty = 0;
    for line in lines {
        if line.is_empty() {
            empty += 1;
            continue;
        }
        match empty {
            0 => out.push(' '),
            n => out.extend(std::iter::repeat_n('\n', n)),
        }
        empty = 0;
        out.push_str(line);
    }
    out.replace(ESCAPED_LINE_END, "\n")
}

/// A line of a plain scalar; `None` if it could be something else.
pub(super) fn plain_line(text: &str, is_first: bool) -> Option<&str> {
    let odd =
        text.contains(": ") || text.ends_with(':') || text.contains(" #") || text.contains('\t');
    let special = text.starts_with([
        '&', '*', '!', '%', '@', '`', '#', '|', '>', ',', '[', ']', '{', '}', '\'', '"',
    ]);
    let dash = text.starts_with("- ") || text.starts_with("? ") || text.starts_with(": ");
    let mark = text.starts_with("---") || text.starts_with("...");
    let wrong = odd || mark || text.is_empty() || (is_first && (special || dash));
    // In a later line these would be an item or a key to a reader that ends the scalar earlier.
    let later = !is_first && (dash || special);
    (!wrong && !later).then_some(text)
}

/// Whether a text may be a plain key.
pub(super) fn is_plain_key(text: &str) -> bool {
    plain_line(text, true).is_some() && !text.contains(['"', '\'', '[', ']', '{', '}', ','])
}
