//! The Merkle tree over the ledger's records (RFC 6962, section 2.1).

pub mod proof;
pub mod tiles;

use sha2::{Digest as _, Sha256};

/// A tree that grows at its end. It stores only what its root needs: one hash for each complete subtree, at
/// most 64.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Roots of complete subtrees, the largest first: one for each bit of `size`.
    peaks: Vec<[u8; 32]>,
    size: u64,
}

impl Tree {
    /// Add the hash of a leaf (see [`crate::record::leaf_hash`]).
    pub fn push(&mut self, leaf_hash: [u8; 32]) {
        let mut hash = leaf_hash;
        // Each trailing one bit of `size` is a subtree that the new leaf completes.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The tree with these values of [`Tree::size`] and [`Tree::peaks`]; `None` if they do not match.
    #[must_use]
    pub fn from_peaks(size: u64, peaks: Vec<[u8; 32]>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { peaks, size })
    }

    /// Roots of its complete subtrees, the largest first: all that is needed to continue it.
    #[must_use]
    pub fn peaks(&self) -> &[[u8; 32]] {
        &self.peaks
    }

    /// How many leaves it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its root; for an empty tree, the SHA-256 of the empty string.
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        self.peaks
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(empty_root)
    }
}

/// The root of an empty tree: the SHA-256 of the empty string.
#[must_use]
pub fn empty_root() -> [u8; 32] {
    Sha256::digest([]).into()
}

/// The hash of a node: SHA-256 of the byte 1 and the hashes below it.
#[must_use]
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
