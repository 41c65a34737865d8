//! Bytes as text: UTF-8, or the one legacy encoding that is still common.

/// The text of a body whose header declares this type.
pub(crate) fn text(body: Vec<u8>, declared: &str) -> String {
    let body = match body.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => rest.to_vec(),
        None => body,
    };
    match String::from_utf8(body) {
        Ok(text) => text,
        Err(error) if declared.contains("utf-8") => {
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        }
        Err(error) => error.into_bytes().into_iter().map(western).collect(),
    }
}

/// Windows-1252, which the encoding standard also uses for ISO 8859-1 and ASCII.
fn western(byte: u8) -> char {
    const SPECIAL: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    let special = byte
        .checked_sub(0x80)
        .and_then(|at| SPECIAL.get(usize::from(at)));
    special.copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests;
