//! Removes secrets from responses: as they are, and in the encodings that programs use.
//!
//! A server that was sent a secret may repeat it in a page, a header or an error, also in base64, in
//! hexadecimal, or escaped for a URL, JSON or HTML, with a different escape for each character. This
//! removes all of these forms anywhere. It cannot remove a value that was encrypted, compressed again or
//! cut in half: send secrets only where they belong.

mod escapes;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use memchr::{memchr, memmem};
use zeroize::{Zeroize as _, Zeroizing};

/// The placeholder for a secret.
pub const REMOVED: &str = "[secret removed]";

/// The encodings of a value.
pub(super) struct Forms {
    forms: Vec<Form>,
    /// The value itself, to be found if its characters are escaped one by one.
    value: Zeroizing<Vec<u8>>,
}

/// One encoding.
struct Form {
    text: Zeroizing<Vec<u8>>,
    /// Its rarest byte in other text: where that is missing, nothing needs to be compared.
    rare: u8,
}

impl Form {
    fn occurs_in(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.text.len()
            && memchr(self.rare, bytes).is_some()
            && memmem::find(bytes, &self.text).is_some()
    }
}

impl Forms {
    pub(super) fn of(value: &[u8]) -> Self {
        let mut forms = Self {
            forms: Vec::new(),
            value: Zeroizing::new(value.to_vec()),
        };
        forms.add(value.to_vec());
        if let Ok(text) = std::str::from_utf8(value) {
            forms.add_escaped(text);
        }
        for upper in [true, false] {
            forms.add(percent(value, upper, |b| {
                b.is_ascii_alphanumeric() || b"-_.~".contains(&b)
            }));
            forms.add(percent(value, upper, |b| {
                b.is_ascii_alphanumeric() || b"-_.~!*'()".contains(&b)
            }));
            forms.add(percent(value, upper, |_| false));
        }
        let form: String = url::form_urlencoded::byte_serialize(value).collect();
        forms.add(form.into_bytes());
        for hex in [hexadecimal(value, false), hexadecimal(value, true)] {
            forms.add(hex);
        }
        for alphabet in [alphabet::STANDARD, alphabet::URL_SAFE] {
            for offset in 0..3 {
                forms.add(base64_within(value, &alphabet, offset));
            }
        }
        forms
    }

    fn add_escaped(&mut self, text: &str) {
        if let Ok(quoted) = serde_json::to_string(text) {
            let inner = quoted
                .get(1..quoted.len().saturating_sub(1))
                .unwrap_or_default();
            self.add(inner.as_bytes().to_vec());
            self.add(inner.replace('/', "\\/").into_bytes());
        }
        let html = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        self.add(
            html.replace('"', "&quot;")
                .replace('\'', "&#39;")
                .into_bytes(),
        );
        self.add(
            html.replace('"', "&#34;")
                .replace('\'', "&#x27;")
                .into_bytes(),
        );
        self.add(html.into_bytes());
        for upper in [true, false] {
            self.add(unicode_escaped(text, upper).into_bytes());
        }
        // Names of header fields come back in lower case.
        self.add(text.to_ascii_lowercase().into_bytes());
        self.add(text.to_ascii_uppercase().into_bytes());
    }

    fn add(&mut self, form: Vec<u8>) {
        let text = Zeroizing::new(form);
        let Some(rare) = text.iter().copied().max_by_key(|byte| rarity(*byte)) else {
            return;
        };
        if !self.forms.iter().any(|other| *other.text == *text) {
            self.forms.push(Form { text, rare });
        }
    }

    /// Whether `bytes` contains one of them.
    pub(super) fn occur_in(&self, bytes: &[u8]) -> bool {
        self.forms.iter().any(|form| form.occurs_in(bytes))
            || escapes::unescaped(bytes)
                .is_some_and(|plain| plain.find(&self.value).next().is_some())
    }
}

/// Like JSON writers that use only ASCII and characters that are harmless in HTML: `\u` and four digits.
fn unicode_escaped(text: &str, upper: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            ' '..='~' if !"&<>'".contains(c) => escaped.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&match upper {
                        true => format!("\\u{unit:04X}"),
                        false => format!("\\u{unit:04x}"),
                    });
                }
            }
        }
    }
    escaped
}

/// How rare a byte is in the output of programs, approximately.
fn rarity(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' if b"etaoinsrhldcu".contains(&byte) => 0,
        b' ' | b'.' | b'_' | b'-' | b'/' | b'"' | b':' | b',' => 1,
        b'a'..=b'i' | b'k'..=b'p' | b'r'..=b'w' | b'y' => 2,
        b'0'..=b'9' => 3,
        b'A'..=b'Z' => 4,
        _ => 5,
    }
}

fn percent(value: &[u8], upper: bool, plain: fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() * 3);
    for byte in value {
        if plain(*byte) {
            out.push(*byte);
        } else if upper {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.extend_from_slice(format!("%{byte:02x}").as_bytes());
        }
    }
    out
}

fn hexadecimal(value: &[u8], upper: bool) -> Vec<u8> {
    if upper {
        const_hex::encode_upper(value).into_bytes()
    } else {
        const_hex::encode(value).into_bytes()
    }
}

/// The part of a base64 text that the value alone determines, if the value is `offset` bytes after a
/// multiple of three, as in the base64 of `user:password`.
fn base64_within(value: &[u8], alphabet: &alphabet::Alphabet, offset: usize) -> Vec<u8> {
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let mut whole = Zeroizing::new(vec![0; offset]);
    whole.extend_from_slice(value);
    let mut coded = GeneralPurpose::new(alphabet, config)
        .encode(&*whole)
        .into_bytes();
    let begin = (offset * 8).div_ceil(6);
    let end = whole.len() * 8 / 6;
    let within = coded.get(begin..end).unwrap_or_default().to_vec();
    coded.zeroize();
    within
}

/// `bytes` without any of these, even if they overlap.
pub(super) fn scrub<'a>(bytes: Vec<u8>, secrets: impl Iterator<Item = &'a Forms>) -> Vec<u8> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let plain = escapes::unescaped(&bytes);
    for forms in secrets {
        for form in &forms.forms {
            let text = form.text.as_slice();
            found.extend(memmem::find_iter(&bytes, text).map(|at| (at, at + text.len())));
        }
        if let Some(plain) = &plain {
            found.extend(plain.find(&forms.value));
        }
    }
    if found.is_empty() {
        return bytes;
    }
    found.sort_unstable();
    let mut out = Vec::with_capacity(bytes.len());
    let mut kept = 0;
    for (begin, end) in found {
        if begin >= kept {
            out.extend_from_slice(bytes.get(kept..begin).unwrap_or_default());
            out.extend_from_slice(REMOVED.as_bytes());
        }
        kept = kept.max(end);
    }
    out.extend_from_slice(bytes.get(kept..).unwrap_or_default());
    let mut bytes = bytes;
    bytes.zeroize();
    out
}

#[cfg(test)]
mod tests;
