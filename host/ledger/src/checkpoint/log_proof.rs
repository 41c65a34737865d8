//! A proof that a record is in the log, which one person can give to another (c2sp.org/tlog-proof).

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tollgate_model::{
    merkle::proof::{self, Hash, MAX_PROOF, ProofError},
    record::leaf_hash,
};

use super::{Checkpoint, NoteError, NoteVerifier, decimal, hash};

const VERSION: &str = "c2sp.org/tlog-proof@v1";

/// Why a proof is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogProofError {
    /// It does not have the form of the specification.
    #[error("this is not a proof in the form of c2sp.org/tlog-proof: {0}")]
    Malformed(&'static str),
    /// Its checkpoint is not signed by the key.
    #[error("the proof's checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// Its hashes do not lead from the record to the checkpoint.
    #[error("the proof does not fit its record: {0}")]
    Proof(#[from] ProofError),
}

/// A record with the proof that the log of a checkpoint has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// The record's index.
    pub index: u64,
    /// The record's bytes. They are in the proof's `extra` line.
    pub leaf: Vec<u8>,
    /// Hashes from the record's neighbour up to the root's child.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

impl LogProof {
    /// Reads a proof. Nothing of it is checked yet.
    ///
    /// # Errors
    /// [`LogProofError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, LogProofError> {
        let malformed = LogProofError::Malformed;
        let (head, checkpoint) = text
            .split_once("\n\n")
            .ok_or(malformed("it has no checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(VERSION) {
            return Err(malformed("its first line is another"));
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
        let leaf = extra.and_then(|leaf| STANDARD.decode(leaf).ok());
        let leaf = leaf.ok_or(malformed("it does not hold a record"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index
            .and_then(decimal)
            .ok_or(malformed("it has no index"))?;
        let hashes = lines.map(hash).collect::<Option<Vec<_>>>();
        let hashes = hashes.filter(|hashes| hashes.len() <= MAX_PROOF);
        Ok(Self {
            index,
            leaf,
            hashes: hashes.ok_or(malformed("a line is not a hash"))?,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// The checkpoint, if this key has signed it and the record is in its log.
    ///
    /// # Errors
    /// [`LogProofError`].
    pub fn verify(&self, verifier: &NoteVerifier) -> Result<Checkpoint, LogProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, verifier)?;
        let leaf = leaf_hash(&self.leaf);
        proof::verify_inclusion(
            &leaf,
            self.index,
            checkpoint.size,
            &self.hashes,
            &checkpoint.root,
        )?;
        Ok(checkpoint)
    }
}

impl std::fmt::Display for LogProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut hashes = String::new();
        for hash in &self.hashes {
            writeln!(hashes, "{}", STANDARD.encode(hash))?;
        }
        let leaf = STANDARD.encode(&self.leaf);
        write!(
            f,
            "{VERSION}\nextra {leaf}\nindex {}\n{hashes}\n{}",
            self.index, self.checkpoint
        )
    }
}
