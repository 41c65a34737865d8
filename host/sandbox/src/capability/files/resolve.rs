//! Path resolution that never leaves a granted directory.
//!
//! A path is walked one segment at a time. Each segment is opened relative to the handle of the previous
//! one, and symbolic links are never followed. The result is held by handle, so a directory that is renamed
//! or replaced meanwhile leads nowhere else. Nothing here reads or changes a file.

use std::{io, sync::Arc};

use cap_fs_ext::DirExt as _;
use cap_std::fs::{Dir, Metadata, MetadataExt as _};
use rustix::io::Errno;

use super::path::RelativePath;
use crate::resources::Grant;

impl Grant {
    /// Finds the entry at a path, if any. Whether the guest may know it is not decided yet.
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

/// The target of a path: its directory by handle, and the entry with that name.
#[derive(Debug)]
pub(crate) struct ResolvedPath {
    /// The deepest directory that exists.
    pub(crate) parent: Arc<Dir>,
    /// Directories below it that do not exist.
    pub(crate) missing: Vec<String>,
    /// The last segment; `None` for the grant's own directory.
    pub(crate) name: Option<String>,
    /// The entry at that time. The operation checks again, through the handle.
    pub(crate) found: PathEntry,
}

/// The entry at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathEntry {
    /// Nothing.
    Nothing,
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// Number of names (hard links) of the file.
        links: u64,
    },
    /// A directory.
    Directory,
    /// It cannot be reached.
    Blocked(FileError),
}

/// Why a file operation fails, apart from policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileError {
    NotFound,
    Exists,
    /// A directory instead of a file or the reverse, a link, or a special file.
    WrongKind,
    NotEmpty,
    TooLarge,
    /// The file system folds case, so two spellings have the same name and a path is ambiguous.
    FoldsCase,
    /// The call ended before the operation began.
    CallOver,
    /// Any other error of the operating system.
    System(io::ErrorKind),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => Self::NotFound,
            Some(Errno::EXIST) => Self::Exists,
            // A link that was not followed, a file in place of a directory, or a special file.
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

/// Opens the directory `name` in `parent`.
pub(crate) fn enter(parent: &Dir, name: &str) -> Result<Dir, FileError> {
    match look(parent, name)? {
        PathEntry::Directory => Ok(parent.open_dir_nofollow(name)?),
        PathEntry::Nothing => Err(FileError::NotFound),
        PathEntry::File { .. } => Err(FileError::WrongKind),
        PathEntry::Blocked(fault) => Err(fault),
    }
}

/// The kind of `name` in `parent`. Follows no link and opens nothing.
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

/// Whether the same file also has this name in other case. On such a file system, a policy about `secret`
/// would not apply to `SECRET`, although they are one file.
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
    // Hard links count as two names; two spellings of one name do not.
    (same.dev(), same.ino()) == (found.dev(), found.ino()) && (found.is_dir() || found.nlink() == 1)
}
