//! Whether the ledger is what was written.

use std::{collections::HashMap, path::Path};

use rusqlite::params;
use tollgate_model::{
    canonical::Sha256Digest,
    ids::RunId,
    merkle::Tree,
    record::{Record, leaf_hash},
};

use super::{LedgerError, LedgerReader};
use crate::{
    anchor::Anchor,
    cached_run::{int, nat},
    state::{Chain, chained},
};

/// Records are checked this many at a time.
const PAGE: u64 = 1024;

/// What a verification found to be whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Records.
    pub size: u64,
    /// The tree of their hashes; its root stands for all of them.
    pub tree: Tree,
}

/// A row of `records`.
struct Stored {
    index: u64,
    leaf: Vec<u8>,
    hash: Vec<u8>,
    chain: Vec<u8>,
    prev: Option<u64>,
}

impl LedgerReader {
    /// Compute every record's hash again, and see that none is missing, that each names the one before
    /// it of its run, and that all are those that the anchor beside `key` knows. `progress` is told how
    /// many are done.
    ///
    /// # Errors
    /// [`LedgerError::Altered`] names the first record that is not what was written,
    /// [`LedgerError::Rollback`] says that the whole is not what it was.
    pub fn verify(
        &self,
        key: Option<&Path>,
        mut progress: impl FnMut(u64),
    ) -> Result<Verified, LedgerError> {
        let anchor = key.map(|key| Anchor::beside(key, &[]));
        let anchored = match &anchor {
            Some(anchor) => anchor.read().map_err(|e| LedgerError::Store {
                path: anchor.path().display().to_string(),
                reason: e.to_string(),
            })?,
            None => None,
        };
        let rollback = |reason: String| LedgerError::Rollback {
            path: self.shown(),
            anchor: anchor
                .as_ref()
                .map(|a| a.path().display().to_string())
                .unwrap_or_default(),
            reason,
        };
        let altered = |index, reason: &str| LedgerError::Altered {
            path: self.shown(),
            index,
            reason: reason.to_owned(),
        };
        let (mut tree, mut chain) = (Tree::default(), Chain::default());
        let mut heads: HashMap<RunId, u64> = HashMap::new();
        loop {
            let next = tree.size();
            let page = self.with(|conn| {
                let mut select = conn.prepare_cached(
                    "SELECT idx, leaf, hash, prev, chain FROM records WHERE idx >= ?1 ORDER BY idx LIMIT ?2",
                )?;
                let rows = select.query_map(params![int(next), int(PAGE)], |row| {
                    let prev: Option<i64> = row.get(3)?;
                    let stored = Stored {
                        index: nat(row.get(0)?),
                        leaf: row.get(1)?,
                        hash: row.get(2)?,
                        chain: row.get(4)?,
                        prev: prev.map(nat),
                    };
                    Ok(stored)
                })?;
                Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
            })?;
            if page.is_empty() {
                return match anchored {
                    Some(anchored) if anchored.tree.size() > tree.size() => Err(rollback(format!(
                        "it has held {} records",
                        anchored.tree.size()
                    ))),
                    _ => self.verify_payloads().map(|()| Verified {
                        size: tree.size(),
                        tree,
                    }),
                };
            }
            for Stored {
                index,
                leaf,
                hash,
                chain: bound,
                prev,
            } in page
            {
                let expected = tree.size();
                if index != expected {
                    return Err(altered(expected, "it is missing"));
                }
                let computed = leaf_hash(&leaf);
                if computed.as_slice() != hash {
                    return Err(altered(index, "its bytes do not have its hash"));
                }
                chain = chained(&chain, &computed);
                if chain.as_slice() != bound {
                    return Err(altered(index, "it is not in its place"));
                }
                let record: Record = serde_json::from_slice(&leaf)
                    .map_err(|_| altered(index, "its bytes are no record"))?;
                let before = record.run.and_then(|run| heads.insert(run, index));
                if prev != before {
                    return Err(altered(
                        index,
                        "it names the wrong record as the one before it in its run",
                    ));
                }
                tree.push(computed);
                if anchored
                    .as_ref()
                    .is_some_and(|a| a.tree.size() == tree.size() && a.tree != tree)
                {
                    return Err(rollback(format!(
                        "its first {} records are not those that were there",
                        tree.size()
                    )));
                }
            }
            progress(tree.size());
        }
    }

    /// Whether the sealed payloads are those that their digests name. One may be absent, when it was
    /// kept long enough; the records hold its digest still.
    fn verify_payloads(&self) -> Result<(), LedgerError> {
        let mut after = -1_i64;
        loop {
            let page = self.with(|conn| {
                let mut select = conn.prepare_cached(
                    "SELECT id, digest, ciphertext FROM payloads WHERE id > ?1 ORDER BY id LIMIT ?2",
                )?;
                let rows = select.query_map(params![after, int(PAGE)], |row| {
                    let whole = Sha256Digest::of(row.get_ref(2)?.as_blob()?);
                    Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)? == whole.as_bytes()))
                })?;
                Ok(rows.collect::<rusqlite::Result<Vec<(i64, bool)>>>()?)
            })?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = *last;
            if let Some((id, _)) = page.iter().find(|(_, whole)| !whole) {
                return Err(LedgerError::Altered {
                    path: self.shown(),
                    index: nat(id >> 16),
                    reason: "a payload of its batch does not have its digest".into(),
                });
            }
        }
    }
}
