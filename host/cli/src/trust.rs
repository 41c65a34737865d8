//! The configurations that may be used without `--config`: owned by this user or root, writable by no other account,
//! and trusted by this user.
//!
//! A configuration starts programs and names secrets, so a file in a cloned repository or a shared
//! directory is another person's code. The list of trusted files is the user's own; it holds paths, so an
//! edited file stays trusted, like a repository under git's `safe.directory`.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use nix::unistd::{Gid, Group, Uid, User};

use crate::{
    error::{Failure, shown},
    files,
};

/// The sticky bit: only the owner of a file in the directory can replace it.
const STICKY: u32 = 0o1000;
/// The mode of the user's state directory.
const PRIVATE: u32 = 0o700;

/// The user's state directory: `tollgate` in `XDG_STATE_HOME`, or in `~/.local/state`.
///
/// # Errors
/// The user has no home directory.
pub(crate) fn state_dir() -> Result<PathBuf, Failure> {
    let named = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    named
        .filter(|dir| dir.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".local/state")))
        .map(|dir| dir.join("tollgate"))
        .ok_or_else(|| {
            Failure::plain("there is no home directory to remember anything in")
                .help("set HOME or XDG_STATE_HOME")
        })
}

/// Creates a directory below [`state_dir`] with mode 0700.
pub(crate) fn private_dir(dir: &Path) -> Result<(), Failure> {
    let failed =
        |e: std::io::Error| Failure::plain(format!("{}: it cannot be made: {e}", dir.display()));
    fs::create_dir_all(dir).map_err(failed)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(PRIVATE)).map_err(failed)
}

/// The files that this user trusts.
pub(crate) struct TrustedFiles {
    list: PathBuf,
    files: Vec<PathBuf>,
}

impl TrustedFiles {
    /// The list of this user.
    pub(crate) fn read() -> Result<Self, Failure> {
        Self::read_in(&state_dir()?)
    }

    fn read_in(state: &Path) -> Result<Self, Failure> {
        let list = state.join("trusted");
        let text = match fs::read_to_string(&list) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(Failure::plain(format!("{}: {e}", list.display()))),
        };
        let files = text.lines().map(PathBuf::from).collect();
        Ok(Self { list, files })
    }

    /// The files, in the order in which they were trusted.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Adds `file` to the list.
    ///
    /// # Errors
    /// The file does not exist, or another account can write it.
    pub(crate) fn add(&mut self, file: &Path) -> Result<PathBuf, Failure> {
        let file = canonical(file)?;
        check_owner(&file)?;
        if !self.files.contains(&file) {
            self.files.push(file.clone());
            self.write()?;
        }
        Ok(file)
    }

    /// Removes `file` from the list. Returns whether it was in it.
    pub(crate) fn remove(&mut self, file: &Path) -> Result<bool, Failure> {
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let before = self.files.len();
        self.files.retain(|trusted| *trusted != file);
        if self.files.len() != before {
            self.write()?;
        }
        Ok(self.files.len() != before)
    }

    /// The trusted file behind a configuration that was found, and not named. Only that one may be read: a link in a
    /// cloned repository can lead to a trusted file, while the paths in it would be those of the repository.
    ///
    /// # Errors
    /// It may not be used, and why.
    pub(crate) fn resolve(&self, found: PathBuf) -> Result<PathBuf, Failure> {
        let file = canonical(&found)?;
        check_owner(&file)?;
        match self.files.contains(&file) {
            true => Ok(file),
            false => Err(Failure::plain(format!(
                "{} is not trusted: a configuration can start programs and read secrets",
                shown(&file)
            ))
            .help(format!(
                "look at it, then type `tollgate trust {}`; or name it with --config",
                shown(&file)
            ))),
        }
    }

    fn write(&self) -> Result<(), Failure> {
        if let Some(dir) = self.list.parent() {
            private_dir(dir)?;
        }
        let mut text = String::new();
        for file in &self.files {
            let Some(file) = file.to_str().filter(|file| !file.contains('\n')) else {
                return Err(Failure::plain(format!(
                    "{}: a path that is not one line of UTF-8 cannot be trusted",
                    file.display()
                ))
                .help("name the file with --config instead"));
            };
            text.push_str(file);
            text.push('\n');
        }
        files::replace(&self.list, text.as_bytes())
            .map_err(|e| Failure::plain(format!("{}: {e}", self.list.display())))
    }
}

/// The trusted file behind a configuration that was found, and not named; see [`TrustedFiles::resolve`].
///
/// # Errors
/// It may not be used, and why.
pub(crate) fn resolve(found: PathBuf) -> Result<PathBuf, Failure> {
    TrustedFiles::read()?.resolve(found)
}

fn canonical(file: &Path) -> Result<PathBuf, Failure> {
    fs::canonicalize(file).map_err(|e| Failure::plain(format!("{}: {e}", shown(file))))
}

/// Checks that only this user and root can write or replace the file, or a directory above it: who can rename one of
/// those can put another of this user's directories in its place.
fn check_owner(file: &Path) -> Result<(), Failure> {
    for path in file.ancestors() {
        let found =
            fs::metadata(path).map_err(|e| Failure::plain(format!("{}: {e}", shown(path))))?;
        let own = Uid::effective().as_raw();
        let problem = match (found.uid(), found.mode()) {
            (owner, _) if owner != own && owner != 0 => Some(format!("belongs to {}", name(owner))),
            (_, mode) if mode & 0o002 != 0 && !(found.is_dir() && mode & STICKY != 0) => {
                Some("can be written by everybody".to_owned())
            }
            (_, mode) if mode & 0o020 != 0 && !is_private_group(found.gid()) => {
                Some("can be written by its group".to_owned())
            }
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(Failure::plain(format!(
                "{} {problem}, and a configuration can start programs and read secrets",
                shown(path)
            ))
            .help(format!(
                "to use it anyway, name it: --config {}",
                shown(file)
            )));
        }
    }
    Ok(())
}

/// Whether the group is the user's private group.
fn is_private_group(gid: u32) -> bool {
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    let user = User::from_uid(Uid::effective()).ok().flatten();
    match (group, user) {
        (Some(group), Some(user)) => {
            group.name == user.name && group.mem.iter().all(|member| *member == user.name)
        }
        _ => false,
    }
}

fn name(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| format!("user {uid}"), |user| format!("`{}`", user.name))
}

#[cfg(test)]
mod tests;
