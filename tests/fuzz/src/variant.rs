//! Variants of known inputs: a few edits to one of them.
//!
//! As proptest makes them, so that a fault comes with as few edits as possible.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*, sample::Index};

/// Bytes of a variant.
const MAX_INPUT: usize = 64 << 10;
/// Edits of a variant.
const MAX_EDITS: usize = 8;
/// Bytes of a word of the corpus.
const MAX_WORD: usize = 40;

/// What is put in besides words of the corpus.
const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"\n",
    b"\n\n",
    b"\r",
    b"\t",
    b" ",
    b"\\",
    b"/",
    b"..",
    b"$",
    b"#",
    b"=",
    b"'",
    b"<",
    b">",
    b"*",
    b"%",
    b"null",
    b"true",
    b"false",
    b"{}",
    b"[]",
    b"\"\"",
    b"0",
    b"-0",
    b"-1",
    b"1e999",
    b"1E-400",
    b"0.1",
    b"9007199254740993",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"NaN",
    b"\\ud800",
    b"\\u0000",
    b"\\u202e",
    b"\xe2\x80\xae",
    b"\xf0\x9f\x98\x80",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\x00",
    b"\x1b[31m",
    b"\x7f",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"2026-02-30",
    b"/../",
    b"\xcc\x81",
];

/// Inputs, and the words in them.
pub(crate) struct Corpus {
    inputs: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
}

impl Corpus {
    pub(crate) fn new(mut inputs: Vec<Vec<u8>>) -> Self {
        let mut words: BTreeSet<Vec<u8>> = WORDS.iter().map(|word| word.to_vec()).collect();
        for input in &inputs {
            let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_$-.".contains(b);
            let found = input.split(|b| !plain(b));
            words.extend(
                found
                    .filter(|w| (2..=MAX_WORD).contains(&w.len()))
                    .map(<[u8]>::to_vec),
            );
        }
        if inputs.is_empty() {
            inputs.push(Vec::new());
        }
        Self {
            inputs,
            words: words.into_iter().collect(),
        }
    }
}

/// A change at a place.
#[derive(Debug, Clone)]
enum Edit {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Word(Index, Index),
    Remove(Index, usize),
    /// So many bytes from one place to another.
    Copy(Index, usize, Index),
    /// So many bytes, so many times more.
    Repeat(Index, usize, usize),
    /// A part of another input.
    Graft(Index, Index, usize, Index),
}

/// An input of the corpus with a few edits.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    input: Index,
    edits: Vec<Edit>,
}

impl Variant {
    pub(crate) fn of(&self, corpus: &Corpus) -> Vec<u8> {
        let mut bytes = self.input.get(&corpus.inputs).clone();
        for edit in &self.edits {
            edit.apply(&mut bytes, corpus);
            bytes.truncate(MAX_INPUT);
        }
        bytes
    }
}

/// A part of `bytes` that begins at a place.
fn part<'b>(bytes: &'b [u8], from: &Index, length: usize) -> &'b [u8] {
    let from = from.index(bytes.len() + 1);
    &bytes[from..bytes.len().min(from + length)]
}

fn insert(bytes: &mut Vec<u8>, at: &Index, more: &[u8]) {
    let at = at.index(bytes.len() + 1);
    bytes.splice(at..at, more.iter().copied());
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>, corpus: &Corpus) {
        match self {
            Self::Set(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Set(..) => {}
            Self::Insert(at, more) => insert(bytes, at, more),
            Self::Word(at, word) => insert(bytes, at, word.get(&corpus.words).as_slice()),
            Self::Remove(from, length) => {
                let from = from.index(bytes.len() + 1);
                bytes.drain(from..bytes.len().min(from + length));
            }
            Self::Copy(from, length, to) => {
                let copy = part(bytes, from, *length).to_vec();
                insert(bytes, to, &copy);
            }
            Self::Repeat(from, length, times) => {
                let repeated = part(bytes, from, *length).repeat(*times);
                insert(bytes, from, &repeated);
            }
            Self::Graft(input, from, length, to) => {
                let graft = part(input.get(&corpus.inputs).as_slice(), from, *length).to_vec();
                insert(bytes, to, &graft);
            }
        }
    }
}

/// Variants of any corpus.
pub(crate) fn strategy() -> impl Strategy<Value = Variant> {
    let place = any::<Index>;
    let edit = prop_oneof![
        2 => (place(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        2 => (place(), vec(any::<u8>(), 1..5)).prop_map(|(at, more)| Edit::Insert(at, more)),
        6 => (place(), place()).prop_map(|(at, word)| Edit::Word(at, word)),
        3 => (place(), 1..24_usize).prop_map(|(from, length)| Edit::Remove(from, length)),
        2 => (place(), 1..48_usize, place()).prop_map(|(from, n, to)| Edit::Copy(from, n, to)),
        1 => (place(), 1..24_usize, 1..200_usize).prop_map(|(from, n, k)| Edit::Repeat(from, n, k)),
        2 => (place(), place(), 1..200_usize, place())
            .prop_map(|(input, from, n, to)| Edit::Graft(input, from, n, to)),
    ];
    (place(), vec(edit, 0..=MAX_EDITS)).prop_map(|(input, edits)| Variant { input, edits })
}
