//! JSON as servers write it, made into JSON that can be read.
//!
//! Some encoders write half of a surrogate pair, control characters inside strings, `NaN`, or numbers beyond
//! what a 64-bit integer or a double can hold. Each of them is replaced where it stands, and costs nothing else.

use std::borrow::Cow;

use rmcp::model::RequestId;

/// What stands for a character that is none (U+FFFD).
const REPLACEMENT: &str = "\\ufffd";
/// Digits of an integer that is always read exactly.
const SAFE_DIGITS: usize = 15;
/// Words that are numbers elsewhere.
const NO_NUMBERS: &[&str] = &["NaN", "Infinity", "-Infinity"];

/// The text without what a JSON parser refuses although its meaning is plain. A number that cannot be held exactly
/// becomes a string of its digits.
pub(super) fn mend(text: &str) -> Cow<'_, str> {
    let mut mending = Repair {
        text,
        at: 0,
        copied: 0,
        out: String::new(),
    };
    while let Some(byte) = mending.byte(0) {
        match byte {
            b'"' => mending.string(),
            b'-' | b'0'..=b'9' | b'N' | b'I' => mending.number(),
            _ => mending.at += 1,
        }
    }
    if mending.copied == 0 {
        return Cow::Borrowed(text);
    }
    let rest = text.get(mending.copied..).unwrap_or_default();
    mending.out.push_str(rest);
    Cow::Owned(mending.out)
}

struct Repair<'t> {
    text: &'t str,
    at: usize,
    /// How much of the text is in `out` already.
    copied: usize,
    out: String,
}

impl Repair<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Replace the next `length` bytes.
    fn replace(&mut self, length: usize, by: &str) {
        let before = self.text.get(self.copied..self.at).unwrap_or_default();
        self.out.push_str(before);
        self.out.push_str(by);
        self.at += length;
        self.copied = self.at;
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.byte(0) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' if self.byte(1) == Some(b'u') => self.escape(),
                b'\\' => self.at += 2,
                control if control < 0x20 => {
                    self.replace(1, &format!("\\u{:04x}", u32::from(control)));
                }
                _ => self.at += 1,
            }
        }
    }

    /// A `\uXXXX`, or two that are a pair.
    fn escape(&mut self) {
        match (self.unit(0), self.unit(6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => self.at += 12,
            (Some(0xD800..=0xDFFF), _) => self.replace(6, REPLACEMENT),
            (Some(_), _) => self.at += 6,
            (None, _) => self.at += 2,
        }
    }

    /// The code unit of the escape so far ahead.
    fn unit(&self, ahead: usize) -> Option<u16> {
        let from = self.at + ahead;
        let digits = self.text.get(from..from + 6)?.strip_prefix("\\u")?;
        let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| hex)
    }

    fn number(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if let Some(word) = NO_NUMBERS.iter().find(|word| rest.starts_with(**word)) {
            self.replace(word.len(), &format!("\"{word}\""));
            return;
        }
        let part = |b: u8| b.is_ascii_digit() || b"+-.eE".contains(&b);
        let length = rest.bytes().take_while(|b| part(*b)).count().max(1);
        let token = rest.get(..length).unwrap_or_default();
        if is_exact(token) {
            self.at += length;
        } else {
            self.replace(length, &format!("\"{token}\""));
        }
    }
}

/// Whether the value of a number is near enough to what is written: exactly, for an integer.
fn is_exact(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        // Text that is not a number stays unchanged, so that the parser refuses it.
        return token.parse::<f64>().map_or(true, f64::is_finite);
    }
    digits.len() <= SAFE_DIGITS || token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok()
}

/// What can be seen of a message that cannot be parsed.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outline {
    /// The value of `id` in the outermost object.
    pub(super) id: Option<RequestId>,
    /// Whether it has a `method`, so that it is a request or notification, not an answer.
    pub(super) has_method: bool,
}

impl Outline {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut outline = Self::default();
        let (mut depth, mut at) = (0_u32, 0);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'"' => {
                    let Some(end) = end_of_string(bytes, at + 1) else {
                        break;
                    };
                    if depth == 1 {
                        let key = text.get(at..=end).unwrap_or_default();
                        outline.member(key, text.get(end + 1..).unwrap_or_default());
                    }
                    at = end;
                }
                _ => {}
            }
            at += 1;
        }
        outline
    }

    /// A string with its quotes, and what follows it.
    fn member(&mut self, key: &str, after: &str) {
        let Some(value) = after.trim_start().strip_prefix(':') else {
            return;
        };
        match key {
            "\"id\"" if self.id.is_none() => self.id = id_in(value),
            "\"method\"" => self.has_method = true,
            _ => {}
        }
    }
}

/// The id of an answer that is too long to be kept: by its `head`, or by its `tail`.
pub(super) fn id_of(head: &str, tail: &str) -> Option<RequestId> {
    let outline = Outline::of(head);
    if outline.has_method {
        return None;
    }
    outline.id.or_else(|| id_at_end(tail))
}

/// Where the string ends that begins at `at`.
fn end_of_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The value of an `id` that is the last member.
fn id_at_end(text: &str) -> Option<RequestId> {
    let text = text.trim_end().strip_suffix('}')?;
    let (_, value) = text.rsplit_once("\"id\":")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"\"- _".contains(&b);
    value.trim().bytes().all(plain).then(|| id_in(value))?
}

/// The id at the beginning of `value`.
fn id_in(value: &str) -> Option<RequestId> {
    let value = value.trim_start();
    if let Some(quoted) = value.strip_prefix('"') {
        let (id, _) = quoted.split_once('"')?;
        return Some(RequestId::String(id.into()));
    }
    let digits = value
        .bytes()
        .take_while(|b| b.is_ascii_digit() || *b == b'-')
        .count();
    let number = value.get(..digits)?.parse().ok()?;
    Some(RequestId::Number(number))
}

#[cfg(test)]
mod tests;
