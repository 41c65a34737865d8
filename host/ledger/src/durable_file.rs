//! Files that are replaced whole, and are on the disk when that returns.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// The mode of a new file, before the process's mask is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMode {
    /// Only its owner reads it: 0600.
    Private,
    /// Everybody reads it, and only its owner writes it: 0644.
    Public,
    /// What the process's mask allows: 0666.
    Shared,
}

impl FileMode {
    const fn bits(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Public => 0o644,
            Self::Shared => 0o666,
        }
    }
}

/// Writes `bytes` to the file at `path` atomically. An existing file keeps its mode; a new one gets `mode`. Readers
/// see the old content or the new one, never a part of it.
///
/// # Errors
/// The directory cannot be written, or the disk is full: the file at `path` is as it was. If only the directory
/// cannot be synced, the new content is there, and may be lost with the power.
pub fn replace(path: &Path, bytes: &[u8], mode: FileMode) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(mode.bits()))
        .tempfile_in(directory_of(path))?;
    // Before there is content that others could read.
    match fs::metadata(path) {
        Ok(found) => file.as_file().set_permissions(found.permissions())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_directory_of(path)
}

/// Make the file at `path`, which only its owner reads, with these bytes. Never replaces a file.
///
/// # Errors
/// There is one already, the directory cannot be written, or the disk is full.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FileMode::Private.bits())
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_directory_of(path)
}

/// Make the name of the file at `path` as durable as its content.
///
/// # Errors
/// The directory cannot be opened or synced.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

fn directory_of(path: &Path) -> &Path {
    path.parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests;
