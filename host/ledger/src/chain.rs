//! The hash chain that fixes each record's position.

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use crate::sqlite::to_sql_i64;

/// The chain value of a record; zeros before the first.
pub(crate) type Chain = [u8; 16];

/// The chain value of a record, from that of the previous record.
pub(crate) fn next_chain(before: &Chain, hash: &[u8; 32]) -> Chain {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(before)
        .chain_update(hash)
        .finalize()
        .into();
    let mut chain = Chain::default();
    chain.iter_mut().zip(digest).for_each(|(c, d)| *c = d);
    chain
}

/// The hash of the last of `size` records; zeros for none.
pub(crate) fn last_hash(conn: &Connection, size: u64) -> Option<[u8; 32]> {
    match size.checked_sub(1) {
        None => Some([0; 32]),
        Some(last) => conn
            .query_row(
                "SELECT hash FROM records WHERE idx = ?1",
                [to_sql_i64(last)],
                |row| row.get(0),
            )
            .ok(),
    }
}
