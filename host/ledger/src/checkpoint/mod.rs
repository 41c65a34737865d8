//! Proofs for outsiders: signed checkpoints of the log, and proofs that a record is in it.
//!
//! | module | specification |
//! |---|---|
//! | `note` | c2sp.org/signed-note |
//! | this one | c2sp.org/tlog-checkpoint |
//! | `log_proof` | c2sp.org/tlog-proof |
//! | `exported_log` | c2sp.org/tlog-tiles |

mod exported_log;
mod key_file;
mod log_proof;
mod note;

use base64::{Engine as _, engine::general_purpose::STANDARD};

pub use exported_log::{ExportedLog, ExportedLogError};
pub use log_proof::{LogProof, LogProofError};
pub use note::{NoteError, NoteSigner, NoteVerifier};

pub(crate) use note::MAX_NOTE;

/// The name of the checkpoint in the folder of an exported log.
pub(crate) const CHECKPOINT_FILE: &str = "checkpoint";

/// The contents of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log: the name of the key that signs it.
    pub origin: String,
    /// Entries of the log.
    pub size: u64,
    /// Root of the Merkle tree over them (RFC 6962, section 2.1).
    pub root: [u8; 32],
}

impl Checkpoint {
    /// The checkpoint as a signed note. Its origin is the signer's name.
    #[must_use]
    pub fn sign(size: u64, root: &[u8; 32], signer: &NoteSigner) -> String {
        signer.sign(&format!(
            "{}\n{size}\n{}\n",
            signer.name(),
            STANDARD.encode(root)
        ))
    }

    /// The checkpoint in a note that this key has signed.
    ///
    /// # Errors
    /// [`NoteError`]: not signed by the key, of another log, or not a checkpoint.
    pub fn open(note: &str, verifier: &NoteVerifier) -> Result<Self, NoteError> {
        let malformed =
            || NoteError::Malformed("it is not a checkpoint of c2sp.org/tlog-checkpoint");
        let mut lines = verifier.open(note)?.lines();
        let origin = lines.next().unwrap_or_default();
        if origin != verifier.name() {
            return Err(NoteError::Malformed(
                "its origin is not the name of the key that signed it",
            ));
        }
        let size = lines.next().and_then(decimal).ok_or_else(malformed)?;
        let root = lines.next().and_then(hash).ok_or_else(malformed)?;
        // Extension lines are allowed by the specification; this log writes none.
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }
}

/// An ASCII decimal without leading zeroes.
fn decimal(text: &str) -> Option<u64> {
    let canonical =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

/// A SHA-256 in base64.
fn hash(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}
