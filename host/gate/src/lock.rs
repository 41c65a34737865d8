//! `tollgate.lock`: which component files were looked at and accepted, by digest.
//!
//! A component that is not in it, or whose file has changed, is refused until an operator accepts it.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tollgate_core::canonical::Sha256Digest;

/// The file's name, beside the configuration.
pub const FILE_NAME: &str = "tollgate.lock";

/// Why the lock file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct LockError {
    file: String,
    reason: String,
}

/// The accepted components.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// By name.
    #[serde(default)]
    pub components: BTreeMap<String, LockedComponent>,
}

/// An accepted component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedComponent {
    /// SHA-256 of its file.
    pub digest: Sha256Digest,
}

impl Lock {
    /// Where the lock of the configuration `config` lies.
    #[must_use]
    pub fn path(config: &Path) -> PathBuf {
        config.with_file_name(FILE_NAME)
    }

    /// Read the lock at `path`; empty if there is none.
    ///
    /// # Errors
    /// [`LockError`] if it cannot be read or is malformed.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let failed = |reason: String| LockError {
            file: path.display().to_string(),
            reason,
        };
        match fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map_err(|e| {
                failed(format!(
                    "{}; remove the file and accept the components again",
                    e.message()
                ))
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(failed(e.to_string())),
        }
    }

    /// Write the lock to `path`: the old content or the new, never a part.
    ///
    /// # Errors
    /// [`LockError`] if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        let failed = |reason: String| LockError {
            file: path.display().to_string(),
            reason,
        };
        let text = toml::to_string(self).map_err(|e| failed(e.to_string()))?;
        let text = format!(
            "# Component files that an operator has accepted. Made by `tollgate component accept`.\n\n{text}"
        );
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(|e| failed(e.to_string()))?;
        file.write_all(text.as_bytes())
            .map_err(|e| failed(e.to_string()))?;
        file.as_file()
            .sync_all()
            .map_err(|e| failed(e.to_string()))?;
        file.persist(path).map_err(|e| failed(e.to_string()))?;
        Ok(())
    }
}
