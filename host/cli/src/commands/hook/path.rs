//! Resolves paths: absolute, without `.`, `..`, doubled separators and links, so that one rule of a policy
//! covers every spelling of a file.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use crate::error::Failure;

/// Resolves `path`, relative to `cwd`. Of a path that does not exist, the existing part is resolved.
///
/// # Errors
/// A dangling link, whose target could be created; or a relative path without `cwd`.
pub(super) fn resolve(path: &str, cwd: Option<&str>) -> Result<String, Failure> {
    let unknown = |why: String| Failure::plain(format!("the path `{}`: {why}", shown(path)));
    if is_of_windows(path) {
        return Err(unknown(
            "it is one of Windows, which this system cannot resolve".into(),
        ));
    }
    let whole = match cwd {
        _ if Path::new(path).is_absolute() => PathBuf::from(path),
        Some(cwd) if Path::new(cwd).is_absolute() => Path::new(cwd).join(path),
        _ => {
            return Err(unknown(
                "it is relative, and there is no working directory".into(),
            ));
        }
    };
    let mut resolved = PathBuf::from("/");
    for component in whole.components() {
        match component {
            Component::Normal(name) => {
                resolved.push(name);
                match fs::canonicalize(&resolved) {
                    Ok(real) => resolved = real,
                    Err(error) if is_link(&resolved) => {
                        return Err(unknown(format!("a link in it cannot be followed: {error}")));
                    }
                    // It does not exist yet, or this user may not read it.
                    Err(error) if is_absence(&error) => {}
                    Err(error) => return Err(unknown(error.to_string())),
                }
            }
            Component::ParentDir => drop(resolved.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    resolved
        .into_os_string()
        .into_string()
        .map_err(|_| unknown("it leads to a name that is not UTF-8".into()))
}

/// Whether a program that is given `path` itself may open another file than `resolved`: a link in it can lead
/// elsewhere by then, and many programs expand `~`. Links above the working directory are the session's.
pub(super) fn is_detour(path: &str, cwd: Option<&str>, resolved: &str) -> bool {
    let base = cwd.and_then(|cwd| Some((cwd, fs::canonicalize(cwd).ok()?)));
    let whole = match base {
        Some((cwd, real)) => match Path::new(path).strip_prefix(cwd) {
            Ok(below) => real.join(below),
            Err(_) => real.join(path),
        },
        None => PathBuf::from(path),
    };
    let mut walked = PathBuf::from("/");
    for component in whole.components() {
        match component {
            Component::Normal(name) => {
                walked.push(name);
                if is_link(&walked) {
                    return true;
                }
            }
            Component::ParentDir => drop(walked.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    path.starts_with('~') || walked != Path::new(resolved)
}

/// Whether it begins with a drive or a server, as paths of Windows do.
fn is_of_windows(path: &str) -> bool {
    let mut chars = path.chars();
    let drive = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.next() == Some(':')
        && matches!(chars.next(), Some('\\' | '/'));
    drive || path.starts_with("\\\\")
}

fn shown(path: &str) -> String {
    tollgate::text::printable(path, 200)
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests;
