use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::{merkle::Tree, record::leaf_hash};

/// Leaves in memory.
struct Leaves(Vec<Hash>);

impl Subtrees for Leaves {
    type Error = Infallible;

    fn subtree(&mut self, level: u32, index: u64) -> Result<Hash, Infallible> {
        let (start, end) = ((index << level) as usize, ((index + 1) << level) as usize);
        Ok(root(&self.0[start..end]))
    }
}

fn leaves(n: u64) -> Leaves {
    Leaves((0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect())
}

fn root(leaves: &[Hash]) -> Hash {
    let mut tree = Tree::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree.root()
}

fn inclusion(tree: &mut Leaves, index: u64, size: u64) -> Vec<Hash> {
    prove_inclusion(tree, index, size).unwrap_or_else(|e| match e {})
}

fn consistency(tree: &mut Leaves, old: u64, new: u64) -> Vec<Hash> {
    prove_consistency(tree, old, new).unwrap_or_else(|e| match e {})
}

/// RFC 6962, section 2.1.3: the example tree of seven leaves.
#[test]
fn proofs_of_seven_leaves_are_those_of_the_rfc() {
    let mut tree = leaves(7);
    let leaf = |i: usize| leaf_hash(&(i as u64).to_be_bytes());
    let (a, b, c, d) = (leaf(0), leaf(1), leaf(2), leaf(3));
    let (e, f, j) = (leaf(4), leaf(5), leaf(6));
    let (g, h, i) = (node_hash(&a, &b), node_hash(&c, &d), node_hash(&e, &f));
    let (k, l) = (node_hash(&g, &h), node_hash(&i, &j));
    assert_eq!(inclusion(&mut tree, 0, 7), [b, h, l]);
    assert_eq!(inclusion(&mut tree, 3, 7), [c, g, l]);
    assert_eq!(inclusion(&mut tree, 4, 7), [f, j, k]);
    assert_eq!(inclusion(&mut tree, 6, 7), [i, k]);
    assert_eq!(consistency(&mut tree, 3, 7), [c, d, g, l]);
    assert_eq!(consistency(&mut tree, 4, 7), [l]);
    assert_eq!(consistency(&mut tree, 6, 7), [i, j, k]);
}

/// A change to any hash, index or size of a proof.
fn altered(proof: &[Hash], at: usize) -> Vec<Vec<Hash>> {
    let mut flipped = proof.to_vec();
    if let Some(hash) = flipped.get_mut(at % proof.len().max(1)) {
        hash[at % 32] ^= 1;
    }
    let longer = [proof, &[[7; 32]]].concat();
    let shorter = proof
        .split_last()
        .map_or(vec![[0; 32]], |(_, rest)| rest.to_vec());
    let mut all = vec![longer, shorter];
    all.extend((!proof.is_empty()).then_some(flipped));
    all
}

proptest! {
    #[test]
    fn every_entry_is_proven_and_no_other(size in 1_u64..200, index in 0_u64..200, at in 0_usize..300) {
        let index = index % size;
        let mut tree = leaves(size);
        let (leaf, root) = (tree.0[index as usize], root(&tree.0));
        let proof = inclusion(&mut tree, index, size);
        prop_assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));
        for wrong in altered(&proof, at) {
            prop_assert!(verify_inclusion(&leaf, index, size, &wrong, &root).is_err());
        }
        prop_assert!(verify_inclusion(&[9; 32], index, size, &proof, &root).is_err());
        for other in (0..size).filter(|other| *other != index) {
            prop_assert!(verify_inclusion(&leaf, other, size, &proof, &root).is_err());
        }
        prop_assert!(verify_inclusion(&leaf, size, size, &proof, &root).is_err());
    }

    #[test]
    fn every_tree_continues_its_beginnings_and_no_other(new in 1_u64..200, old in 0_u64..201, at in 0_usize..300) {
        let old = old % (new + 1);
        let mut tree = leaves(new);
        let (before, after) = (root(&tree.0[..old as usize]), root(&tree.0));
        let proof = consistency(&mut tree, old, new);
        prop_assert_eq!(verify_consistency((old, &before), (new, &after), &proof), Ok(()));
        for wrong in altered(&proof, at) {
            prop_assert!(verify_consistency((old, &before), (new, &after), &wrong).is_err());
        }
        prop_assert!(verify_consistency((new + 1, &before), (new, &after), &proof).is_err());
        if old > 0 {
            prop_assert!(verify_consistency((old, &[9; 32]), (new, &after), &proof).is_err());
            prop_assert!(verify_consistency((old, &before), (new, &[9; 32]), &proof).is_err());
        }
    }
}
