//! Granted directories.

use std::{
    collections::BTreeSet,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use cap_std::{ambient_authority, fs::Dir};
use tollgate_model::latency_ewma::LatencyEwma;

use crate::SandboxError;

/// What a component may do with a granted directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantMode {
    /// Read files and list directories.
    ReadOnly,
    /// Change them as well.
    ReadWrite,
}

/// A directory that the operator granted to a component.
pub struct Grant {
    /// The name that the component uses.
    pub name: String,
    /// Its path; for messages, never opened again.
    pub path: PathBuf,
    /// The path without links, to detect that two grants reach the same file.
    pub canonical_path: PathBuf,
    /// Whether it may be written to.
    pub mode: GrantMode,
    /// Labels of its contents.
    pub labels: BTreeSet<String>,
    /// The directory.
    pub(crate) dir: Arc<Dir>,
    /// Held during an append, so that an incomplete write can be undone.
    pub(crate) appending: Mutex<()>,
    /// How long reads from it took recently.
    pub(crate) read_latency: Arc<LatencyEwma>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("name", &self.name)
            .field("path", &self.path)
            .field("mode", &self.mode)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

impl Grant {
    /// Opens the granted directory. The handle stays valid even if the directory is moved.
    ///
    /// # Errors
    /// [`SandboxError::Grant`]: it is missing, not a directory or not accessible.
    pub fn open(
        name: &str,
        path: &Path,
        mode: GrantMode,
        labels: BTreeSet<String>,
    ) -> Result<Self, SandboxError> {
        let failed = |reason: String| SandboxError::Grant {
            name: name.into(),
            path: path.into(),
            reason,
        };
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(|e| {
            failed(match e.kind() {
                io::ErrorKind::NotFound => {
                    "it does not exist; make the directory, or correct the path".into()
                }
                io::ErrorKind::NotADirectory => {
                    "it is not a directory; grant the one that it is in".into()
                }
                kind => kind.to_string(),
            })
        })?;
        let canonical_path = path.canonicalize().map_err(|e| failed(e.to_string()))?;
        Ok(Self {
            name: name.into(),
            path: path.into(),
            canonical_path,
            mode,
            labels,
            dir: Arc::new(dir),
            appending: Mutex::default(),
            read_latency: Arc::default(),
        })
    }
}
