//! Text as it is read: what looks alike becomes the same, and what is not seen disappears.
//!
//! Only for matching with what strangers write. It may join texts that differ, never the reverse.

use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

/// What a byte of ASCII becomes: 0 if nothing.
const ASCII: [u8; 128] = ascii();

const fn ascii() -> [u8; 128] {
    let mut table = [0; 128];
    let mut byte = 0_u8;
    while byte < 128 {
        #[expect(clippy::indexing_slicing, reason = "checked at compile time")]
        {
            table[byte as usize] = of_ascii(byte);
        }
        byte += 1;
    }
    table
}

/// The folded byte of a byte of ASCII; 0 if it disappears.
pub(super) const fn of_ascii(byte: u8) -> u8 {
    match byte {
        b'0' => b'o',
        b'1' => b'l',
        b'2'..=b'9' | b'a'..=b'z' => byte,
        b'A'..=b'Z' => byte + 32,
        _ => 0,
    }
}

/// The same, looked up.
pub(super) fn fold_ascii(byte: u8) -> u8 {
    ASCII.get(usize::from(byte)).copied().unwrap_or(0)
}

/// The folded bytes of a character outside ASCII, one after the other.
pub(super) fn fold_char(c: char, mut each: impl FnMut(u8)) {
    // Tag characters hide text in ASCII, which models read.
    if let tag @ 0xe0020..=0xe007e = u32::from(c) {
        let byte = u8::try_from(tag - 0xe0000).unwrap_or_default();
        let folded = fold_ascii(byte);
        if folded != 0 {
            each(folded);
        }
        return;
    }
    let plain: String = std::iter::once(c).nfkd().collect();
    if plain.is_ascii() {
        return plain
            .bytes()
            .map(fold_ascii)
            .filter(|b| *b != 0)
            .for_each(each);
    }
    let alike: String = skeleton(&plain).collect();
    // The skeleton of `m` and of what looks like it.
    let alike = if alike == "rn" { "m".to_owned() } else { alike };
    for c in alike.chars().flat_map(char::to_lowercase) {
        if c.is_ascii() {
            let folded = u8::try_from(u32::from(c)).map_or(0, fold_ascii);
            if folded != 0 {
                each(folded);
            }
        } else if c.is_alphanumeric() {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(&mut each);
        }
    }
}

/// The folded bytes of a text.
pub(super) fn folded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u8::try_from(u32::from(c)) {
            Ok(byte) if byte < 128 => {
                let folded = fold_ascii(byte);
                if folded != 0 {
                    out.push(folded);
                }
            }
            _ => fold_char(c, |byte| out.push(byte)),
        }
    }
    out
}

#[cfg(test)]
mod tests;
