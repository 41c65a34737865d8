//! The anchor: a file next to the wrapping key with the size and hashes of the ledger. A store that holds less
//! than its anchor was rolled back.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tollgate_model::{canonical::Sha256Digest, ids::hex, merkle::Tree};

use crate::durable_file::{self, FileMode};

/// The first word of an anchor.
const VERSION: &str = "tollgate-anchor-v1";

/// The anchor's file.
#[derive(Debug, Clone)]
pub(crate) struct Anchor {
    path: PathBuf,
    store: String,
}

/// The contents of an anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnchorState {
    /// Which store it is of.
    pub(crate) store: String,
    /// Hash of the last record; zeros for none.
    pub(crate) last: [u8; 32],
    /// The Merkle tree of the records, which opening extends.
    pub(crate) tree: Tree,
}

impl Anchor {
    /// The anchor that belongs to a key, of the store with this name.
    pub(crate) fn of_key(key: &Path, store: &[u8]) -> Self {
        let mut path = key.as_os_str().to_owned();
        path.push(".anchor");
        Self {
            path: path.into(),
            store: hex(store),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Which store it is written for.
    pub(crate) fn store(&self) -> &str {
        &self.store
    }

    /// Its contents; `None` if there is no anchor.
    pub(crate) fn read(&self) -> io::Result<Option<AnchorState>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        match parsed(&text) {
            Some(anchored) => Ok(Some(anchored)),
            None => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "this is not an anchor",
            )),
        }
    }

    /// Replace its contents atomically. They are durable when this returns.
    pub(crate) fn write(&self, last: &[u8; 32], tree: &Tree) -> io::Result<()> {
        let mut text = format!("{VERSION} {} {} {}", self.store, tree.size(), hex(last));
        for peak in tree.peaks() {
            text.push(' ');
            text.push_str(&hex(peak));
        }
        text.push('\n');
        durable_file::replace(&self.path, text.as_bytes(), FileMode::Private)
    }
}

fn parsed(text: &str) -> Option<AnchorState> {
    let mut words = text.split_whitespace();
    if words.next()? != VERSION {
        return None;
    }
    let (store, size) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
    let hash = |word: &str| {
        Some(
            *format!("sha256:{word}")
                .parse::<Sha256Digest>()
                .ok()?
                .as_bytes(),
        )
    };
    let last = hash(words.next()?)?;
    let tree = Tree::from_peaks(size, words.map(hash).collect::<Option<Vec<_>>>()?)?;
    Some(AnchorState { store, last, tree })
}
