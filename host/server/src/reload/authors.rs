//! Who wrote the files of a configuration, by the owners that the file system names.
//!
//! A file that several accounts can write, or replace, has no known author.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::unistd::{Gid, Group, Uid, User};
use tollgate::{
    config::{Config, ExternalTools, policy_paths},
    lock::Lock,
};

/// The sticky bit: only the owner of a file in the directory can replace it.
const STICKY: u32 = 0o1000;

/// What a file is at one time: inode, size, and the times of its last changes in nanoseconds.
type Version = (u64, u64, i64, i64, i64, i64);

/// The files of a configuration, as they are at one time. A file that does not exist is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FileVersions(BTreeMap<PathBuf, Version>);

/// Why the author of a file is not known.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub(super) struct AuthorError {
    path: PathBuf,
    problem: String,
}

impl AuthorError {
    fn io(path: &Path, error: &io::Error) -> Self {
        Self {
            path: path.to_path_buf(),
            problem: error.to_string(),
        }
    }
}

impl FileVersions {
    /// The present versions.
    pub(super) fn of(config: &Config) -> Self {
        let versions = files(config).into_iter().filter_map(|file| {
            let found = fs::metadata(&file).ok()?;
            let version = (
                found.ino(),
                found.size(),
                found.mtime(),
                found.mtime_nsec(),
                found.ctime(),
                found.ctime_nsec(),
            );
            Some((file, version))
        });
        Self(versions.collect())
    }

    /// Files that are not the same in `after`: new, changed or removed.
    pub(super) fn changed(&self, after: &Self) -> BTreeSet<PathBuf> {
        let all = self.0.keys().chain(after.0.keys());
        all.filter(|file| self.0.get(*file) != after.0.get(*file))
            .cloned()
            .collect()
    }
}

/// The files that a configuration is loaded from, its policies' directories among them.
pub(super) fn files(config: &Config) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::from([config.file.clone(), Lock::path(&config.file)]);
    let sets = [Some(&config.policies), config.candidate.as_ref()];
    for dir in sets.into_iter().flatten() {
        within(dir, &mut all);
    }
    all.extend(config.components.values().map(|c| c.path.clone()));
    all.extend(config.capture.rules.iter().cloned());
    all.extend(
        config
            .external
            .values()
            .filter_map(|external| match &external.tools {
                ExternalTools::File(file) => Some(file.clone()),
                ExternalTools::Preset(_) => None,
            }),
    );
    all
}

/// Adds a directory of policies and what is loaded from it. Where it cannot be read, nothing is loaded.
fn within(dir: &Path, all: &mut BTreeSet<PathBuf>) {
    let mut paths = Vec::new();
    let _ = policy_paths(dir, &mut paths);
    all.extend(paths);
}

/// Requires that no account but the owner can write any of these files, or replace it.
///
/// # Errors
/// The first one where others can.
pub(super) fn check_private(files: &BTreeSet<PathBuf>) -> Result<(), AuthorError> {
    for file in files {
        if !file.exists() {
            continue;
        }
        let real = fs::canonicalize(file).map_err(|e| AuthorError::io(file, &e))?;
        let links = [file.as_path(), real.as_path()];
        for path in links
            .into_iter()
            .flat_map(Path::ancestors)
            .filter(|path| !path.as_os_str().is_empty())
        {
            is_private(path)?;
        }
    }
    Ok(())
}

fn is_private(path: &Path) -> Result<(), AuthorError> {
    let found = fs::metadata(path).map_err(|e| AuthorError::io(path, &e))?;
    let mode = found.mode();
    let problem = if mode & 0o002 != 0 && !(found.is_dir() && mode & STICKY != 0) {
        "every account can write it"
    } else if mode & 0o020 != 0 && !is_private_group(found.gid(), found.uid()) {
        "its group can write it"
    } else {
        return Ok(());
    };
    Err(AuthorError {
        path: path.to_path_buf(),
        problem: format!("{problem}, so it is not known who changed it"),
    })
}

/// Whether the group is the owner's private group.
fn is_private_group(gid: u32, owner: u32) -> bool {
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    let user = User::from_uid(Uid::from_raw(owner)).ok().flatten();
    match (group, user) {
        (Some(group), Some(user)) => {
            group.name == user.name && group.mem.iter().all(|member| *member == user.name)
        }
        _ => false,
    }
}

/// The owners of these files and of their directories: the accounts that can have changed them.
///
/// # Errors
/// A directory cannot be read.
pub(super) fn authors(changed: &BTreeSet<PathBuf>) -> Result<BTreeSet<u32>, AuthorError> {
    let mut authors = BTreeSet::new();
    for file in changed {
        if let Ok(found) = fs::symlink_metadata(file) {
            authors.insert(found.uid());
        }
        if let Ok(found) = fs::metadata(file) {
            authors.insert(found.uid());
        }
        let dir = file.parent().unwrap_or(Path::new("/"));
        let found = fs::metadata(dir).map_err(|e| AuthorError::io(dir, &e))?;
        authors.insert(found.uid());
    }
    Ok(authors)
}

#[cfg(test)]
mod tests;
