//! Small values that outlive a call: for the run, or for the adapter itself.
//!
//! ```
//! use tollgate_guest::{ToolError, state::{self, Scope}};
//!
//! /// The next ticket number, which no two calls get.
//! fn next_number() -> Result<u64, ToolError> {
//!     loop {
//!         let last = state::get(Scope::Adapter, "last")?;
//!         let text = last.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
//!         let next = text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) + 1;
//!         if state::compare_and_set(Scope::Adapter, "last", last.as_deref(), next.to_string())? {
//!             return Ok(next);
//!         }
//!     }
//! }
//! # assert_eq!((next_number().unwrap(), next_number().unwrap()), (1, 2));
//! ```
//!
//! Policy decides each operation, so any of them may be refused: pass the error on with `?`, and the agent
//! reads the host's reason.

use core::fmt::{self, Display, Formatter};

use crate::bindings::tollgate::adapter::state as wit;
#[cfg(not(target_family = "wasm"))]
use crate::testing::state as host;
#[cfg(target_family = "wasm")]
use wit as host;

pub use wit::{Error as ErrorKind, Scope};

/// The most bytes of a value.
pub const MAX_VALUE: usize = 64 << 10;

/// Why an operation failed, and on which key. Nothing was changed unless the kind is `Failed`.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    operation: &'static str,
    key: String,
    kind: ErrorKind,
}

impl Error {
    /// The kind of failure, for code that handles some of them.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            key,
            kind,
        } = self;
        write!(f, "cannot {operation} `{key}`: ")?;
        match kind {
            ErrorKind::InvalidKey(how) => write!(f, "not a valid key: {how}"),
            ErrorKind::TooLarge => f.write_str("the value has more than 64 KiB"),
            ErrorKind::Full => f.write_str("there is no room for it; delete what is not needed"),
            ErrorKind::Denied(denial) => {
                write!(f, "{} (decision {})", denial.reason, denial.decision)
            }
            ErrorKind::Failed(how) => f.write_str(how),
        }
    }
}

impl core::error::Error for Error {}

/// The value of a key, if there is one.
///
/// # Errors
/// If it may not be read.
pub fn get(scope: Scope, key: &str) -> Result<Option<Vec<u8>>, Error> {
    host::get(scope, key).map_err(on("get", key))
}

/// Sets the value of a key.
///
/// # Errors
/// If it may not be written, or a limit is reached.
pub fn set(scope: Scope, key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
    host::set(scope, key, value.as_ref()).map_err(on("set", key))
}

/// Removes a key. Returns whether it existed.
///
/// # Errors
/// If it may not be removed.
pub fn delete(scope: Scope, key: &str) -> Result<bool, Error> {
    host::delete(scope, key).map_err(on("delete", key))
}

/// The keys that begin with `prefix`, sorted by their bytes.
///
/// # Errors
/// If they may not be listed.
pub fn list_keys(scope: Scope, prefix: &str) -> Result<Vec<String>, Error> {
    host::list_keys(scope, prefix).map_err(on("list", prefix))
}

/// Sets the value of a key if it is still `expected`; `None` means that the key must not exist. Returns
/// whether it was set. Of several concurrent calls, one succeeds.
///
/// # Errors
/// If it may not be read or written, or a limit is reached.
pub fn compare_and_set(
    scope: Scope,
    key: &str,
    expected: Option<&[u8]>,
    value: impl AsRef<[u8]>,
) -> Result<bool, Error> {
    host::compare_and_set(scope, key, expected, value.as_ref()).map_err(on("set", key))
}

fn on(operation: &'static str, key: &str) -> impl FnOnce(ErrorKind) -> Error {
    move |kind| Error {
        operation,
        key: key.to_owned(),
        kind,
    }
}

#[cfg(test)]
mod tests;
