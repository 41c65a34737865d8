//! Tokens that stand for values: whoever holds the keys turns them back, for whoever may read payloads.
//!
//! A token begins with a keyed digest, so that equal values stay comparable; the rest is the value, sealed
//! with the key of its day. When that key is destroyed the token says nothing any more.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::record::AdminAction;
use tollgate_model::{canonical::Sha256Digest, entity::Uid, ids::RunId, request::Action};

use super::Capturing;
use crate::gate::{Gate, OperateError};
use tollgate_ledger::{LedgerError, Payload};

/// How a token begins.
pub const PREFIX: &str = "tok:v1:";

/// As what it is sealed.
const KIND: &str = "token";
/// Digits of the digest.
const DIGITS: usize = 16;

/// Why a token is not turned back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is none, or of another gate.
    #[error("this is no token of this gate; give one as it stands in a trace: {PREFIX}…")]
    Unknown,
    /// Its key was destroyed, or the store cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Policy does not let this person, or the run is gone.
    #[error(transparent)]
    Operate(#[from] OperateError),
}

/// What a token stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revealed {
    /// The run in which it was made.
    pub run: Option<RunId>,
    /// The value.
    pub value: Value,
}

impl Capturing {
    /// The token for a value; none if it cannot be sealed.
    pub(super) fn token(&self, canonical: &[u8]) -> Option<String> {
        let revealed = Revealed {
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
fn sealed(token: &str, tenant: &str) -> Option<Payload> {
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

impl Gate {
    /// What a token stands for. Whether `user` may see it is decided, and recorded: in its run, or where
    /// it has none, as an act on the gate.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn reveal(&self, user: &Uid, token: &str) -> Result<Revealed, TokenError> {
        let tenant = self.snapshot().config.gate.tenant.clone();
        let payload = sealed(token, &tenant).ok_or(TokenError::Unknown)?;
        let plain = match self.ledger().keys().open(&payload, KIND) {
            Ok(plain) => plain,
            Err(LedgerError::Damaged { .. }) => return Err(TokenError::Unknown),
            Err(other) => return Err(other.into()),
        };
        let revealed: Revealed = serde_json::from_slice(&plain).map_err(|_| TokenError::Unknown)?;
        match revealed.run {
            Some(run) => {
                let row = self.ledger().reader().run(&run.to_string())?;
                self.may_with_run(user, Action::ViewPayload, &row).await?;
            }
            None => {
                self.administer(user, AdminAction::TokenRevealed, "")
                    .await?
            }
        }
        Ok(revealed)
    }
}
