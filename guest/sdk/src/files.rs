//! Files within the directories that the operator granted to this component.
//!
//! A grant is a directory with a name; paths are relative to it, written with `/`, without `.` and `..`.
//! Writing creates missing parent directories. Policy decides each operation, so any of them may be
//! refused: pass the error on with `?`, and the agent reads the host's reason.

use core::fmt::{self, Display, Formatter};

use crate::bindings::tollgate::adapter::files as wit;
#[cfg(not(target_family = "wasm"))]
use crate::testing::files as host;
#[cfg(target_family = "wasm")]
use wit as host;

pub use crate::bindings::tollgate::adapter::types::Denial;
pub use wit::{Entry, Error as ErrorKind, Grant, Kind, Mode};

/// Why an operation failed, and on which path. Nothing was changed unless the kind is `Failed`.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    operation: &'static str,
    grant: String,
    path: String,
    kind: Box<ErrorKind>,
}

impl Error {
    /// The kind of failure, for code that handles some of them.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Nothing is there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(*self.kind, ErrorKind::NotFound)
    }

    /// Something is there already.
    #[must_use]
    pub fn is_exists(&self) -> bool {
        matches!(*self.kind, ErrorKind::Exists)
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            grant,
            path,
            kind,
        } = self;
        write!(f, "cannot {operation} `{path}` in `{grant}`: ")?;
        match &**kind {
            ErrorKind::NoSuchGrant => {
                f.write_str("no such grant; ")?;
                match grants().as_slice() {
                    [] => f.write_str("the operator granted this tool no directory"),
                    granted => {
                        f.write_str("there are")?;
                        granted
                            .iter()
                            .try_for_each(|grant| write!(f, " `{}`", grant.name))
                    }
                }
            }
            ErrorKind::ReadOnly => f.write_str("it was granted for reading only"),
            ErrorKind::InvalidPath(how) => write!(f, "not a valid path: {how}"),
            ErrorKind::NotFound => f.write_str("nothing is there"),
            ErrorKind::Exists => f.write_str("something is there already"),
            ErrorKind::WrongKind => {
                f.write_str("it is not a file where one is needed, or not a directory")
            }
            ErrorKind::NotEmpty => f.write_str("the directory is not empty"),
            ErrorKind::TooLarge => {
                f.write_str("the file is, or would become, larger than the host allows")
            }
            ErrorKind::Denied(denial) => {
                write!(f, "{} (decision {})", denial.reason, denial.decision)
            }
            ErrorKind::Failed(how) => f.write_str(how),
        }
    }
}

impl core::error::Error for Error {}

/// The grants of this component, by name.
#[must_use]
pub fn grants() -> Vec<Grant> {
    host::grants()
}

/// The whole content of a file.
///
/// # Errors
/// If there is none, or it may not be read.
pub fn read(grant: &str, path: &str) -> Result<Vec<u8>, Error> {
    host::read(grant, path).map_err(on("read", grant, path))
}

/// The whole content of a file of text.
///
/// # Errors
/// The errors of [`read`], and `Failed` if it is not UTF-8.
pub fn read_to_string(grant: &str, path: &str) -> Result<String, Error> {
    let not_text =
        |_| on("read", grant, path)(ErrorKind::Failed("it is not text in UTF-8".to_owned()));
    String::from_utf8(read(grant, path)?).map_err(not_text)
}

/// Replaces a file's content, or creates it. A reader sees the old content or the new, never a part.
///
/// # Errors
/// If it may not be written.
pub fn write(grant: &str, path: &str, data: impl AsRef<[u8]>) -> Result<(), Error> {
    host::write(grant, path, data.as_ref()).map_err(on("write", grant, path))
}

/// Like [`write()`], but fails with `Exists` if something exists at the path. Of several concurrent calls,
/// one succeeds.
///
/// # Errors
/// If something exists at the path, or it may not be written.
pub fn create(grant: &str, path: &str, data: impl AsRef<[u8]>) -> Result<(), Error> {
    host::create(grant, path, data.as_ref()).map_err(on("create", grant, path))
}

/// Adds to the end of a file, or creates it. Concurrent appends never interleave.
///
/// # Errors
/// If it may not be written.
pub fn append(grant: &str, path: &str, data: impl AsRef<[u8]>) -> Result<(), Error> {
    host::append(grant, path, data.as_ref()).map_err(on("append to", grant, path))
}

/// The entries of a directory, sorted by name; the empty path is the grant's own directory.
///
/// # Errors
/// If there is none, or it may not be listed.
pub fn list(grant: &str, path: &str) -> Result<Vec<Entry>, Error> {
    host::list(grant, path).map_err(on("list", grant, path))
}

/// The entry at a path, without reading it.
///
/// # Errors
/// If nothing exists at the path, or it may not be read.
pub fn stat(grant: &str, path: &str) -> Result<Entry, Error> {
    host::stat(grant, path).map_err(on("look at", grant, path))
}

/// Removes a file or an empty directory.
///
/// # Errors
/// If nothing exists at the path, it is not empty, or it may not be removed.
pub fn delete(grant: &str, path: &str) -> Result<(), Error> {
    host::delete(grant, path).map_err(on("delete", grant, path))
}

fn on(operation: &'static str, grant: &str, path: &str) -> impl FnOnce(ErrorKind) -> Error {
    move |kind| Error {
        operation,
        grant: grant.to_owned(),
        path: path.to_owned(),
        kind: Box::new(kind),
    }
}

#[cfg(test)]
mod tests;
