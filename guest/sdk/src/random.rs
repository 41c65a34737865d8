//! Random bytes from the operating system, suitable for keys and tokens: `random::array::<16>()?`.
//!
//! Tests make them repeatable with [`testing::seed`](crate::testing::seed).

use core::fmt::{self, Display, Formatter};

use crate::bindings::tollgate::adapter::random as wit;
#[cfg(not(target_family = "wasm"))]
use crate::testing::random as host;
#[cfg(target_family = "wasm")]
use wit as host;

/// The most bytes at once.
pub const MAX_BYTES: u32 = 64 << 10;

/// Why there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// More than [`MAX_BYTES`] at once.
    TooMany,
    /// This call has requested too much, or the operating system has none.
    Unavailable,
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "more than 64 KiB of randomness at once",
            Self::Unavailable => "the host has no randomness to give",
        })
    }
}

impl core::error::Error for Error {}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        match error {
            wit::Error::TooMany => Self::TooMany,
            wit::Error::Unavailable => Self::Unavailable,
        }
    }
}

/// As many random bytes as asked for, at most [`MAX_BYTES`].
///
/// # Errors
/// If there are none.
pub fn bytes(count: u32) -> Result<Vec<u8>, Error> {
    Ok(host::bytes(count)?)
}

/// An array of random bytes.
///
/// # Errors
/// If there are none.
pub fn array<const N: usize>() -> Result<[u8; N], Error> {
    let count = u32::try_from(N).map_err(|_| Error::TooMany)?;
    let bytes = bytes(count)?;
    <[u8; N]>::try_from(bytes).map_err(|_| Error::Unavailable)
}
