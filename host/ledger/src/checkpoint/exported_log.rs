//! Checking an exported log without the ledger (c2sp.org/tlog-tiles).

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use tollgate_model::{
    merkle::{
        Tree,
        tiles::{TileBuilder, TileId, TileKind, WIDTH},
    },
    record::{Record, leaf_hash},
};

use super::{CHECKPOINT_FILE, Checkpoint, NoteError, NoteVerifier, note::MAX_NOTE};

/// The most bytes of a bundle: each entry has at most 65,535, after a length of two.
const MAX_BUNDLE: u64 = (WIDTH * (2 + 65_535)) as u64;

/// Why an exported log is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportedLogError {
    /// A file is missing or cannot be read.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        reason: io::Error,
    },
    /// Its checkpoint is not signed by the key.
    #[error("the log's checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// A file does not have the form of the specification.
    #[error("{}: this is not a file of c2sp.org/tlog-tiles: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// An entry is not the one that was logged.
    #[error("record {index} is not the one whose hash the log has")]
    Record {
        /// The first such entry.
        index: u64,
    },
    /// A tile does not have the hashes of what is below it.
    #[error("{}: this is not the tile over the log's entries", path.display())]
    Tile {
        /// The first such tile.
        path: PathBuf,
    },
    /// The entries are of another log, or of another time, than the checkpoint.
    #[error("the log's entries do not have the root that its checkpoint signs")]
    Root,
}

/// A log that [`LedgerReader::export`](crate::LedgerReader::export) wrote.
#[derive(Debug)]
pub struct ExportedLog<'a> {
    dir: &'a Path,
}

impl<'a> ExportedLog<'a> {
    /// The log in this folder.
    #[must_use]
    pub fn new(dir: &'a Path) -> Self {
        Self { dir }
    }

    /// Checks every entry against the tiles, and the tiles against the checkpoint, which this key must have signed.
    /// `visit` gets each record.
    ///
    /// # Errors
    /// [`ExportedLogError`]. Records that were visited before are of no known log then.
    pub fn verify(
        &self,
        verifier: &NoteVerifier,
        mut visit: impl FnMut(u64, Record),
    ) -> Result<Checkpoint, ExportedLogError> {
        let note = self.read(&self.dir.join(CHECKPOINT_FILE), MAX_NOTE as u64)?;
        let note = String::from_utf8(note).map_err(|_| NoteError::Malformed("it is not text"))?;
        let checkpoint = Checkpoint::open(&note, verifier)?;
        let (mut tree, mut tiles) = (Tree::default(), TileBuilder::default());
        while tree.size() < checkpoint.size {
            let first = tree.size();
            let width = usize::try_from(checkpoint.size - first).map_or(WIDTH, |n| n.min(WIDTH));
            let hashes = self.hashes(first / WIDTH as u64, width)?;
            let entries = self.entries(first / WIDTH as u64, width)?;
            for ((index, leaf), hash) in (first..).zip(entries).zip(hashes) {
                let wrong = ExportedLogError::Record { index };
                if leaf_hash(&leaf) != hash {
                    return Err(wrong);
                }
                let record = Record::from_leaf(&leaf).map_err(|_| wrong)?;
                tree.push(hash);
                let mut whole = Vec::new();
                tiles.push(hash, |id, hashes| whole.push((id, hashes.to_vec())));
                for (id, hashes) in whole {
                    self.same(id, &hashes)?;
                }
                visit(index, record);
            }
        }
        for (id, hashes) in tiles.partial() {
            self.same(id, hashes)?;
        }
        match tree.root() == checkpoint.root {
            true => Ok(checkpoint),
            false => Err(ExportedLogError::Root),
        }
    }

    /// Whether a tile above the entries has these hashes.
    fn same(&self, id: TileId, hashes: &[[u8; 32]]) -> Result<(), ExportedLogError> {
        let path = self.dir.join(id.path());
        let found = self.read(&path, (WIDTH * 32) as u64)?;
        match found == hashes.as_flattened() {
            true => Ok(()),
            false => Err(ExportedLogError::Tile { path }),
        }
    }

    fn hashes(&self, index: u64, width: usize) -> Result<Vec<[u8; 32]>, ExportedLogError> {
        let kind = TileKind::Hashes(0);
        let path = self.dir.join(TileId { kind, index, width }.path());
        let bytes = self.read(&path, (WIDTH * 32) as u64)?;
        match bytes.as_chunks::<32>() {
            (hashes, []) if hashes.len() == width => Ok(hashes.to_vec()),
            _ => Err(ExportedLogError::Malformed {
                path,
                problem: "it does not have the hashes that its name says",
            }),
        }
    }

    fn entries(&self, index: u64, width: usize) -> Result<Vec<Vec<u8>>, ExportedLogError> {
        let kind = TileKind::Entries;
        let path = self.dir.join(TileId { kind, index, width }.path());
        let bytes = self.read(&path, MAX_BUNDLE)?;
        let mut rest = bytes.as_slice();
        let mut entries = Vec::with_capacity(width);
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((entry, after)) = after.split_at_checked(length) else {
                break;
            };
            entries.push(entry.to_vec());
            rest = after;
        }
        match rest.is_empty() && entries.len() == width {
            true => Ok(entries),
            false => Err(ExportedLogError::Malformed {
                path,
                problem: "it does not have the entries that its name says",
            }),
        }
    }

    /// A file of at most so many bytes.
    fn read(&self, path: &Path, most: u64) -> Result<Vec<u8>, ExportedLogError> {
        let failed = |reason| ExportedLogError::File {
            path: path.to_owned(),
            reason,
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        match bytes.len() as u64 <= most {
            true => Ok(bytes),
            false => Err(ExportedLogError::Malformed {
                path: path.to_owned(),
                problem: "it is too long",
            }),
        }
    }
}
