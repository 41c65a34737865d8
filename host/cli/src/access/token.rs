//! Tokens by which users name themselves. A token is 32 random bytes; only its hash is kept, which is
//! enough because nobody guesses 32 random bytes.

use subtle::ConstantTimeEq as _;
use tollgate::{gate::Gate, ids::Clock, ledger::Token};
use tollgate_core::{canonical::Sha256Digest, ids::hex};

use crate::failure::Failure;

/// Tells a token from other secrets, for people and for scanners.
const PREFIX: &str = "tollgate_";

/// A new token of `user`, in place of an earlier one.
pub(super) async fn make(gate: &Gate, user: &str) -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|e| Failure::plain(format!("the operating system gives no randomness: {e}")))?;
    let token = format!("{PREFIX}{}", hex(&bytes));
    let created = gate.ledger().now(Clock::system().now());
    let hash = Sha256Digest::of(token.as_bytes());
    gate.ledger()
        .store_token(Token {
            user: user.into(),
            hash,
            created,
        })
        .await?;
    Ok(token)
}

/// Whether `token` is that of `user`. Takes as long for a wrong one as for the right one.
pub(super) fn is_of(gate: &Gate, user: &str, token: &str) -> Result<bool, Failure> {
    let kept = gate.ledger().reader().token(user)?;
    let given = Sha256Digest::of(token.as_bytes());
    let kept_hash = kept
        .as_ref()
        .map_or(Sha256Digest::from_bytes([0; 32]), |token| token.hash);
    let same: bool = kept_hash.as_bytes().ct_eq(given.as_bytes()).into();
    Ok(same && kept.is_some())
}
