//! Digests that only a tenant's key makes.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::ids::hex;

/// HMAC-SHA-256 of arguments or results under a tenant's key, as `hmac:v1:` and 64 hexadecimal digits, where
/// `1` is the key's version. A plain hash of `{"amount":50}` could be guessed in a second.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyedDigest(String);

impl KeyedDigest {
    /// The digest of `parts` under `key`. Parts are separated by their lengths, so that no two lists
    /// of parts have the same digest.
    #[must_use]
    pub fn of(key: &[u8; 32], version: u32, parts: &[&[u8]]) -> Self {
        Self(format!("hmac:v{version}:{}", hex(&keyed_hash(key, parts))))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// HMAC-SHA-256 of `parts` under `key`. Parts are separated by their lengths.
#[must_use]
pub fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        // HMAC takes keys of any length (RFC 2104, section 2).
        return [0; 32];
    };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl From<String> for KeyedDigest {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Display for KeyedDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for KeyedDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
