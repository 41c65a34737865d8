//! Granted directories, and how a path within one is found without ever leaving it.
//!
//! A path is walked one segment at a time, each opened relative to the handle of the one before, and no
//! symbolic link is followed anywhere. What is found is held by handle, so that a directory that is
//! renamed or replaced meanwhile leads nowhere else. Nothing here reads or changes a file.

use std::{
    collections::BTreeSet,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use cap_fs_ext::DirExt as _;
use cap_std::{
    ambient_authority,
    fs::{Dir, Metadata, MetadataExt as _},
};
use rustix::io::Errno;

use tollgate_model::latency_ewma::LatencyEwma;

use super::path::RelativePath;
use crate::SandboxError;

/// A directory that the operator granted to a component.
pub struct Grant {
    /// The name by which the component takes it.
    pub name: String,
    /// Where it is; for messages, never opened again.
    pub path: PathBuf,
    /// The same without links, to see whether two grants reach the same file.
    pub canonical_path: PathBuf,
    /// Whether it may be written to.
    pub read_write: bool,
    /// What its contents are.
    pub labels: BTreeSet<String>,
    /// The directory.
    pub(crate) dir: Arc<Dir>,
    /// Held while a file is added to, so that what could not be written whole can be taken back.
    pub(crate) appending: Mutex<()>,
    /// How long reads from it took recently.
    pub(crate) read_latency: Arc<LatencyEwma>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("name", &self.name)
            .field("path", &self.path)
            .field("read_write", &self.read_write)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

impl Grant {
    /// Open the directory that is granted. It is held from here on, wherever it is moved.
    ///
    /// # Errors
    /// [`SandboxError::Grant`]: it is missing, not a directory or not accessible.
    pub fn open(
        name: &str,
        path: &Path,
        read_write: bool,
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
            read_write,
            labels,
            dir: Arc::new(dir),
            appending: Mutex::default(),
            read_latency: Arc::default(),
        })
    }

    /// Find what is at a path, if anything. Whether it may be known is not yet decided.
    pub(crate) fn resolve(&self, path: &RelativePath) -> ResolvedPath {
        let mut parent = Arc::clone(&self.dir);
        let Some((above, last)) = path.split() else {
            return ResolvedPath {
                parent,
                missing: Vec::new(),
                name: None,
                found: PathEntry::Directory,
            };
        };
        let name = Some(last.to_owned());
        let mut above = above.map(str::to_owned);
        while let Some(segment) = above.next() {
            match enter(&parent, &segment) {
                Ok(child) => parent = Arc::new(child),
                Err(FileError::NotFound) => {
                    let missing = [segment].into_iter().chain(above).collect();
                    return ResolvedPath {
                        parent,
                        missing,
                        name,
                        found: PathEntry::Nothing,
                    };
                }
                Err(fault) => {
                    return ResolvedPath {
                        parent,
                        missing: Vec::new(),
                        name,
                        found: PathEntry::Blocked(fault),
                    };
                }
            }
        }
        let found = match look(&parent, last) {
            Ok(found) => found,
            Err(fault) => PathEntry::Blocked(fault),
        };
        ResolvedPath {
            parent,
            missing: Vec::new(),
            name,
            found,
        }
    }
}

/// What a path leads to: its directory by handle, and what was in it under that name.
#[derive(Debug)]
pub(crate) struct ResolvedPath {
    /// The deepest directory that exists.
    pub(crate) parent: Arc<Dir>,
    /// Directories below it that do not exist.
    pub(crate) missing: Vec<String>,
    /// The last segment; `None` for the grant's own directory.
    pub(crate) name: Option<String>,
    /// What was there when it was looked at. The operation looks again, through the handle.
    pub(crate) found: PathEntry,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathEntry {
    /// Nothing.
    Nothing,
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// Names that the file has.
        links: u64,
    },
    /// A directory.
    Directory,
    /// It cannot be reached.
    Blocked(FileError),
}

/// Why a file operation fails, other than by policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileError {
    NotFound,
    Exists,
    /// A directory for a file or the reverse, a link, or a special file.
    WrongKind,
    NotEmpty,
    TooLarge,
    /// The file system takes two spellings for the same name, so no path says what it names.
    FoldsCase,
    /// The call was ended before anything was done.
    CallOver,
    /// Anything else that the operating system says.
    System(io::ErrorKind),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => Self::NotFound,
            Some(Errno::EXIST) => Self::Exists,
            // A link that was not followed, a file on the way, or a special file that was opened.
            Some(
                Errno::LOOP
                | Errno::NOTDIR
                | Errno::ISDIR
                | Errno::NXIO
                | Errno::NODEV
                | Errno::MLINK,
            ) => Self::WrongKind,
            Some(Errno::NOTEMPTY) => Self::NotEmpty,
            Some(Errno::FBIG) => Self::TooLarge,
            _ => Self::System(error.kind()),
        }
    }
}

/// Open the directory `name` in `parent`.
pub(crate) fn enter(parent: &Dir, name: &str) -> Result<Dir, FileError> {
    match look(parent, name)? {
        PathEntry::Directory => Ok(parent.open_dir_nofollow(name)?),
        PathEntry::Nothing => Err(FileError::NotFound),
        PathEntry::File { .. } => Err(FileError::WrongKind),
        PathEntry::Blocked(fault) => Err(fault),
    }
}

/// What `name` in `parent` is. Follows nothing and opens nothing.
pub(crate) fn look(parent: &Dir, name: &str) -> Result<PathEntry, FileError> {
    let found = match parent.symlink_metadata(name) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(PathEntry::Nothing),
        Err(e) => return Err(e.into()),
    };
    if folds_case(parent, name, &found) {
        return Err(FileError::FoldsCase);
    }
    Ok(kind(&found))
}

pub(crate) fn kind(found: &Metadata) -> PathEntry {
    if found.is_file() {
        PathEntry::File {
            size: found.len(),
            links: found.nlink(),
        }
    } else if found.is_dir() {
        PathEntry::Directory
    } else {
        PathEntry::Blocked(FileError::WrongKind)
    }
}

/// Whether the same thing answers to its name in other letters. On such a file system a policy about
/// `secret` would say nothing about `SECRET`, although they are one file.
fn folds_case(parent: &Dir, name: &str, found: &Metadata) -> bool {
    let upper = name.to_uppercase();
    let other = if upper == name {
        name.to_lowercase()
    } else {
        upper
    };
    if other == name {
        return false;
    }
    let Ok(same) = parent.symlink_metadata(&other) else {
        return false;
    };
    // Two names of one file (hard links) are counted; two spellings of one name are not.
    (same.dev(), same.ino()) == (found.dev(), found.ino()) && (found.is_dir() || found.nlink() == 1)
}
