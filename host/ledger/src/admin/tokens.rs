//! Tokens of agents and users.

use rusqlite::params;
use tollgate_model::ids::TokenId;

use crate::{CommitError, Ledger, Token};

/// Whether the principal's earlier tokens of the same name are revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameName {
    /// They stay.
    Keep,
    /// The new one takes their place.
    Replace,
}

impl Ledger {
    /// Store a token.
    ///
    /// # Errors
    /// [`CommitError`]; then it is not stored.
    pub async fn store_token(&self, token: Token, earlier: SameName) -> Result<(), CommitError> {
        self.write(move |conn| {
            let Token {
                id,
                principal,
                on_behalf_of,
                name,
                hash,
                created,
                expires,
                makers,
                is_confirmed,
            } = token;
            let makers = makers.and_then(|makers| serde_json::to_string(&makers).ok());
            let tx = conn.unchecked_transaction()?;
            if earlier == SameName::Replace {
                tx.execute(
                    "DELETE FROM tokens WHERE principal_type = ?1 AND principal_id = ?2 AND name = ?3",
                    params![principal.kind.name(), principal.id, name],
                )?;
            }
            let stored = tx.execute(
                "INSERT INTO tokens (id, principal_type, principal_id, on_behalf_of, name, hash, created, expires, makers, confirmed) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    id.as_bytes(),
                    principal.kind.name(),
                    principal.id,
                    on_behalf_of,
                    name,
                    hash.as_bytes(),
                    created.0,
                    expires.map(|at| at.0),
                    makers,
                    is_confirmed
                ],
            )?;
            tx.commit()?;
            Ok(stored)
        })
        .await
    }

    /// Make a token valid that waits for a second person. Its makers stay: they have its text. Does nothing if there is
    /// none that waits.
    ///
    /// # Errors
    /// [`CommitError`]; then it still waits.
    pub async fn confirm_token(&self, id: TokenId) -> Result<(), CommitError> {
        self.write(move |conn| {
            conn.execute(
                "UPDATE tokens SET confirmed = 1 WHERE id = ?1 AND confirmed = 0",
                [id.as_bytes()],
            )
        })
        .await
    }

    /// Remove a token.
    ///
    /// # Errors
    /// [`CommitError`]; then it is still there.
    pub async fn remove_token(&self, id: TokenId) -> Result<(), CommitError> {
        self.write(move |conn| conn.execute("DELETE FROM tokens WHERE id = ?1", [id.as_bytes()]))
            .await
    }
}
