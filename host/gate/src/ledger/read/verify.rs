//! Whether the ledger is what was written.

use std::collections::HashMap;

use rusqlite::params;
use tollgate_core::{
    ids::RunId,
    merkle::Tree,
    record::{Record, leaf_hash},
};

use super::{LedgerError, LedgerReader};
use crate::ledger::runs::{int, nat};

/// Records are checked this many at a time.
const PAGE: u64 = 1024;

/// What a verification found to be whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Records.
    pub size: u64,
    /// The root of the tree of their hashes (RFC 6962, section 2.1).
    pub root: [u8; 32],
}

impl LedgerReader {
    /// Compute every record's hash again, and see that none is missing and that each names the one
    /// before it of its run. `progress` is told how many are done.
    ///
    /// # Errors
    /// [`LedgerError::Altered`] names the first record that is not what was written.
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> Result<Verified, LedgerError> {
        let altered = |index, reason: &str| LedgerError::Altered {
            path: self.shown(),
            index,
            reason: reason.to_owned(),
        };
        let mut tree = Tree::default();
        let mut heads: HashMap<RunId, u64> = HashMap::new();
        loop {
            let next = tree.size();
            let page = self.with(|conn| {
                let mut select = conn.prepare_cached(
                    "SELECT idx, leaf, hash, prev FROM records WHERE idx >= ?1 ORDER BY idx LIMIT ?2",
                )?;
                let rows = select.query_map(params![int(next), int(PAGE)], |row| {
                    let prev: Option<i64> = row.get(3)?;
                    Ok((nat(row.get(0)?), row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?, prev.map(nat)))
                })?;
                Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
            })?;
            if page.is_empty() {
                return Ok(Verified { size: tree.size(), root: tree.root() });
            }
            for (index, leaf, hash, prev) in page {
                let expected = tree.size();
                if index != expected {
                    return Err(altered(expected, "it is missing"));
                }
                if leaf_hash(&leaf).as_slice() != hash {
                    return Err(altered(index, "its bytes do not have its hash"));
                }
                let record: Record = serde_json::from_slice(&leaf)
                    .map_err(|_| altered(index, "its bytes are no record"))?;
                let before = record.run.and_then(|run| heads.insert(run, index));
                if prev != before {
                    return Err(altered(index, "it names the wrong record as the one before it in its run"));
                }
                tree.push(leaf_hash(&leaf));
            }
            progress(tree.size());
        }
    }
}
