//! The index against a simple one: the same digests, and the same orders.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::provenance::{
    skeleton::{fold_ascii, fold_char},
    urging::orders,
};

const RUN: usize = 8;
const WINDOW: usize = 8;
const MIN_WORD: usize = 4;
const MAX_ROW: usize = 4;

fn key() -> IndexKey {
    IndexKey::new(*b"a key of thirty-two bytes in all")
}

fn short(kind: Kind, bytes: &[u8]) -> u64 {
    key().short(kind, Tail::whole(bytes).unwrap())
}

/// A word so far, or several in a row.
#[derive(Clone)]
struct Row {
    bytes: Vec<u8>,
    is_marked: bool,
    is_unbroken: bool,
}

/// Reads a text character by character, and holds every row of words as it is.
#[derive(Default)]
struct Simple {
    digests: BTreeSet<u64>,
    folded: Vec<u8>,
    rows: Vec<Row>,
    is_in_word: bool,
    named: bool,
    quotes: u8,
}

impl Simple {
    fn read(text: &str) -> BTreeSet<u64> {
        let mut simple = Self::default();
        for c in text.chars() {
            simple.character(c);
        }
        simple.end_word();
        let runs = simple.folded.windows(RUN).map(|run| {
            let run = <[u8; RUN]>::try_from(run).unwrap();
            key().run(u64::from_be_bytes(run))
        });
        let runs: Vec<u64> = runs.collect();
        let kept = runs.windows(WINDOW).map(|all| *all.iter().min().unwrap());
        simple.digests.extend(kept);
        if (1..GUARANTEED).contains(&simple.folded.len()) {
            let whole = short(Kind::FoldedWhole, &simple.folded);
            simple.digests.insert(whole);
        }
        simple.digests
    }

    fn character(&mut self, c: char) {
        match c {
            _ if c.is_whitespace() => {
                self.end_word();
                self.rows.iter_mut().for_each(|row| row.is_unbroken = false);
                let more = self.rows.len().saturating_sub(MAX_ROW - 1);
                self.rows.drain(..more);
            }
            '\'' | '"' | '`' | '“' | '”' | '‘' | '’' | '«' | '»' | '„' => {
                self.quotes = self.quotes.saturating_add(1);
            }
            '#' => self.named = true,
            _ if ",;|=/\\<>()[]{}".contains(c) => self.end_word(),
            _ if c.is_ascii() => match fold_ascii(u8::try_from(u32::from(c)).unwrap()) {
                0 => {}
                byte => self.push(byte),
            },
            _ => {
                let mut bytes = Vec::new();
                fold_char(c, |byte| bytes.push(byte));
                bytes.into_iter().for_each(|byte| self.push(byte));
            }
        }
    }

    fn push(&mut self, byte: u8) {
        if !self.is_in_word {
            self.is_in_word = true;
            let is_unbroken = !self.rows.iter().any(|row| row.is_unbroken);
            self.rows.push(Row {
                bytes: Vec::new(),
                is_marked: false,
                is_unbroken,
            });
        }
        self.rows.iter_mut().for_each(|row| row.bytes.push(byte));
        self.folded.push(byte);
    }

    fn end_word(&mut self) {
        if !self.is_in_word {
            return;
        }
        self.is_in_word = false;
        if let Some(word) = self.rows.last_mut() {
            word.is_marked = self.quotes >= 2 || self.named;
            let names = ["id", "ids", "no", "nr", "num", "number"];
            self.named = names.iter().any(|name| word.bytes == name.as_bytes());
        }
        self.quotes = 0;
        for row in &self.rows {
            let counts = row.bytes.len() >= MIN_WORD || row.is_marked;
            if counts && row.bytes.len() < GUARANTEED {
                self.digests.insert(short(Kind::Folded, &row.bytes));
            }
        }
        self.rows.retain(|row| row.bytes.len() < GUARANTEED);
        let more = self.rows.len().saturating_sub(MAX_ROW - 1);
        let mut at = 0;
        self.rows.retain(|row| {
            at += 1;
            at > more || row.is_unbroken
        });
    }
}

fn check(text: &str) {
    let mut index = TextIndex::default();
    let found = index.read(&key(), text, 3);
    let expected = Simple::read(text);
    assert_eq!(index.table.len(), expected.len(), "{text:?}");
    for digest in expected {
        assert_eq!(index.table.get(digest), Some(3), "{text:?}");
    }
    assert_eq!(found, Some(orders(text)), "{text:?}");
}

proptest! {
    #[test]
    fn it_holds_what_a_simple_reader_finds(
        text in r#"([a-z0-9]{0,9}|id|no|#|send|please|["'“”/,;.:=()-]|[ \n\t]|\PC|\s|é|ß|ﬁ|Ѕ|\u{200b}){0,60}"#,
    ) {
        check(&text);
    }

    #[test]
    fn any_text_is_read_alike(text in any::<String>()) {
        check(&text);
    }

    /// What a value shares with a text is found wherever it begins.
    #[test]
    fn fifteen_letters_in_a_row_are_found(
        text in "[a-z2-9]{40,90}", at in 0_usize..25, length in 15_usize..=15,
    ) {
        let mut index = TextIndex::default();
        index.read(&key(), &text, 0);
        let shared = format!("qq{}vv", &text[at..at + length]);
        prop_assert!(index.find(&key(), &shared).is_some());
        let own = &text[at..at + length];
        prop_assert_eq!(index.find(&key(), own), Some(Containment::Whole(0)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Texts of more than one block, in every alignment.
    #[test]
    fn long_texts_have_the_same_digests(
        before in "[a-z]{0,20}",
        words in prop::collection::vec("[a-z0-9]{1,12}|é|ﬁ|/|,|a|send|\n", 300..700),
        gap in prop::sample::select(vec![" ", "", "/", " é"]),
    ) {
        check(&format!("{before}{}", words.join(gap)));
    }
}

#[test]
fn a_text_of_every_length_is_read_alike() {
    let letters: String = (0..1_100)
        .map(|n| char::from(b'a' + (n * n % 23) as u8))
        .collect();
    for length in (0..40).chain(500..560).chain(1_000..1_060) {
        check(&letters[..length]);
    }
}
