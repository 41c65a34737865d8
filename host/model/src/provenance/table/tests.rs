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
            match table.insert(digest, source) {
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
