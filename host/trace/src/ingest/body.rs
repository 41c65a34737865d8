//! Decompression of bodies, within limits.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

/// The largest body as sent, in bytes.
pub const MAX_BODY: usize = 16 << 20;
/// The largest message after decompression, in bytes.
pub const MAX_MESSAGE: usize = 64 << 20;

/// The compression of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// None.
    Identity,
    /// RFC 1952.
    Gzip,
}

impl Encoding {
    /// The encoding of a `Content-Encoding`; `None` if it is not supported.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            _ => None,
        }
    }
}

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// It is larger than the limit.
    #[error("unpacked, a message has at most {MAX_MESSAGE} bytes; send less at once")]
    TooLarge,
    /// It does not have the form of `Content-Encoding`.
    #[error("the body is not gzip, or is truncated")]
    Damaged,
}

/// The decompressed body.
///
/// # Errors
/// [`BodyError`].
pub fn plain(body: &[u8], encoding: Encoding) -> Result<std::borrow::Cow<'_, [u8]>, BodyError> {
    match encoding {
        Encoding::Identity => Ok(body.into()),
        Encoding::Gzip => {
            let mut unpacked = Vec::with_capacity(body.len().saturating_mul(4).min(MAX_MESSAGE));
            let mut limited = MultiGzDecoder::new(body).take(MAX_MESSAGE as u64 + 1);
            limited
                .read_to_end(&mut unpacked)
                .map_err(|_| BodyError::Damaged)?;
            match unpacked.len() > MAX_MESSAGE {
                true => Err(BodyError::TooLarge),
                false => Ok(unpacked.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
