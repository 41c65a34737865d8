//! Keyed digests of words, values and character runs.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use super::tail::Tail;

/// The secret of an index. Without it, neither can the digests be guessed nor values be built to collide.
#[derive(Clone)]
pub struct IndexKey {
    words: [u8; 16],
    runs: [u64; 2],
}

impl std::fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IndexKey").finish_non_exhaustive()
    }
}

impl IndexKey {
    /// A key from 32 random bytes.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        let part = |at: usize| -> [u8; 8] {
            let bytes = secret.get(at..at + 8).and_then(|s| s.try_into().ok());
            bytes.unwrap_or_default()
        };
        let mut words = [0; 16];
        for (to, from) in words.iter_mut().zip(secret) {
            *to = from;
        }
        Self {
            words,
            runs: [
                u64::from_le_bytes(part(16)),
                u64::from_le_bytes(part(24)) | 1,
            ],
        }
    }

    /// The digest of a sequence of parts. `kind` separates the uses of the same text.
    pub(super) fn digest<'a>(&self, kind: Kind, parts: impl IntoIterator<Item = &'a str>) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.words);
        hasher.write_u8(kind as u8);
        for part in parts {
            hasher.write(part.as_bytes());
            // Not a byte of UTF-8.
            hasher.write_u8(0xff);
        }
        hasher.finish()
    }

    /// The digest of a run of eight bytes.
    pub(super) fn run(&self, bytes: u64) -> u64 {
        let [offset, factor] = self.runs;
        let mixed = (bytes ^ offset).wrapping_mul(factor);
        (mixed ^ (mixed >> 29)).wrapping_mul(factor.rotate_left(32) | 1)
    }

    /// The digest of at most 16 folded bytes.
    pub(super) fn short(&self, kind: Kind, bytes: Tail) -> u64 {
        let [offset, factor] = self.runs;
        let before = bytes.before ^ factor ^ u64::from(kind as u8) << 32;
        let product = u128::from(bytes.last ^ offset) * u128::from(before);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        let mixed = (product >> 64) as u64 ^ product as u64;
        self.run(mixed)
    }
}

/// The use of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A word of the user's request.
    Word = 1,
    /// A value without the white space between its parts.
    Compact,
    /// A date of the user's request.
    Date,
    /// A value that is a whole field.
    Field,
    /// A word or two of a text that strangers can write, folded.
    Folded,
    /// A short text of strangers as a whole, folded.
    FoldedWhole,
    /// A number, with its unit.
    Number,
    /// A number that can only be one.
    Amount,
}
