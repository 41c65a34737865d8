//! Tokens that replace captured values. The gate resolves them for people who may read payloads.
//!
//! A token begins with a keyed digest, so that equal values stay comparable; the rest is the value, sealed
//! with the key of its day. When that key is destroyed, the token can no longer be resolved.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::{canonical::Sha256Digest, ids::RunId};

use super::CaptureSession;
use tollgate_ledger::Payload;

/// The prefix of a token.
pub const PREFIX: &str = "tok:v1:";

/// The kind of its sealed payload.
pub(crate) const KIND: &str = "token";
/// Digits of the digest.
const DIGITS: usize = 16;

/// The contents of a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RevealedValue {
    /// The run in which it was created.
    pub run: Option<RunId>,
    /// The value.
    pub value: Value,
}

impl CaptureSession {
    /// The token for a value; `None` if it cannot be sealed.
    pub(super) fn token(&self, canonical: &[u8]) -> Option<String> {
        let revealed = RevealedValue {
            run: self.run,
            value: serde_json::from_slice(canonical).ok()?,
        };
        let digest = self.digest(canonical)?;
        let alike = digest.rsplit(':').next()?.get(..DIGITS)?.to_owned();
        let plain = serde_json::to_vec(&revealed).ok()?;
        let payload = self.keys.seal(&self.tenant, self.now, &plain, KIND).ok()?;
        let mut bytes = payload.day.to_be_bytes().to_vec();
        bytes.extend_from_slice(&payload.ciphertext);
        Some(format!("{PREFIX}{alike}:{}", URL_SAFE_NO_PAD.encode(bytes)))
    }
}

/// The sealed part of a token.
pub(crate) fn sealed(token: &str, tenant: &str) -> Option<Payload> {
    let (_, coded) = token.trim().strip_prefix(PREFIX)?.split_once(':')?;
    let bytes = URL_SAFE_NO_PAD.decode(coded).ok()?;
    let (day, ciphertext) = bytes.split_first_chunk::<8>()?;
    Some(Payload {
        day: i64::from_be_bytes(*day),
        digest: Sha256Digest::of(ciphertext),
        ciphertext: ciphertext.to_vec(),
        tenant: tenant.to_owned(),
    })
}
