//! Resolves tokens of captured payloads to their values.

use tollgate_ledger::LedgerError;
use tollgate_model::record::AdminAction;
use tollgate_model::{entity::Uid, request::Action};

use super::{Gate, OperateError};
use crate::capture::{PREFIX, RevealedValue, TOKEN_KIND, sealed};

/// Why a token cannot be resolved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is not a token, or belongs to another gate.
    #[error("this is not a token of this gate; copy one from a trace: {PREFIX}…")]
    Unknown,
    /// Its key was destroyed, or the store cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Policy does not allow it for this person, or the run does not exist any more.
    #[error(transparent)]
    Operate(#[from] OperateError),
}

impl Gate {
    /// The value of a token. Whether `user` may see it is decided and recorded: in its run or, if it has
    /// none, as an action on the gate.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn reveal(&self, user: &Uid, token: &str) -> Result<RevealedValue, TokenError> {
        let tenant = self.ruleset().config.gate.tenant.clone();
        let payload = sealed(token, &tenant).ok_or(TokenError::Unknown)?;
        let plain = match self.ledger().keys().open(&payload, TOKEN_KIND) {
            Ok(plain) => plain,
            Err(LedgerError::Damaged { .. }) => return Err(TokenError::Unknown),
            Err(other) => return Err(other.into()),
        };
        let revealed: RevealedValue =
            serde_json::from_slice(&plain).map_err(|_| TokenError::Unknown)?;
        match revealed.run {
            Some(run) => {
                let row = self.ledger().reader().run(&run.to_string())?;
                self.authorize_on_run(user, Action::ViewPayload, &row)
                    .await?;
            }
            None => {
                self.administer(user, AdminAction::TokenRevealed, "")
                    .await?
            }
        }
        Ok(revealed)
    }
}
