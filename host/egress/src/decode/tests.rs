use std::io::Write as _;

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

fn decoded(coding: &str, bytes: &[u8], chunk: usize, max: usize) -> Result<Vec<u8>, EgressError> {
    let mut body = CodedBody::new(Some(coding), max)?;
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
            matches!(
                decoded(coding, &bytes, 4096, 1 << 20),
                Err(EgressError::TooLarge)
            ),
            "{name}"
        );
    }
    assert!(matches!(
        decoded("identity", &zeros, 4096, 1 << 20),
        Err(EgressError::TooLarge)
    ));
}

#[test]
fn what_means_nothing_for_ever_ends_too() {
    let empty = coded("gzip", b"");
    let endless: Vec<u8> = empty.iter().copied().cycle().take(100_000).collect();
    assert!(matches!(
        decoded("gzip", &endless, 4096, 50_000),
        Err(EgressError::TooLarge)
    ));
}

#[test]
fn what_is_cut_short_or_something_else_is_refused() {
    for (name, coding) in [("gzip", "gzip"), ("zstd", "zstd")] {
        let bytes = coded(name, TEXT);
        let half = &bytes[..bytes.len() / 2];
        assert!(
            matches!(
                decoded(coding, half, 5, 1_000),
                Err(EgressError::Malformed(_))
            ),
            "{name}"
        );
    }
    for coding in ["gzip", "zstd", "br"] {
        assert!(
            matches!(
                decoded(coding, b"plain text, no code", 5, 1_000),
                Err(EgressError::Malformed(_))
            ),
            "{coding}"
        );
    }
    assert!(matches!(
        decoded("gzip, gzip", b"", 5, 1_000),
        Err(EgressError::Malformed(_))
    ));
    assert!(matches!(
        decoded("compress", b"", 5, 1_000),
        Err(EgressError::Malformed(_))
    ));
    assert_eq!(decoded("gzip", b"", 5, 1_000).unwrap(), b"");
}
