//! How far the ledger had come, kept outside the store, beside its key: a store that holds less was
//! rolled back.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use tollgate_core::ids::hex;

/// The anchor's file.
#[derive(Debug, Clone)]
pub(super) struct Anchor {
    path: PathBuf,
    store: String,
}

/// What an anchor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Anchored {
    /// Which store it is of.
    pub(super) store: String,
    /// Records.
    pub(super) size: u64,
    /// Hash of the last of them; zeros for none.
    pub(super) hash: String,
}

impl Anchor {
    /// The anchor that belongs to a key, of the store with this name.
    pub(super) fn beside(key: &Path, store: &[u8]) -> Self {
        let mut path = key.as_os_str().to_owned();
        path.push(".anchor");
        Self { path: path.into(), store: hex(store) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Which store it is written for.
    pub(super) fn store(&self) -> &str {
        &self.store
    }

    /// What it says; `None` if there is none.
    pub(super) fn read(&self) -> io::Result<Option<Anchored>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut words = text.split_whitespace();
        let parsed = (words.next(), words.next(), words.next().and_then(|n| n.parse().ok()), words.next());
        match parsed {
            (Some("tollgate-anchor-v1"), Some(store), Some(size), Some(hash)) => {
                Ok(Some(Anchored { store: store.into(), size, hash: hash.into() }))
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "this is no anchor")),
        }
    }

    /// Replace what it says. Durable when it returns; a crash leaves the old one or the new one.
    pub(super) fn write(&self, size: u64, hash: &[u8; 32]) -> io::Result<()> {
        let mut next = self.path.as_os_str().to_owned();
        next.push(".next");
        let next = PathBuf::from(next);
        let mut file: File =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        file.write_all(format!("tollgate-anchor-v1 {} {size} {}\n", self.store, hex(hash)).as_bytes())?;
        file.sync_data()?;
        fs::rename(&next, &self.path)
    }
}
