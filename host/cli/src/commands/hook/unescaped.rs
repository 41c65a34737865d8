//! JSON that no reader takes, as text: with half of a surrogate pair, as JavaScript writes it where a tool cuts
//! a text, or nested too deeply.

/// The text with its escapes resolved. Half of a surrogate pair becomes U+FFFD, a control character a space.
pub(super) fn unescaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut characters = after.chars();
        match characters.next() {
            Some('u') => {
                let (c, length) = escape(after.get(1..).unwrap_or_default());
                out.push(c);
                rest = after.get(1 + length..).unwrap_or_default();
                continue;
            }
            Some('b' | 'f' | 'n' | 'r' | 't') => out.push(' '),
            Some(c) => out.push(c),
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out
}

/// The character after `\u`, and the bytes that it takes.
fn escape(after: &str) -> (char, usize) {
    let Some(first) = hex(after) else {
        return (char::REPLACEMENT_CHARACTER, 0);
    };
    let second = after
        .get(4..)
        .and_then(|rest| rest.strip_prefix("\\u"))
        .and_then(hex);
    let pair = second.and_then(|second| {
        let mut decoded = char::decode_utf16([first, second]);
        decoded.next()?.ok().filter(|_| decoded.next().is_none())
    });
    match (pair, char::from_u32(u32::from(first))) {
        (Some(c), _) => (c, 10),
        (None, Some(c)) => (c, 4),
        (None, None) => (char::REPLACEMENT_CHARACTER, 4),
    }
}

fn hex(text: &str) -> Option<u16> {
    let digits = text.get(..4)?;
    let are_digits = digits.bytes().all(|b| b.is_ascii_hexdigit());
    are_digits.then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests;
