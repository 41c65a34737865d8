//! The token of the gate by which a caller is known.

use std::collections::BTreeSet;

use tollgate_ledger::LedgerError;
use tollgate_model::ids::TokenId;

use super::{Pep, Refusal, Ruleset};

impl Pep {
    /// The users other than its own who made this token: they have its text, so they can have made the call. All users,
    /// if that is not known. None without a token.
    ///
    /// # Errors
    /// [`Refusal`] if the token is not valid any more: a call that has waited for an approval is made later than its
    /// caller was authenticated.
    pub(crate) fn token_makers(
        &self,
        ruleset: &Ruleset,
        token: Option<TokenId>,
    ) -> Result<BTreeSet<String>, Refusal> {
        let Some(id) = token else {
            return Ok(BTreeSet::new());
        };
        let unread = |error: LedgerError| Refusal::Unrecorded {
            reason: error.to_string(),
        };
        let token = self.ledger.reader().token(id).map_err(unread)?;
        let token = token.filter(|token| token.is_valid(self.now()));
        let token = token.ok_or_else(|| Refusal::Invalid {
            problem: format!(
                "the token by which this call was made, {id}, was revoked or has expired"
            ),
            nearest: None,
        })?;
        let users = ruleset.config.users.keys().cloned();
        Ok(token.makers.unwrap_or_else(|| users.collect()))
    }
}
