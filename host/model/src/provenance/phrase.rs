//! A value as it is compared with what someone vouches for: word by word, as it stands.
//!
//! Only case, white space, one pair of quotes around the whole, and the formats of times are folded here. What may
//! stand around a word in a sentence is taken off the source's words ([`super::spans`]), never off a value: a dot or
//! a question mark at its end can make it another path.

use super::{
    form,
    key::{IndexKey, Kind},
    words::{self, QUOTES},
};

/// The most words of a value for which someone may vouch.
pub(super) const MAX_WORDS: usize = 256;
/// The most characters of a value that is compared without its white space.
const MAX_COMPACT: usize = 48;
/// The fewest.
const MIN_COMPACT: usize = 8;

/// A value of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallValue<'a> {
    pub(super) text: &'a str,
    /// Whether it is a number, not a text.
    pub(super) is_number: bool,
    /// Whether it may be several values in one: not if it is a command, of which each sign counts.
    pub(super) may_be_list: bool,
    /// Whether its argument has a role.
    pub(super) has_role: bool,
}

impl<'a> CallValue<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self {
            text,
            is_number: false,
            may_be_list: true,
            has_role: false,
        }
    }

    pub(super) fn phrase(&self) -> Phrase {
        match self.is_number {
            true => Phrase::number(self.text),
            false => Phrase::new(self.text),
        }
    }
}

/// The words of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    /// In lower case.
    words: Vec<String>,
    /// Whether it is a number, not a text.
    is_number: bool,
}

impl Phrase {
    /// The words of a text.
    pub(super) fn new(text: &str) -> Self {
        let lower = words::lower(text);
        let mut words = Vec::new();
        for word in unquoted(lower.trim()).split_whitespace() {
            match form::moment(word) {
                Some((date, time)) => words.extend([date.to_owned(), plain_time(time)]),
                None => words.push(plain_time(word)),
            }
        }
        Self {
            words,
            is_number: false,
        }
    }

    /// A number, as JSON writes it.
    pub(super) fn number(text: &str) -> Self {
        Self {
            is_number: true,
            ..Self::new(text)
        }
    }

    /// One of its words.
    fn word(word: &str) -> Self {
        Self {
            words: vec![word.to_owned()],
            is_number: false,
        }
    }

    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    /// Each of its words as a value of its own.
    pub(super) fn each(&self) -> impl Iterator<Item = Self> {
        self.words.iter().map(|word| Self::word(word))
    }

    pub(super) fn has_letter_or_digit(&self) -> bool {
        let mut words = self.words.iter();
        words.any(|word| word.chars().any(char::is_alphanumeric))
    }

    /// Its words with a space between them.
    pub(super) fn joined(&self) -> String {
        self.words.join(" ")
    }

    /// The digest of all of it.
    pub(super) fn digest(&self, key: &IndexKey) -> u64 {
        key.digest(Kind::Field, [self.joined().as_str()])
    }

    /// It without white space, if it is one that people write in groups.
    pub(super) fn compact(&self) -> Option<String> {
        compact(self.words.iter().map(String::as_str))
    }

    /// Whether its words are letters and digits alone, about as many as a number in groups has.
    pub(super) fn is_run_together(&self) -> bool {
        run_together(self.words.iter().map(String::as_str))
    }

    /// The digests of a word that a source may have for it: as it stands, and as a number.
    pub(super) fn word_digests(&self, key: &IndexKey, word: &str) -> impl Iterator<Item = u64> {
        let whole = key.digest(Kind::Word, [word]);
        [Some(whole), self.number_digest(key, word)]
            .into_iter()
            .flatten()
    }

    /// The digest of a word as a number. A text that is a plain number, such as a version, is one only where the
    /// source has an amount.
    fn number_digest(&self, key: &IndexKey, word: &str) -> Option<u64> {
        let number = form::Number::read(word)?;
        let unit = number.unit.map(String::from).unwrap_or_default();
        let kind = match self.is_number || number.is_amount() {
            true => Kind::Number,
            false => Kind::Amount,
        };
        Some(key.digest(kind, [unit.as_str(), number.plain.as_str()]))
    }

    /// The digest of the only word as a number.
    pub(super) fn only_number(&self, key: &IndexKey) -> Option<u64> {
        match self.words.as_slice() {
            [word] => self.number_digest(key, word),
            _ => None,
        }
    }

    /// The digests that a source may have for it as a date. The year may be missing in one of the two.
    pub(super) fn date_digests(&self, key: &IndexKey) -> Vec<u64> {
        // A date with slashes may be a path.
        if self.words.iter().any(|word| word.contains('/')) {
            return Vec::new();
        }
        let words: Vec<&str> = self
            .words
            .iter()
            .map(|word| word.strip_suffix(',').unwrap_or(word))
            .collect();
        let ends_plain = self.words.last().is_some_and(|word| !word.ends_with(','));
        match form::date(&words) {
            Some((date, used)) if used == words.len() && ends_plain => {
                let other = match date.get(5..).filter(|within| !within.is_empty()) {
                    Some(within) => ["no year", within],
                    None => ["any year", &date],
                };
                let whole = match date.len() {
                    10 => ["", &date],
                    _ => ["no year", &date],
                };
                [whole, other]
                    .map(|parts| key.digest(Kind::Date, parts))
                    .into()
            }
            _ => Vec::new(),
        }
    }
}

/// The digests of a date in a source.
pub(super) fn source_date_digests(key: &IndexKey, date: &str) -> Vec<u64> {
    let parts = match date.get(5..).filter(|_| date.len() == 10) {
        Some(within) => vec![["", date], ["any year", within]],
        None => vec![["no year", date]],
    };
    let digests = parts.into_iter().map(|parts| key.digest(Kind::Date, parts));
    digests.collect()
}

/// The digests of a word of a source as a number.
pub(super) fn source_number_digests(key: &IndexKey, word: &str) -> Vec<u64> {
    let Some(number) = form::Number::read(word) else {
        return Vec::new();
    };
    let plain = number.plain.as_str();
    let mut digests = vec![key.digest(Kind::Number, ["", plain])];
    if let Some(unit) = number.unit {
        digests.push(key.digest(Kind::Number, [unit.to_string().as_str(), plain]));
    }
    if number.is_amount() {
        digests.push(key.digest(Kind::Amount, ["", plain]));
    }
    digests
}

/// Words without white space, if they are a value that people write in groups: letters and digits, such as an
/// account number.
pub(super) fn compact<'a>(words: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    let fits = is_grouped(words.clone()) && run_together(words.clone());
    fits.then(|| words.collect())
}

/// Whether words are letters and digits alone, about as many as a number in groups has.
fn run_together<'a>(words: impl Iterator<Item = &'a str> + Clone) -> bool {
    let length: usize = words.clone().map(str::len).sum();
    let mut all = words.clone().flat_map(str::bytes);
    (MIN_COMPACT..=MAX_COMPACT).contains(&length)
        && all.all(|b| b.is_ascii_alphanumeric())
        && words.flat_map(str::bytes).any(|b| b.is_ascii_digit())
}

/// Whether words can be the groups of one number: each has a digit, but for the letters of a bank in an IBAN. A word
/// next to a number is another value.
fn is_grouped<'a>(words: impl Iterator<Item = &'a str> + Clone) -> bool {
    const MAX_BANK: usize = 4;
    let has_digit = |word: &str| word.bytes().any(|b| b.is_ascii_digit());
    let is_iban = words.clone().next().is_some_and(|first| {
        let (country, check) = first.split_at_checked(2).unwrap_or_default();
        let is_country = !country.is_empty() && country.bytes().all(|b| b.is_ascii_alphabetic());
        is_country && check.len() >= 2 && check.bytes().take(2).all(|b| b.is_ascii_digit())
    });
    let mut words = words;
    words.all(|word| has_digit(word) || is_iban && word.len() <= MAX_BANK)
}

/// A text without one pair of quotes around it.
fn unquoted(text: &str) -> &str {
    let inner = text
        .strip_prefix(QUOTES)
        .and_then(|t| t.strip_suffix(QUOTES));
    let inner = inner.filter(|inner| !inner.trim().is_empty() && !inner.contains(QUOTES));
    inner.unwrap_or(text)
}

/// A word in the one form of times, if it is one.
pub(super) fn plain_time(word: &str) -> String {
    form::clock(word).unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests;
