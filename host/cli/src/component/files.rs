//! File names and writes of builds.

use std::{fs, io, path::Path};

use crate::component::BuildError;

/// Whether this can be a component's file name.
pub(super) fn is_file_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=64).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(legal)
}

/// Writes the component unless the file has the same bytes. Returns whether it was written.
pub(super) fn write(path: &Path, component: &[u8]) -> Result<bool, BuildError> {
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    if let Some(parent) = parent {
        fs::create_dir_all(parent).map_err(|e| error("create", parent, e))?;
    }
    crate::files::replace_if_changed(path, component).map_err(|e| error("write", path, e))
}

pub(super) fn error(verb: &'static str, path: &Path, cause: io::Error) -> BuildError {
    BuildError::File {
        verb,
        path: path.to_owned(),
        error: cause,
    }
}
