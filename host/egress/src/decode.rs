//! Decodes a body, with limits on both sides.
//!
//! Input is buffered up to the limit, then decoded in steps, and every output byte is counted: a
//! decompression bomb ends at the limit. Each step consumes input or is the last, so a malformed stream
//! ends as well.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::EgressError;

/// The largest window of a `zstd` stream: 8 MiB (RFC 9659).
const ZSTD_WINDOW_LOG: u32 = 23;
/// Bytes that are decoded in one step.
const STEP: usize = 16 << 10;

/// The supported content codings, as the request lists them.
pub const ACCEPTED: &str = "gzip, deflate, br, zstd";

/// A body that is being received.
pub(crate) struct CodedBody {
    coding: ContentCoding,
    received: Vec<u8>,
    max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContentCoding {
    Identity,
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl CodedBody {
    /// For a body with this content coding, of at most `max` bytes.
    pub(crate) fn new(coding: Option<&str>, max: usize) -> Result<Self, EgressError> {
        let coding = match coding.unwrap_or("").trim().to_ascii_lowercase().as_str() {
            "" | "identity" => ContentCoding::Identity,
            "gzip" | "x-gzip" => ContentCoding::Gzip,
            "deflate" => ContentCoding::Deflate,
            "br" => ContentCoding::Brotli,
            "zstd" => ContentCoding::Zstd,
            _ => {
                let how = "its body has an unsupported content coding";
                return Err(EgressError::Malformed(how.into()));
            }
        };
        Ok(Self {
            coding,
            received: Vec::new(),
            max,
        })
    }

    /// Adds the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), EgressError> {
        if self.received.len().saturating_add(bytes.len()) > self.max {
            return Err(EgressError::TooLarge);
        }
        self.received.extend_from_slice(bytes);
        Ok(())
    }

    /// Whether decoding may take long enough to need a blocking thread.
    pub(crate) fn needs_decoding(&self) -> bool {
        self.coding != ContentCoding::Identity
    }

    /// The whole body.
    pub(crate) fn finish(self) -> Result<Vec<u8>, EgressError> {
        let coded = self.received.as_slice();
        if coded.is_empty() {
            return Ok(Vec::new());
        }
        match self.coding {
            ContentCoding::Identity => Ok(self.received),
            ContentCoding::Gzip => bounded(MultiGzDecoder::new(coded), self.max),
            // Servers call two formats `deflate`. RFC 1950, section 2.2, tells them apart: the method is 8,
            // and the first two bytes are a multiple of 31.
            ContentCoding::Deflate => match coded {
                [a, b, ..] if a & 0x0f == 8 && (u16::from(*a) << 8 | u16::from(*b)) % 31 == 0 => {
                    bounded(ZlibDecoder::new(coded), self.max)
                }
                _ => bounded(DeflateDecoder::new(coded), self.max),
            },
            // Refuse windows of up to a gigabyte, which are not in RFC 7932: section 9.1 leaves these bits
            // unused.
            ContentCoding::Brotli if coded.first().is_some_and(|first| first & 0x7f == 0x11) => {
                Err(broken())
            }
            ContentCoding::Brotli => bounded(
                brotli_decompressor::Decompressor::new(coded, STEP),
                self.max,
            ),
            ContentCoding::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(coded).map_err(|_| broken())?;
                decoder
                    .window_log_max(ZSTD_WINDOW_LOG)
                    .map_err(|_| broken())?;
                bounded(decoder, self.max)
            }
        }
    }
}

/// The output of a decoder, up to `max` bytes.
fn bounded(mut decoder: impl Read, max: usize) -> Result<Vec<u8>, EgressError> {
    let mut whole = Vec::new();
    let mut step = vec![0; STEP];
    loop {
        let read = decoder.read(&mut step).map_err(|_| broken())?;
        if read == 0 {
            return Ok(whole);
        }
        if whole.len().saturating_add(read) > max {
            return Err(EgressError::TooLarge);
        }
        whole.extend_from_slice(step.get(..read).unwrap_or_default());
    }
}

fn broken() -> EgressError {
    EgressError::Malformed("its body does not have the content coding that its header names".into())
}

#[cfg(test)]
mod tests;
