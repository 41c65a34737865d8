//! Sealed payloads.

use tollgate_model::canonical::Sha256Digest;

/// A sealed payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Nonce and ciphertext (XChaCha20-Poly1305).
    pub ciphertext: Vec<u8>,
    /// The day of its key, in days since 1970.
    pub day: i64,
    /// SHA-256 of `ciphertext`.
    pub digest: Sha256Digest,
    /// The tenant of its key.
    pub tenant: String,
}
