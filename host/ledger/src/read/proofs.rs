//! Proofs over the records of a store.

use rusqlite::Connection;
use tollgate_model::merkle::{
    Tree,
    proof::{Hash, Subtrees, prove_consistency, prove_inclusion},
};

use super::LedgerReader;
use crate::{
    LedgerError,
    checkpoint::{Checkpoint, LogProof, NoteSigner},
    error::ReadError,
    sqlite::to_sql_i64,
};

/// Subtrees over the stored leaf hashes. Each is computed from its leaves, so a proof reads every hash once.
struct StoredHashes<'a>(&'a Connection);

impl Subtrees for StoredHashes<'_> {
    type Error = ReadError;

    fn subtree(&mut self, level: u32, index: u64) -> Result<Hash, ReadError> {
        let (first, end) = (index << level, (index + 1) << level);
        let tree = tree(self.0, first, end)?;
        if tree.size() == end - first {
            Ok(tree.root())
        } else {
            let reason = format!("records between {first} and {end} are missing");
            Err(ReadError::Damaged(reason))
        }
    }
}

/// The tree over the records from `first` to before `end`.
fn tree(conn: &Connection, first: u64, end: u64) -> Result<Tree, ReadError> {
    let mut select =
        conn.prepare_cached("SELECT hash FROM records WHERE idx >= ?1 AND idx < ?2 ORDER BY idx")?;
    let mut rows = select.query([to_sql_i64(first), to_sql_i64(end)])?;
    let mut tree = Tree::default();
    while let Some(row) = rows.next()? {
        tree.push(row.get(0)?);
    }
    Ok(tree)
}

impl LedgerReader {
    /// A signed checkpoint of all records.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn checkpoint(&self, signer: &NoteSigner) -> Result<String, LedgerError> {
        self.with(|conn| {
            let tree = tree(conn, 0, u64::MAX)?;
            Ok(Checkpoint::sign(tree.size(), &tree.root(), signer))
        })
    }

    /// The record at `index` with a proof that it is in the log of a checkpoint that `signer` signs.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] if there is no such record, or [`LedgerError`] if the store cannot be read.
    pub fn prove(&self, index: u64, signer: &NoteSigner) -> Result<LogProof, LedgerError> {
        self.snapshot(|conn| {
            let tree = tree(conn, 0, u64::MAX)?;
            let Some(leaf) = super::records::leaf(conn, index)? else {
                return Err(ReadError::Ledger(LedgerError::NotFound {
                    what: "record",
                    id: index.to_string(),
                }));
            };
            Ok(LogProof {
                index,
                leaf,
                hashes: prove_inclusion(&mut StoredHashes(conn), index, tree.size())?,
                checkpoint: Checkpoint::sign(tree.size(), &tree.root(), signer),
            })
        })
    }

    /// Hashes that prove that the log of `new` records continues that of `old` records (RFC 6962, section 2.1.2).
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read or has fewer records.
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, LedgerError> {
        self.snapshot(|conn| prove_consistency(&mut StoredHashes(conn), old, new))
    }
}
