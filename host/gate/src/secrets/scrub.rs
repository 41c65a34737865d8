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
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    const VALUE: &str = r#"pa$$/w"ord+&<~ü>!"#;

    fn without(text: &str) -> String {
        String::from_utf8(scrub(
            text.as_bytes().to_vec(),
            [Forms::of(VALUE.as_bytes())].iter(),
        ))
        .unwrap()
    }

    #[test]
    fn every_way_to_write_it_is_found() {
        let form: String = url::form_urlencoded::byte_serialize(VALUE.as_bytes()).collect();
        let hex: String = VALUE.bytes().map(|b| format!("{b:02x}")).collect();
        for written in [
            VALUE.to_owned(),
            serde_json::to_string(VALUE)
                .unwrap()
                .trim_matches('"')
                .to_owned(),
            form,
            "pa%24%24%2Fw%22ord%2B%26%3C~%C3%BC%3E!".into(),
            "pa%24%24%2fw%22ord%2b%26%3c~%c3%bc%3e%21".into(),
            "pa$$/w&quot;ord+&amp;&lt;~ü&gt;!".into(),
            hex.to_uppercase(),
            hex,
        ] {
            assert_eq!(
                without(&format!("<{written}>")),
                format!("<{REMOVED}>"),
                "{written}"
            );
        }
    }

    #[test]
    fn each_character_may_be_escaped_in_its_own_way() {
        let forms = [Forms::of(b"S3cr3tValue")];
        let clean =
            |text: &str| String::from_utf8(scrub(text.as_bytes().to_vec(), forms.iter())).unwrap();
        for written in [
            r"\u0053\u0033cr3tValue",
            r"\x533cr3tValue",
            "%533cr3tValu%65",
            "&#83;3cr3t&#x56;alue",
            r"S%33cr3t&#86;alue",
            r"\123\063cr3tValue",
        ] {
            assert_eq!(
                clean(&format!("<{written}>")),
                format!("<{REMOVED}>"),
                "{written}"
            );
        }
        assert_eq!(clean(r"\u0053 3cr3tValue"), r"\u0053 3cr3tValue");
    }

    #[test]
    fn matches_that_touch_or_overlap_leave_nothing() {
        assert_eq!(
            without(&format!("{VALUE}{VALUE}")),
            format!("{REMOVED}{REMOVED}")
        );
        let both = [Forms::of(b"abcdefgh"), Forms::of(b"efghijkl")];
        assert_eq!(
            scrub(b"abcdefghijkl".to_vec(), both.iter()),
            REMOVED.as_bytes()
        );
        assert_eq!(without("nothing here"), "nothing here");
    }

    proptest! {
        #[test]
        fn no_neighbours_hide_it(
            value in "[ -~]{8,40}", before in "[ -~]{0,20}", after in "[ -~]{0,20}",
        ) {
            let forms = [Forms::of(value.as_bytes())];
            let whole = format!("{before}{value}{after}");
            for coded in [
                whole.clone(),
                BASE64_STANDARD.encode(&whole),
                BASE64_STANDARD_NO_PAD.encode(&whole),
                BASE64_URL_SAFE.encode(&whole),
            ] {
                let clean = String::from_utf8(scrub(coded.clone().into_bytes(), forms.iter())).unwrap();
                prop_assert!(clean.contains(REMOVED), "{} is still {}", coded, clean);
            }
        }
    }
}
