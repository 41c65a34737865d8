use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

proptest! {
    /// The table is a map that keeps the first source, until it is full.
    #[test]
    fn the_first_source_of_a_digest_is_found(
        entries in prop::collection::vec((0_u64..200, 0_u32..9), 0..300)
    ) {
        let mut table = DigestTable::new(256);
        let mut model: HashMap<u64, u32> = HashMap::new();
        let mut full = false;
        for (digest, source) in entries {
            let digest = digest.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            match table.insert(&[digest], source, 0) {
                Insertion::Yes => drop(model.entry(digest).or_insert(source)),
                Insertion::Full => full = true,
            }
        }
        for (digest, source) in &model {
            prop_assert_eq!(table.get(*digest), Some(*source));
        }
        prop_assert!(!full || model.len() * 5 >= 256 * 4 - 5);
        prop_assert!(table.bytes() <= 256 * 8);
    }
}

#[test]
fn an_empty_table_has_nothing() {
    assert_eq!(DigestTable::new(64).get(7), None);
}

proptest! {
    /// Many digests at once are inserted like one after the other.
    #[test]
    fn many_are_inserted_like_one_by_one(
        batches in prop::collection::vec(
            (prop::collection::vec(0_u64..700, 0..90), 0_u32..9, 0_usize..900), 0..20,
        )
    ) {
        let mut table = DigestTable::new(512);
        let mut single = DigestTable::new(512);
        for (digests, source, more) in batches {
            let spread = |n: &u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let digests: Vec<u64> = digests.iter().map(spread).collect();
            let together = table.insert(&digests, source, more);
            let each = digests.iter().map(|digest| single.insert(&[*digest], source, 0));
            prop_assert_eq!(together, each.fold(Insertion::Yes, Insertion::max));
            prop_assert_eq!(table.len(), single.len());
        }
        for n in 0..700_u64 {
            let digest = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            prop_assert_eq!(table.get(digest), single.get(digest));
        }
    }

    /// The digest whose slot would be empty by its bits is inserted, too.
    #[test]
    fn a_digest_of_zeros_is_inserted(low in 0_u64..1 << 24) {
        let mut table = DigestTable::new(64);
        table.insert(&[low], 3, 0);
        prop_assert_eq!(table.get(low), Some(3));
    }
}
