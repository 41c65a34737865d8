use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use super::*;

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_bomb_is_not_unpacked() {
    let bomb = packed(&vec![0; MAX_MESSAGE + 1]);
    assert!(bomb.len() < MAX_MESSAGE / 100);
    assert_eq!(plain(&bomb, Encoding::Gzip), Err(BodyError::TooLarge));
}

#[test]
fn what_breaks_off_is_not_read() {
    let whole = packed(b"spans and spans and spans");
    assert_eq!(
        plain(&whole, Encoding::Gzip).unwrap().as_ref(),
        b"spans and spans and spans"
    );
    for bytes in [&whole[..whole.len() - 4], &whole[..5], b"no gzip"] {
        assert_eq!(plain(bytes, Encoding::Gzip), Err(BodyError::Damaged));
    }
}
