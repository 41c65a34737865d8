//! Proofs over the Merkle tree of a log: that it contains an entry, and that one tree continues another.
//!
//! Proofs are made as defined in RFC 6962, sections 2.1.1 and 2.1.2, and checked by the algorithms of RFC
//! 9162, sections 2.1.3.2 and 2.1.4.2, which need only the roots.

use super::node_hash;

/// SHA-256 of a leaf or a node.
pub type Hash = [u8; 32];

/// The most hashes of a proof: the tree's depth on either side.
pub const MAX_PROOF: usize = 126;

/// A source of hashes of complete subtrees.
pub trait Subtrees {
    /// Why one cannot be read.
    type Error;

    /// The root over the leaves `index << level .. (index + 1) << level`. Level 0 is the hash of a leaf.
    ///
    /// # Errors
    /// If it cannot be read.
    fn subtree(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Why a proof is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The entry or the older tree is outside the tree.
    #[error("entry or tree size {index} is not within a tree of {size} entries")]
    OutOfRange {
        /// The index of the entry, or the size of the older tree.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// It has more or fewer hashes than its position in the tree requires.
    #[error("the proof has the wrong number of hashes for its place in the tree")]
    WrongLength,
    /// It leads to a different root.
    #[error("the proof leads to another root than the checkpoint's")]
    RootMismatch,
}

/// The hashes that lead from entry `index` to the root of the first `size` entries. The caller checks that
/// `index < size`; otherwise the proof is empty.
///
/// # Errors
/// If a subtree cannot be read.
pub fn prove_inclusion<S: Subtrees>(
    tree: &mut S,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, S::Error> {
    let (mut start, mut end) = (0, size);
    let mut siblings = Vec::new();
    while index < end && end - start > 1 {
        let middle = start + split(end - start);
        let sibling = if index < middle {
            let range = (middle, end);
            end = middle;
            range
        } else {
            let range = (start, middle);
            start = middle;
            range
        };
        siblings.push(sibling);
    }
    // RFC 6962 lists them from the leaf upwards.
    let upwards = siblings.into_iter().rev();
    upwards
        .map(|(start, end)| range_root(tree, start, end))
        .collect()
}

/// The hashes that prove both the root of the first `old` entries and that of the first `new`. The caller
/// checks that `old <= new`; the proof is empty if `old` is 0 or equals `new`.
///
/// # Errors
/// If a subtree cannot be read.
pub fn prove_consistency<S: Subtrees>(
    tree: &mut S,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, S::Error> {
    if old == 0 || old >= new {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, new);
    let mut ranges = Vec::new();
    // Whether the verifier knows the root of the current subtree.
    let mut is_known = true;
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
            is_known = false;
        }
    }
    if !is_known {
        ranges.push((start, end));
    }
    let upwards = ranges.into_iter().rev();
    upwards
        .map(|(start, end)| range_root(tree, start, end))
        .collect()
}

/// Checks that the tree of `size` entries with this `root` has `leaf` at `index`.
///
/// # Errors
/// [`ProofError`] if the proof is not valid.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange { index, size });
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    match (last == 0, hash == *root) {
        (false, _) => Err(ProofError::WrongLength),
        (true, false) => Err(ProofError::RootMismatch),
        (true, true) => Ok(()),
    }
}

/// Checks that the tree of `new.0` entries with root `new.1` begins with the tree of `old.0` entries with
/// root `old.1`.
///
/// # Errors
/// [`ProofError`] if the proof is not valid.
pub fn verify_consistency(
    old: (u64, &Hash),
    new: (u64, &Hash),
    proof: &[Hash],
) -> Result<(), ProofError> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return Err(ProofError::OutOfRange {
            index: old_size,
            size: new_size,
        });
    }
    if old_size == 0 || old_size == new_size {
        return match (proof.is_empty(), old_size == 0 || old_root == new_root) {
            (false, _) => Err(ProofError::WrongLength),
            (true, false) => Err(ProofError::RootMismatch),
            (true, true) => Ok(()),
        };
    }
    // If the old tree is complete, it is itself the first node, and the proof does not repeat it.
    let mut hashes = proof.iter();
    let first = match old_size.is_power_of_two() {
        true => old_root,
        false => hashes.next().ok_or(ProofError::WrongLength)?,
    };
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in hashes {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    match (last == 0, old_hash == *old_root && new_hash == *new_root) {
        (false, _) => Err(ProofError::WrongLength),
        (true, false) => Err(ProofError::RootMismatch),
        (true, true) => Ok(()),
    }
}

/// The largest power of two below `n`, which is at least 2.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The root over the leaves `start .. end`, where `start` is a multiple of a power of two that is at least
/// their number. Every range of a proof has this property.
fn range_root<S: Subtrees>(tree: &mut S, start: u64, end: u64) -> Result<Hash, S::Error> {
    let mut peaks = Vec::new();
    let mut next = start;
    while next < end {
        let level = (end - next).ilog2();
        peaks.push(tree.subtree(level, next >> level)?);
        next += 1 << level;
    }
    let root = peaks
        .into_iter()
        .rev()
        .reduce(|right, left| node_hash(&left, &right));
    Ok(root.unwrap_or_else(super::empty_root))
}

#[cfg(test)]
mod tests;
