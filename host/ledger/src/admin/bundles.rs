//! Policy bundles.

use rusqlite::params;
use tollgate_model::canonical::Sha256Digest;

use crate::{CommitError, Ledger};

impl Ledger {
    /// Stores a bundle, so that decisions that name it can be explained.
    ///
    /// # Errors
    /// [`CommitError`]; then it is not stored.
    pub async fn store_bundle(
        &self,
        digest: Sha256Digest,
        bytes: &[u8],
    ) -> Result<(), CommitError> {
        let bytes = bytes.to_vec();
        self.write(move |conn| {
            conn.execute(
                "INSERT OR IGNORE INTO bundles (digest, bytes) VALUES (?1, ?2)",
                params![digest.as_bytes(), bytes],
            )
        })
        .await
    }
}
