//! Whether a stranger's text orders an act.

use std::sync::LazyLock;

use super::{
    asked::ACTS,
    skeleton::{fold_ascii, fold_char, folded},
    tail::{MAX_TAIL, Tail},
};

/// Words that ask for acts and that are seldom verbs.
const NOUNS: [&str; 7] = ["new", "end", "clear", "order", "correct", "rent", "plan"];
/// Words after which a verb is an order.
const LEADS: [&str; 20] = [
    "please",
    "kindly",
    "must",
    "should",
    "shall",
    "to",
    "and",
    "then",
    "now",
    "also",
    "always",
    "first",
    "next",
    "just",
    "immediately",
    "not",
    "you",
    "can",
    "will",
    "or",
];

/// Slots of [`WORDS`], of which few are used.
const SLOTS: usize = 1024;

/// What a word says about the act that it may order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Meaning {
    /// Its folded bytes; 0 for an empty slot.
    word: Tail,
    is_verb: bool,
    is_lead: bool,
}

/// The words that say something, by [`slot`] or after it.
static WORDS: LazyLock<Vec<Meaning>> = LazyLock::new(|| {
    let mut words = vec![Meaning::default(); SLOTS];
    let acts = ACTS
        .iter()
        .flat_map(|(names, asking)| names.iter().chain(*asking));
    let verbs = acts.filter(|word| !word.contains(' ') && !NOUNS.contains(word));
    let verbs = verbs.map(|word| (Tail::whole(&folded(word)), true));
    let leads = LEADS.iter().map(|word| (Tail::whole(&folded(word)), false));
    for (word, is_verb) in verbs.chain(leads) {
        let word = word.unwrap_or_default();
        let start = slot(word);
        let mut slots = (0..SLOTS).map(|at| (start + at) % SLOTS);
        let is_its = |at: &usize| {
            words
                .get(*at)
                .is_some_and(|held| held.word == Tail::default() || held.word == word)
        };
        if let Some(meaning) = slots.find(is_its).and_then(|at| words.get_mut(at)) {
            meaning.word = word;
            meaning.is_verb |= is_verb;
            meaning.is_lead |= !is_verb;
        }
    }
    words
});

/// Where a word is looked for.
fn slot(word: Tail) -> usize {
    let both = word.last ^ word.before.rotate_left(27);
    let mixed = both.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
    usize::try_from(mixed).unwrap_or_default()
}

/// Reads a text word by word, up to an order.
#[derive(Debug, Clone)]
pub(super) struct OrderReader {
    words: &'static [Meaning],
    /// Whether a clause begins here, or a word such as `please` stands before.
    begins: bool,
    is_found: bool,
}

impl OrderReader {
    pub(super) fn new() -> Self {
        Self {
            words: &WORDS,
            begins: true,
            is_found: false,
        }
    }

    /// Whether the words so far order an act.
    pub(super) fn is_found(&self) -> bool {
        self.is_found
    }

    /// Reads what stands between white space: its folded bytes, of which there is one at least, unless they are many.
    pub(super) fn word(&mut self, word: Option<Tail>) {
        let meaning = word.map(|word| self.meaning(word)).unwrap_or_default();
        self.is_found |= self.begins && meaning.is_verb;
        self.begins = meaning.is_lead;
    }

    /// Says that a sign or a line ends here.
    pub(super) fn end_clause(&mut self) {
        self.begins = true;
    }

    fn meaning(&self, word: Tail) -> Meaning {
        let mut at = slot(word);
        while let Some(found) = self
            .words
            .get(at)
            .filter(|found| found.word != Tail::default())
        {
            if found.word == word {
                return *found;
            }
            at = (at + 1) % SLOTS;
        }
        Meaning::default()
    }
}

/// The parts of a text that ask for an act, as a stranger would who wants it done: each sentence with a word for an
/// act, together with its neighbours.
pub(super) fn urging_parts(text: &str) -> Vec<&str> {
    let mut sentences: Vec<(usize, usize, bool)> = Vec::new();
    let mut begin = 0;
    for end in sentence_ends(text) {
        let sentence = text.get(begin..end).unwrap_or_default();
        match sentences.last_mut() {
            Some((_, last, _)) if sentence.trim().is_empty() => *last = end,
            _ => sentences.push((begin, end, orders(sentence))),
        }
        begin = end;
    }
    let mut parts = Vec::new();
    for (at, (begin, end, _)) in sentences
        .iter()
        .enumerate()
        .filter(|(_, (_, _, orders))| *orders)
    {
        let before = at.checked_sub(1).and_then(|at| sentences.get(at));
        let begin = before.map_or(*begin, |(begin, _, _)| *begin);
        let end = sentences.get(at + 1).map_or(*end, |(_, end, _)| *end);
        parts.extend(text.get(begin..end));
    }
    parts
}

/// Where the sentences and lines of a text end.
fn sentence_ends(text: &str) -> impl Iterator<Item = usize> {
    let mut characters = text.char_indices().peekable();
    let inner = std::iter::from_fn(move || {
        loop {
            let (at, c) = characters.next()?;
            let next = characters.peek().map(|(_, next)| *next);
            let ends = c == '\n'
                || (matches!(c, '.' | '!' | '?' | ';') && next.is_some_and(char::is_whitespace));
            if ends {
                return Some(at + c.len_utf8());
            }
        }
    });
    inner.chain([text.len()])
}

/// The first folded bytes of a word.
#[derive(Default)]
struct WordPrefix {
    bytes: [u8; MAX_TAIL],
    /// How many there are in all.
    length: usize,
}

impl WordPrefix {
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
        }
        self.length += 1;
    }
}

/// Whether a text orders an act: a verb for one begins a clause, or follows a word such as `please`.
pub(super) fn orders(text: &str) -> bool {
    let mut reader = OrderReader::new();
    for chunk in text.split_inclusive(char::is_whitespace) {
        let mut word = WordPrefix::default();
        for c in chunk.chars() {
            match u8::try_from(c) {
                Ok(byte) if byte.is_ascii() => match fold_ascii(byte) {
                    0 => {}
                    folded => word.push(folded),
                },
                _ => fold_char(c, |byte| word.push(byte)),
            }
        }
        if word.length > 0 {
            let bytes = word.bytes.get(..word.length);
            reader.word(bytes.and_then(Tail::whole));
        }
        let bare = chunk.trim_end();
        if bare.ends_with(|c: char| !c.is_alphanumeric()) || chunk.ends_with('\n') {
            reader.end_clause();
        }
    }
    reader.is_found()
}

#[cfg(test)]
mod tests;
