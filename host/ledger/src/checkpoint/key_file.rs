//! The file of the key that signs checkpoints.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use zeroize::Zeroizing;

use super::NoteSigner;
use crate::{LedgerError, durable_file, keys::random};

/// Longer files are not keys.
const MAX_FILE: u64 = 4096;

impl NoteSigner {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// [`LedgerError::Key`]: the name cannot name a key, or there is no randomness.
    pub fn generate(name: &str) -> Result<Self, LedgerError> {
        let refuse = |reason: String| LedgerError::Key {
            path: name.to_owned(),
            reason,
        };
        let seed = random::<32>().map_err(|e| refuse(e.to_string()))?;
        Self::new(name, &seed).map_err(|e| refuse(e.to_string()))
    }

    /// Write the secret key into a new file with mode 0600. Never replaces a file.
    ///
    /// # Errors
    /// [`LedgerError::Key`]: there is a file already, or it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), LedgerError> {
        let refuse = |e: io::Error| key_error(path, &format!("the key cannot be written: {e}"));
        let text = Zeroizing::new(format!("{}\n", self.to_secret().as_str()));
        durable_file::create_private(path, text.as_bytes()).map_err(refuse)
    }

    /// Read the secret key from a file that only its owner can read.
    ///
    /// # Errors
    /// [`LedgerError::Key`]: missing, readable by others, or not a key.
    pub fn load(path: &Path) -> Result<Self, LedgerError> {
        let file = File::open(path).map_err(|e| {
            key_error(
                path,
                &format!("{e}; make the key with `tollgate ledger keygen NAME`"),
            )
        })?;
        let mode = file
            .metadata()
            .map_err(|e| key_error(path, &e.to_string()))?
            .mode();
        if mode & 0o077 != 0 {
            return Err(key_error(
                path,
                "others can read the key; run `chmod 600` on it",
            ));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_FILE)
            .read_to_string(&mut text)
            .map_err(|e| key_error(path, &e.to_string()))?;
        Self::parse(text.trim_end()).map_err(|e| key_error(path, &e.to_string()))
    }
}

fn key_error(path: &Path, reason: &str) -> LedgerError {
    LedgerError::Key {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    }
}
