//! Resolves character escapes in text, and maps the plain text back to its original positions.

use memchr::{memchr3, memmem};
use zeroize::Zeroizing;

/// Text without escapes.
pub(super) struct DecodedText {
    plain: Zeroizing<Vec<u8>>,
    /// For each byte of `plain`: the range of the original text that it comes from.
    places: Vec<(usize, usize)>,
}

impl DecodedText {
    /// The occurrences of a value, as ranges of the original text.
    pub(super) fn find<'a>(&'a self, value: &'a [u8]) -> impl Iterator<Item = (usize, usize)> + 'a {
        memmem::find_iter(&self.plain, value).filter_map(|at| {
            let places = self.places.get(at..at + value.len())?;
            Some((places.first()?.0, places.last()?.1))
        })
    }
}

/// The text with `\uXXXX`, `\xXX`, octal and one-character escapes, `%XX`, and numbered HTML entities resolved;
/// `None` if there are none.
pub(super) fn unescaped(bytes: &[u8]) -> Option<DecodedText> {
    memchr3(b'\\', b'%', b'&', bytes)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let mut places = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.first().copied().unwrap_or_default();
        let (escaped, length) = escape(rest).unwrap_or((EscapeSequence::Byte(first), 1));
        let end = at + length;
        let mut buffer = [0; 4];
        let written: &[u8] = match escaped {
            EscapeSequence::Byte(byte) => &[byte],
            EscapeSequence::Char(c) => c.encode_utf8(&mut buffer).as_bytes(),
        };
        plain.extend_from_slice(written);
        places.extend(written.iter().map(|_| (at, end)));
        at = end;
    }
    Some(DecodedText { plain, places })
}

/// The character of an escape.
enum EscapeSequence {
    Byte(u8),
    Char(char),
}

/// The escape at the beginning, if there is one, and how many bytes it takes.
fn escape(bytes: &[u8]) -> Option<(EscapeSequence, usize)> {
    let byte = |code: u32, length| Some((EscapeSequence::Byte(u8::try_from(code).ok()?), length));
    let char = |code: u32, length| Some((EscapeSequence::Char(char::from_u32(code)?), length));
    match bytes {
        [b'\\', b'u', ..] => {
            let (code, length) = unit(bytes)?;
            char(code, length)
        }
        [b'\\', b'x', rest @ ..] => byte(number(rest, 2, 16)?, 4),
        [b'\\', b'0'..=b'3', ..] => byte(number(bytes.get(1..)?, 3, 8)?, 4),
        [b'\\', b'n', ..] => byte(0x0a, 2),
        [b'\\', b'r', ..] => byte(0x0d, 2),
        [b'\\', b't', ..] => byte(0x09, 2),
        [b'\\', c @ (b'"' | b'\\' | b'/' | b'\''), ..] => byte(u32::from(*c), 2),
        [b'%', rest @ ..] => byte(number(rest, 2, 16)?, 3),
        [b'&', b'#', b'x' | b'X', rest @ ..] => {
            let (code, length) = entity(rest, 16)?;
            char(code, length + 3)
        }
        [b'&', b'#', rest @ ..] => {
            let (code, length) = entity(rest, 10)?;
            char(code, length + 2)
        }
        _ => None,
    }
}

/// `\uXXXX`, or two of them for a character beyond U+FFFF (RFC 8259, section 7).
fn unit(bytes: &[u8]) -> Option<(u32, usize)> {
    let high = number(bytes.get(2..)?, 4, 16)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((high, 6));
    }
    let [b'\\', b'u', rest @ ..] = bytes.get(6..)? else {
        return None;
    };
    let low = number(rest, 4, 16).filter(|low| (0xdc00..0xe000).contains(low))?;
    Some((0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), 12))
}

/// The number with exactly this many digits.
fn number(bytes: &[u8], digits: usize, radix: u32) -> Option<u32> {
    let text = std::str::from_utf8(bytes.get(..digits)?).ok()?;
    let all = text.chars().all(|c| c.is_digit(radix));
    all.then(|| u32::from_str_radix(text, radix).ok()).flatten()
}

/// The number before a semicolon, and how many bytes both take.
fn entity(bytes: &[u8], radix: u32) -> Option<(u32, usize)> {
    let end = bytes.iter().take(8).position(|b| *b == b';')?;
    Some((number(bytes, end, radix)?, end + 1))
}
