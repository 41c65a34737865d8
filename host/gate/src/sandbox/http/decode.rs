//! A body as it was before the server coded it, bounded on both sides.
//!
//! Every byte that comes out is counted as it comes out, so a small body that stands for a huge one ends
//! where the limit is; every byte that goes in is counted too, because a coded stream can go on for ever
//! and mean nothing.

use std::io::{self, Write};

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::Fault;

/// The largest window that a `zstd` stream may ask for: 8 MiB, as RFC 9659 has it.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Bytes that are handed to a decoder at once.
const STEP: usize = 4 << 10;

/// Takes a body apart as it arrives.
pub(super) struct Body {
    decoder: Decoder,
    /// Coded bytes so far.
    received: usize,
    max: usize,
}

enum Decoder {
    Identity(Sink),
    Gzip(Box<MultiGzDecoder<Sink>>),
    /// Until the first bytes tell which of the two formats it is that servers call `deflate`.
    Deflate(Vec<u8>, Sink),
    Zlib(Box<ZlibDecoder<Sink>>),
    Raw(Box<DeflateDecoder<Sink>>),
    Brotli(Box<brotli_decompressor::DecompressorWriter<Sink>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Sink>>),
}

/// The names of codings that are understood, as the request offers them.
pub(super) const ACCEPTED: &str = "gzip, deflate, br, zstd";

impl Body {
    /// For a body that is coded as `coding` says, of at most `max` bytes.
    pub(super) fn new(coding: Option<&str>, max: usize) -> Result<Self, Fault> {
        let sink = Sink {
            bytes: Vec::new(),
            max,
            over: false,
        };
        let coding = coding.unwrap_or("").trim().to_ascii_lowercase();
        let decoder = match coding.as_str() {
            "" | "identity" => Decoder::Identity(sink),
            "gzip" | "x-gzip" => Decoder::Gzip(Box::new(MultiGzDecoder::new(sink))),
            "deflate" => Decoder::Deflate(Vec::new(), sink),
            "br" => Decoder::Brotli(Box::new(brotli_decompressor::DecompressorWriter::new(
                sink, STEP,
            ))),
            "zstd" => {
                let mut decoder = zstd::stream::write::Decoder::new(sink).map_err(|_| broken())?;
                decoder
                    .window_log_max(ZSTD_WINDOW_LOG)
                    .map_err(|_| broken())?;
                Decoder::Zstd(Box::new(decoder))
            }
            _ => {
                return Err(Fault::Malformed(
                    "its body is coded in a way that is not decoded here".into(),
                ));
            }
        };
        Ok(Self {
            decoder,
            received: 0,
            max,
        })
    }

    /// Take in the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.received = self.received.saturating_add(bytes.len());
        if self.received > self.max {
            return Err(Fault::TooLarge);
        }
        for step in bytes.chunks(STEP) {
            self.write(step).map_err(|_| self.fault())?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.decoder {
            Decoder::Identity(sink) => sink.write_all(bytes),
            Decoder::Gzip(decoder) => decoder.write_all(bytes),
            Decoder::Zlib(decoder) => decoder.write_all(bytes),
            Decoder::Raw(decoder) => decoder.write_all(bytes),
            Decoder::Brotli(decoder) => decoder.write_all(bytes),
            Decoder::Zstd(decoder) => decoder.write_all(bytes),
            Decoder::Deflate(begun, sink) => {
                begun.extend_from_slice(bytes);
                let [first, second, ..] = begun.as_slice() else {
                    return Ok(());
                };
                let (begun, sink) = (begun.clone(), sink.take());
                // RFC 1950, section 2.2: the method is 8, and the two bytes are a multiple of 31.
                let zlib =
                    first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0;
                self.decoder = if zlib {
                    Decoder::Zlib(Box::new(ZlibDecoder::new(sink)))
                } else {
                    Decoder::Raw(Box::new(DeflateDecoder::new(sink)))
                };
                self.write(&begun)
            }
        }
    }

    fn sink(&self) -> &Sink {
        match &self.decoder {
            Decoder::Identity(sink) | Decoder::Deflate(_, sink) => sink,
            Decoder::Gzip(decoder) => decoder.get_ref(),
            Decoder::Zlib(decoder) => decoder.get_ref(),
            Decoder::Raw(decoder) => decoder.get_ref(),
            Decoder::Brotli(decoder) => decoder.get_ref(),
            Decoder::Zstd(decoder) => decoder.get_ref(),
        }
    }

    /// Why a decoder stopped.
    fn fault(&self) -> Fault {
        if self.sink().over {
            Fault::TooLarge
        } else {
            broken()
        }
    }

    /// The whole body.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, Fault> {
        if self.received == 0 {
            return Ok(Vec::new());
        }
        let ended = match &mut self.decoder {
            Decoder::Identity(_) => Ok(()),
            Decoder::Deflate(..) => Err(io::ErrorKind::UnexpectedEof.into()),
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Zlib(decoder) => decoder
                .try_finish()
                .and_then(|()| ended(decoder.write(&[0]))),
            Decoder::Raw(decoder) => decoder
                .try_finish()
                .and_then(|()| ended(decoder.write(&[0]))),
            Decoder::Brotli(decoder) => decoder.close(),
            Decoder::Zstd(decoder) => decoder.do_finish(),
        };
        ended.map_err(|_| self.fault())?;
        match self.decoder {
            Decoder::Identity(sink) => Ok(sink.bytes),
            Decoder::Gzip(mut decoder) => Ok(decoder.get_mut().take().bytes),
            Decoder::Zlib(mut decoder) => Ok(decoder.get_mut().take().bytes),
            Decoder::Raw(mut decoder) => Ok(decoder.get_mut().take().bytes),
            Decoder::Brotli(mut decoder) => Ok(decoder.get_mut().take().bytes),
            Decoder::Zstd(mut decoder) => Ok(decoder.get_mut().take().bytes),
            Decoder::Deflate(..) => Err(broken()),
        }
    }
}

/// Whether a stream is whole: then a decoder takes no more.
fn ended(taken: io::Result<usize>) -> io::Result<()> {
    match taken {
        Ok(0) => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn broken() -> Fault {
    Fault::Malformed("its body is not coded as its header says".into())
}

/// Bytes up to a limit.
struct Sink {
    bytes: Vec<u8>,
    max: usize,
    over: bool,
}

impl Sink {
    fn take(&mut self) -> Self {
        Self {
            bytes: std::mem::take(&mut self.bytes),
            ..*self
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > self.max {
            self.over = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    const TEXT: &[u8] = b"The quick brown fox jumps over the lazy dog, again and again and again.";

    fn coded(coding: &str, text: &[u8]) -> Vec<u8> {
        let level = Compression::best();
        match coding {
            "gzip" => {
                let mut encoder = GzEncoder::new(Vec::new(), level);
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "zlib" => {
                let mut encoder = ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "raw" => {
                let mut encoder = DeflateEncoder::new(Vec::new(), level);
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "zstd" => zstd::encode_all(text, 3).unwrap(),
            _ => text.to_vec(),
        }
    }

    fn decoded(coding: &str, bytes: &[u8], chunk: usize, max: usize) -> Result<Vec<u8>, Fault> {
        let mut body = Body::new(Some(coding), max)?;
        for chunk in bytes.chunks(chunk) {
            body.push(chunk)?;
        }
        body.finish()
    }

    #[test]
    fn bodies_are_decoded_however_they_are_cut() {
        for (name, coding) in [
            ("identity", "identity"),
            ("gzip", "gzip"),
            ("zlib", "deflate"),
            ("raw", "deflate"),
            ("zstd", "zstd"),
        ] {
            let bytes = coded(name, TEXT);
            for chunk in [1, 7, 10_000] {
                assert_eq!(
                    decoded(coding, &bytes, chunk, 1_000).unwrap(),
                    TEXT,
                    "{name} by {chunk}"
                );
            }
        }
        // `hello` in brotli: one uncompressed block.
        let brotli = [0x0b, 0x02, 0x80, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x03];
        assert_eq!(decoded("br", &brotli, 2, 1_000).unwrap(), b"hello");
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        let zeros = vec![0; 64 << 20];
        for (name, coding) in [
            ("gzip", "gzip"),
            ("zlib", "deflate"),
            ("raw", "deflate"),
            ("zstd", "zstd"),
        ] {
            let bytes = coded(name, &zeros);
            assert!(bytes.len() < 1 << 20, "{name}");
            assert!(
                matches!(decoded(coding, &bytes, 4096, 1 << 20), Err(Fault::TooLarge)),
                "{name}"
            );
        }
        assert!(matches!(
            decoded("identity", &zeros, 4096, 1 << 20),
            Err(Fault::TooLarge)
        ));
    }

    #[test]
    fn what_means_nothing_for_ever_ends_too() {
        let empty = coded("gzip", b"");
        let endless: Vec<u8> = empty.iter().copied().cycle().take(100_000).collect();
        assert!(matches!(
            decoded("gzip", &endless, 4096, 50_000),
            Err(Fault::TooLarge)
        ));
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_refused() {
        for (name, coding) in [("gzip", "gzip"), ("zlib", "deflate"), ("zstd", "zstd")] {
            let bytes = coded(name, TEXT);
            let half = &bytes[..bytes.len() / 2];
            assert!(
                matches!(decoded(coding, half, 5, 1_000), Err(Fault::Malformed(_))),
                "{name}"
            );
        }
        for coding in ["gzip", "zstd", "br"] {
            assert!(
                matches!(
                    decoded(coding, b"plain text, no code", 5, 1_000),
                    Err(Fault::Malformed(_))
                ),
                "{coding}"
            );
        }
        assert!(matches!(
            decoded("gzip, gzip", b"", 5, 1_000),
            Err(Fault::Malformed(_))
        ));
        assert!(matches!(
            decoded("compress", b"", 5, 1_000),
            Err(Fault::Malformed(_))
        ));
        assert_eq!(decoded("gzip", b"", 5, 1_000).unwrap(), b"");
    }
}
