use std::collections::BTreeMap;

use super::*;
use crate::{merkle::node_hash, record::leaf_hash};

fn hash(n: u64) -> [u8; 32] {
    leaf_hash(&n.to_be_bytes())
}

fn tiles(size: u64) -> BTreeMap<TileId, Vec<[u8; 32]>> {
    let mut builder = TileBuilder::default();
    let mut tiles = BTreeMap::new();
    for n in 0..size {
        builder.push(hash(n), |id, hashes| {
            assert!(tiles.insert(id, hashes.to_vec()).is_none(), "{id:?} twice");
        });
    }
    tiles.extend(builder.partial().map(|(id, hashes)| (id, hashes.to_vec())));
    tiles
}

/// The root by the definition of RFC 6962, section 2.1.
fn root_of(first: u64, end: u64) -> [u8; 32] {
    match end - first {
        1 => hash(first),
        size => {
            let middle = first + size.next_power_of_two() / 2;
            node_hash(&root_of(first, middle), &root_of(middle, end))
        }
    }
}

#[test]
fn paths_are_those_of_the_specification() {
    let path = |kind, index, width| TileId { kind, index, width }.path();
    assert_eq!(
        path(TileKind::Hashes(0), 1_234_067, 256),
        "tile/0/x001/x234/067"
    );
    assert_eq!(path(TileKind::Hashes(3), 0, 17), "tile/3/000.p/17");
    assert_eq!(path(TileKind::Entries, 999, 256), "tile/entries/999");
    assert_eq!(
        path(TileKind::Entries, 1000, 1),
        "tile/entries/x001/000.p/1"
    );
}

#[test]
fn each_hash_of_a_tile_is_the_root_below_it() {
    for size in [1, 2, 255, 256, 257, 511, 512, 70_000] {
        let tiles = tiles(size);
        for level in 0..3_u8 {
            let below = 256_u64.pow(level.into());
            let expected = size / below;
            let of_level = tiles
                .iter()
                .filter(|(id, _)| id.kind == TileKind::Hashes(level));
            let mut found = 0;
            for (id, hashes) in of_level {
                assert_eq!((id.width, id.index), (hashes.len(), found / 256), "{size}");
                for hash in hashes {
                    assert_eq!(*hash, root_of(found * below, (found + 1) * below), "{size}");
                    found += 1;
                }
            }
            assert_eq!(found, expected, "level {level} of {size}");
        }
    }
}
