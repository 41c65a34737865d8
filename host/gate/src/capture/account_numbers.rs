//! Finds numbers of payment cards and bank accounts: by their form and their check digits, so that other long
//! numbers stay.

use std::ops::Range;

/// Digits of a card number (ISO/IEC 7812).
const CARD_DIGITS: Range<usize> = 13..20;
/// The most characters of an IBAN without its spaces (ISO 13616).
const MAX_IBAN: usize = 34;

/// Countries of the IBAN registry, and the length of their IBANs.
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BR", 29),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NL", 18),
    ("NO", 15),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("SA", 24),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VG", 24),
    ("XK", 20),
];

/// A number in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccountNumber {
    /// Its bytes.
    pub(super) place: Range<usize>,
    /// What stands in its place.
    pub(super) kind: &'static str,
}

/// The card numbers and IBANs of a text, in order and without overlaps.
pub(super) fn find(text: &str) -> Vec<AccountNumber> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let begins = at == 0
            || bytes
                .get(at - 1)
                .is_some_and(|b| !b.is_ascii_alphanumeric());
        let number = match byte {
            b'0'..=b'9' if begins => card(bytes, at).map(|end| ("card-number", end)),
            b'A'..=b'Z' | b'a'..=b'z' if begins => iban(bytes, at).map(|end| ("iban", end)),
            _ => None,
        };
        match number {
            Some((kind, end)) => {
                found.push(AccountNumber {
                    place: at..end,
                    kind,
                });
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

/// Whether a number may end before `at`.
fn is_end(bytes: &[u8], at: usize) -> bool {
    bytes
        .get(at)
        .is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

/// The end of the card number that begins at `begin`: digits, in groups with single spaces or hyphens.
fn card(bytes: &[u8], begin: usize) -> Option<usize> {
    let mut digits = Vec::with_capacity(CARD_DIGITS.end);
    let mut end = None;
    let mut at = begin;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' if digits.len() + 1 < CARD_DIGITS.end => {
                digits.push(byte - b'0');
                if is_end(bytes, at + 1) && is_card(&digits) {
                    end = Some(at + 1);
                }
            }
            b' ' | b'-' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {}
            _ => break,
        }
        at += 1;
    }
    end
}

/// Whether these are the digits of a card of a known network.
fn is_card(digits: &[u8]) -> bool {
    let begin = digits
        .iter()
        .take(4)
        .fold(0_u32, |n, d| n * 10 + u32::from(*d));
    let known = matches!(
        (digits.len(), begin),
        (13 | 16 | 19, 4000..=4999)
            | (16, 5100..=5599 | 2221..=2720)
            | (15, 3400..=3499 | 3700..=3799)
            | (14, 3000..=3059 | 3600..=3699 | 3800..=3999)
            | (16..=19, 3528..=3589 | 6011 | 6200..=6299 | 6440..=6599)
    );
    // ISO/IEC 7812-1, annex B.
    let luhn = |(place, digit): (usize, &u8)| match (place % 2, u32::from(*digit) * 2) {
        (0, _) => u32::from(*digit),
        (_, double) => double / 10 + double % 10,
    };
    known
        && digits
            .iter()
            .rev()
            .enumerate()
            .map(luhn)
            .sum::<u32>()
            .is_multiple_of(10)
}

/// The end of the IBAN that begins at `begin`: letters and digits, in groups with single spaces.
fn iban(bytes: &[u8], begin: usize) -> Option<usize> {
    let country = bytes.get(begin..begin + 2)?.to_ascii_uppercase();
    let known = IBAN_LENGTHS
        .iter()
        .find(|(code, _)| code.as_bytes() == country);
    let length = known.map(|(_, length)| (*length).min(MAX_IBAN))?;
    let mut characters = Vec::with_capacity(length);
    let mut at = begin;
    while characters.len() < length {
        match bytes.get(at)? {
            byte if byte.is_ascii_alphanumeric() => characters.push(byte.to_ascii_uppercase()),
            b' ' if bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) => {}
            _ => return None,
        }
        at += 1;
    }
    let checked = characters.get(2..4)?.iter().all(u8::is_ascii_digit);
    (checked && is_end(bytes, at) && remainder(&characters) == 1).then_some(at)
}

/// The remainder by 97 with the first four characters at the end and letters as numbers (ISO 7064).
fn remainder(characters: &[u8]) -> u32 {
    let (begin, rest) = characters.split_at(characters.len().min(4));
    rest.iter().chain(begin).fold(0, |left, &c| match c {
        b'0'..=b'9' => (left * 10 + u32::from(c - b'0')) % 97,
        _ => (left * 100 + u32::from(c.saturating_sub(b'A')) + 10) % 97,
    })
}

#[cfg(test)]
mod tests;
