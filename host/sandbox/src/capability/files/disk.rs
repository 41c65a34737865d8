//! Operations on a resolved path, once they are permitted.
//!
//! Every operation goes through the handle of the parent directory and checks the entry again, so that a
//! decision about one file is not applied to another that replaced it. Only regular files are opened, and
//! opening never blocks. An operation that is reported as done is on the disk.

use std::{
    io::{self, Read as _, Write as _},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, File, MetadataExt as _, OpenOptions, Permissions, PermissionsExt as _};
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use super::{
    path::is_nameable,
    resolve::{FileError, PathEntry, ResolvedPath, enter, kind, look},
    temporary::{Replace, Temporary},
};

/// The largest file that is read or written, in bytes.
pub(crate) const MAX_FILE: u64 = 8 << 20;
/// The most entries of a directory that is listed.
const MAX_ENTRIES: usize = 10_000;

/// A directory entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) directory: bool,
    /// Bytes; 0 for a directory.
    pub(crate) size: u64,
}

impl ResolvedPath {
    /// The last segment of an existing path.
    fn existing(&self) -> Result<&str, FileError> {
        match (&self.name, self.found) {
            (_, PathEntry::Blocked(fault)) => Err(fault),
            (_, PathEntry::Nothing) => Err(FileError::NotFound),
            (Some(name), _) => Ok(name),
            (None, _) => Err(FileError::WrongKind),
        }
    }

    /// The directory for a file to be written, created if missing, and the file's name.
    fn for_writing(self) -> Result<(Arc<Dir>, String), FileError> {
        if let PathEntry::Blocked(fault) = self.found {
            return Err(fault);
        }
        let name = self.name.ok_or(FileError::WrongKind)?;
        let mut parent = self.parent;
        for segment in &self.missing {
            match parent.create_dir(segment) {
                Ok(()) => sync_directory(&parent)?,
                // Another process created it.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e.into()),
            }
            parent = Arc::new(enter(&parent, segment)?);
        }
        Ok((parent, name))
    }
}

/// The whole content of a file.
pub(crate) fn read(at: &ResolvedPath) -> Result<Vec<u8>, FileError> {
    let (file, size) = open(&at.parent, at.existing()?, OpenOptions::new().read(true))?;
    if size > MAX_FILE {
        return Err(FileError::TooLarge);
    }
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.take(MAX_FILE + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE {
        Err(FileError::TooLarge)
    } else {
        Ok(content)
    }
}

/// Opens a regular file, and returns its size. Refuses anything else, and never blocks.
fn open(parent: &Dir, name: &str, options: &mut OpenOptions) -> Result<(File, u64), FileError> {
    // Check first, because opening a device can have side effects. Case folding was checked when the path
    // was resolved.
    if !parent.symlink_metadata(name)?.is_file() {
        return Err(FileError::WrongKind);
    }
    let file = parent.open_with(name, options.follow(FollowSymlinks::No).nonblock(true))?;
    match kind(&file.metadata()?) {
        PathEntry::File { size, .. } => Ok((file, size)),
        _ => Err(FileError::WrongKind),
    }
}

/// Write a file whole: readers see what was there before, or all of `data`.
pub(crate) fn write(at: ResolvedPath, data: &[u8], replace: Replace) -> Result<(), FileError> {
    let (parent, name) = at.for_writing()?;
    let permissions = match (look(&parent, &name)?, replace) {
        (PathEntry::Nothing, _) => None,
        (_, Replace::No) => return Err(FileError::Exists),
        (PathEntry::File { .. }, Replace::Yes) => {
            let mode = parent.symlink_metadata(&name)?.mode() & 0o777;
            Some(Permissions::from_mode(mode))
        }
        (PathEntry::Directory, Replace::Yes) => return Err(FileError::WrongKind),
        (PathEntry::Blocked(fault), Replace::Yes) => return Err(fault),
    };
    let mut temporary = Temporary::new(&parent)?;
    if let Some(permissions) = permissions {
        temporary.file.set_permissions(permissions)?;
    }
    temporary.file.write_all(data)?;
    temporary.file.sync_data()?;
    temporary.rename(&name, replace)?;
    sync_directory(&parent)
}

/// Appends to a file in one write, or not at all.
pub(crate) fn append(
    at: ResolvedPath,
    data: &[u8],
    appending: &Mutex<()>,
) -> Result<(), FileError> {
    let (parent, name) = at.for_writing()?;
    let created = match look(&parent, &name)? {
        PathEntry::Nothing => true,
        // Its other name may be outside the grant, and would change with it.
        PathEntry::File { links, .. } if links > 1 => return Err(FileError::WrongKind),
        PathEntry::File { .. } => false,
        PathEntry::Directory => return Err(FileError::WrongKind),
        PathEntry::Blocked(fault) => return Err(fault),
    };
    let mut options = OpenOptions::new();
    options
        .append(true)
        .create(true)
        .follow(FollowSymlinks::No)
        .nonblock(true);
    let mut file = parent.open_with(&name, &options)?;
    let _one_at_a_time = appending.lock().unwrap_or_else(PoisonError::into_inner);
    let opened = file.metadata()?;
    let size = match kind(&opened) {
        PathEntry::File { links: 0 | 1, size } => size,
        _ => return Err(FileError::WrongKind),
    };
    if size.saturating_add(data.len() as u64) > MAX_FILE {
        return Err(FileError::TooLarge);
    }
    let written = file.write(data);
    if !matches!(written, Ok(n) if n == data.len()) {
        // The disk is full after a part: undo it, unless others have appended since.
        let part = *written.as_ref().unwrap_or(&0) as u64;
        if part > 0 && file.metadata()?.len() == size + part {
            file.set_len(size)?;
        }
        return Err(written.err().map_or(
            FileError::System(io::ErrorKind::StorageFull),
            FileError::from,
        ));
    }
    file.sync_data()?;
    if created {
        sync_directory(&parent)
    } else {
        Ok(())
    }
}

/// The entries of a directory whose names are valid for guests, sorted.
pub(crate) fn list(at: &ResolvedPath) -> Result<Vec<Entry>, FileError> {
    let below;
    let dir = match (&at.name, at.found) {
        (_, PathEntry::Blocked(fault)) => return Err(fault),
        (None, _) => &at.parent,
        (Some(_), PathEntry::Nothing) => return Err(FileError::NotFound),
        (Some(name), _) => {
            below = enter(&at.parent, name)?;
            &below
        }
    };
    let mut entries = Vec::new();
    for (seen, found) in dir.entries()?.enumerate() {
        if seen >= MAX_ENTRIES {
            return Err(FileError::TooLarge);
        }
        let found = found?;
        let Ok(name) = found.file_name().into_string() else {
            continue;
        };
        if !is_nameable(&name) {
            continue;
        }
        let (directory, size) = match found.metadata().map(|m| kind(&m)) {
            Ok(PathEntry::File { size, .. }) => (false, size),
            Ok(PathEntry::Directory) => (true, 0),
            // A link, a special file, or removed meanwhile.
            _ => continue,
        };
        entries.push(Entry {
            name,
            directory,
            size,
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// The entry at a path. The grant's own directory has no name.
pub(crate) fn stat(at: &ResolvedPath) -> Result<Entry, FileError> {
    let Some(name) = &at.name else {
        return Ok(Entry {
            name: String::new(),
            directory: true,
            size: 0,
        });
    };
    at.existing()?;
    match look(&at.parent, name)? {
        PathEntry::Nothing => Err(FileError::NotFound),
        PathEntry::File { size, .. } => Ok(Entry {
            name: name.clone(),
            directory: false,
            size,
        }),
        PathEntry::Directory => Ok(Entry {
            name: name.clone(),
            directory: true,
            size: 0,
        }),
        PathEntry::Blocked(fault) => Err(fault),
    }
}

/// Removes the file, or the empty directory, that was found.
pub(crate) fn delete(at: &ResolvedPath) -> Result<(), FileError> {
    let name = at.existing()?;
    // A decision about one kind must not remove the other: these calls refuse it.
    if at.found == PathEntry::Directory {
        at.parent.remove_dir(name)?;
    } else {
        match look(&at.parent, name)? {
            PathEntry::File { .. } => at.parent.remove_file(name)?,
            PathEntry::Nothing => return Err(FileError::NotFound),
            PathEntry::Directory => return Err(FileError::WrongKind),
            PathEntry::Blocked(fault) => return Err(fault),
        }
    }
    sync_directory(&at.parent)
}

/// Creates a directory in an existing one.
pub(crate) fn make_directory(at: &ResolvedPath) -> Result<(), FileError> {
    match (&at.name, at.found) {
        (_, PathEntry::Blocked(fault)) => Err(fault),
        (Some(name), PathEntry::Nothing) if at.missing.is_empty() => {
            at.parent.create_dir(name)?;
            sync_directory(&at.parent)
        }
        (_, PathEntry::Nothing) => Err(FileError::NotFound),
        (_, PathEntry::File { .. } | PathEntry::Directory) => Err(FileError::Exists),
    }
}

/// Syncs a directory, so that its entries are durable. The handle for walking cannot be synced, so it is
/// opened again for reading.
fn sync_directory(dir: &Dir) -> Result<(), FileError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened =
        rustix::fs::openat(dir, Path::new("."), flags, Mode::empty()).map_err(io::Error::from)?;
    match rustix::fs::fsync(opened) {
        // Some file systems cannot sync directories.
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(e) => Err(io::Error::from(e).into()),
    }
}
