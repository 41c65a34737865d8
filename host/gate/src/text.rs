//! Text that comes from outside, made fit to be shown.

/// `text` with control and bidirectional characters escaped, cut to at most `max` bytes.
#[must_use]
pub fn printable(text: &str, max: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let plain = c == '\n' || c == '\t' || !(c.is_control() || is_bidirectional(c));
        let piece = if plain {
            c.to_string()
        } else {
            c.escape_unicode().to_string()
        };
        if out.len() + piece.len() + '…'.len_utf8() > max {
            out.push('…');
            break;
        }
        out.push_str(&piece);
    }
    out
}

/// Characters that change the order in which others are shown (Unicode Standard Annex 9), or hide.
fn is_bidirectional(c: char) -> bool {
    matches!(
        c,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_is_escaped() {
        assert_eq!(printable("a\u{1b}[31mb", 100), "a\\u{1b}[31mb");
        assert_eq!(printable("pay \u{202e}eve", 100), "pay \\u{202e}eve");
        assert_eq!(printable("zwölf\n", 100), "zwölf\n");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(printable("aaaaaaaaaa", 6), "aaa…");
        assert!(printable(&"ü".repeat(100), 50).len() <= 50);
    }
}
