//! A Merkle tree in tiles of 256 hashes (c2sp.org/tlog-tiles, "Merkle Tree").

use super::Tree;

/// Hashes of a whole tile, and entries of a whole bundle.
pub const WIDTH: usize = 256;

/// What a file of a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TileKind {
    /// Entries, each after its length.
    Entries,
    /// Hashes: of entries at level 0, of whole tiles of the level below at others.
    Hashes(u8),
}

/// The place of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TileId {
    /// What it holds.
    pub kind: TileKind,
    /// Its number within its level, from 0.
    pub index: u64,
    /// How many hashes or entries it has, 1 to 256.
    pub width: usize,
}

impl TileId {
    /// Its path, such as `tile/0/x001/234` or, if it is not whole, `tile/0/x001/234.p/17`.
    #[must_use]
    pub fn path(&self) -> String {
        let level = match self.kind {
            TileKind::Entries => "entries".to_owned(),
            TileKind::Hashes(level) => level.to_string(),
        };
        let mut number = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        match self.width {
            WIDTH => format!("tile/{level}/{number}"),
            width => format!("tile/{level}/{number}.p/{width}"),
        }
    }
}

/// Builds the tiles of hashes of a log that is read from its first entry on.
#[derive(Debug, Default)]
pub struct TileBuilder {
    levels: Vec<Level>,
}

#[derive(Debug, Default)]
struct Level {
    /// Whole tiles that are behind us.
    whole: u64,
    hashes: Vec<[u8; 32]>,
}

impl TileBuilder {
    /// Adds the hash of an entry. `emit` gets each tile that it makes whole.
    pub fn push(&mut self, leaf_hash: [u8; 32], mut emit: impl FnMut(TileId, &[[u8; 32]])) {
        let mut hash = leaf_hash;
        for at in 0..=u8::MAX {
            if self.levels.len() <= usize::from(at) {
                self.levels.push(Level::default());
            }
            let Some(level) = self.levels.get_mut(usize::from(at)) else {
                return;
            };
            level.hashes.push(hash);
            if level.hashes.len() < WIDTH {
                return;
            }
            let id = TileId {
                kind: TileKind::Hashes(at),
                index: level.whole,
                width: WIDTH,
            };
            emit(id, &level.hashes);
            hash = root(&level.hashes);
            level.whole += 1;
            level.hashes.clear();
        }
    }

    /// The tiles that are not whole, from level 0 upwards.
    pub fn partial(&self) -> impl Iterator<Item = (TileId, &[[u8; 32]])> {
        let levels = (0..=u8::MAX).zip(&self.levels);
        levels.filter_map(|(at, level)| {
            let id = TileId {
                kind: TileKind::Hashes(at),
                index: level.whole,
                width: level.hashes.len(),
            };
            (!level.hashes.is_empty()).then_some((id, level.hashes.as_slice()))
        })
    }
}

/// The root over these hashes.
fn root(hashes: &[[u8; 32]]) -> [u8; 32] {
    let mut tree = Tree::default();
    hashes.iter().for_each(|hash| tree.push(*hash));
    tree.root()
}

#[cfg(test)]
mod tests;
