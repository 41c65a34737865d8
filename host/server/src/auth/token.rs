//! The gate's own bearer tokens for agents and users.
//!
//! A token is an id and 32 random bytes. Only an unsalted digest is stored: 32 random bytes cannot be found
//! by guessing. No error and no log line shows a token.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use tollgate::{gate::Gate, identity::Caller, ids};
use tollgate_ledger::{CommitError, LedgerError, SameName, Token};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::{Kind, Uid},
    ids::{TokenId, hex},
    time::Timestamp,
};

use crate::problem::Problem;

/// Tells a token from other secrets, for people and for scanners.
pub const PREFIX: &str = "tollgate_";

/// The name of tokens for `--as USER` on the command line.
pub const CLI: &str = "cli";

/// Why a token could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The operating system gave no random bytes.
    #[error("the operating system gives no randomness; try again")]
    Randomness,
    /// The store.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store.
    #[error(transparent)]
    Store(#[from] LedgerError),
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        Self::unavailable(error.to_string())
    }
}

/// What a new token is for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Purpose {
    /// The agent or user that the token identifies.
    pub principal: Uid,
    /// The user for whom an agent acts; absent: its operator.
    pub on_behalf_of: Option<String>,
    /// A name for the list of tokens.
    pub name: String,
    /// When it expires; absent: never.
    pub expires: Option<Timestamp>,
    /// Users other than its own who made it.
    pub makers: BTreeSet<String>,
}

/// Makes a token, which is valid once it is stored. The returned text is not stored anywhere.
///
/// # Errors
/// [`TokenError::Randomness`].
pub fn mint(gate: &Gate, purpose: Purpose) -> Result<(Token, String), TokenError> {
    let id: [u8; 8] = random()?;
    let secret: [u8; 32] = random()?;
    let id = TokenId::from_bytes(id);
    let text = format!("{PREFIX}{}_{}", hex(id.as_bytes()), hex(&secret));
    let Purpose {
        principal,
        on_behalf_of,
        name,
        expires,
        makers,
    } = purpose;
    let token = Token {
        id,
        principal,
        on_behalf_of,
        name,
        hash: Sha256Digest::of(text.as_bytes()),
        created: gate.now(),
        expires,
        makers: Some(makers),
        is_confirmed: true,
    };
    Ok((token, text))
}

/// Stores a token. With `instead`, it replaces the principal's tokens of the same name.
///
/// # Errors
/// [`TokenError`]; then no token exists.
pub async fn store(gate: &Gate, token: Token, instead: bool) -> Result<(), TokenError> {
    let earlier = match instead {
        true => SameName::Replace,
        false => SameName::Keep,
    };
    gate.ledger().store_token(token, earlier).await?;
    Ok(())
}

/// Makes a token and stores it.
///
/// # Errors
/// [`TokenError`]; then no token exists.
pub async fn create(
    gate: &Gate,
    purpose: Purpose,
    instead: bool,
) -> Result<(Token, String), TokenError> {
    let (token, text) = mint(gate, purpose)?;
    store(gate, token.clone(), instead).await?;
    Ok((token, text))
}

fn random<const N: usize>() -> Result<[u8; N], TokenError> {
    ids::random(N)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(TokenError::Randomness)
}

/// The stored token with this text, unless it has expired or waits for a second person. Compares in constant time.
///
/// # Errors
/// [`LedgerError`] if the store cannot be read.
pub fn find(gate: &Gate, text: &str) -> Result<Option<Token>, LedgerError> {
    let id = text
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('_'))
        .and_then(|(id, _)| format!("tok-{id}").parse::<TokenId>().ok());
    let kept = match id {
        Some(id) => gate.ledger().reader().token(id)?,
        None => None,
    };
    let now = gate.now();
    Ok(kept.filter(|token| is(token, text) && token.is_valid(now)))
}

/// Whether `text` is one of this user's tokens.
///
/// # Errors
/// [`LedgerError`] if the store cannot be read.
pub fn is_of(gate: &Gate, user: &str, text: &str) -> Result<bool, LedgerError> {
    let user = Uid::new(Kind::User, user);
    let now = gate.now();
    let tokens = gate.ledger().reader().tokens()?;
    let of_user = tokens.iter().filter(|token| token.principal == user);
    Ok(of_user.fold(false, |found, token| {
        found | (is(token, text) & token.is_valid(now))
    }))
}

/// Whether a valid token exists.
///
/// # Errors
/// [`LedgerError`] if the store cannot be read.
pub fn any(gate: &Gate) -> Result<bool, LedgerError> {
    let now = gate.now();
    let tokens = gate.ledger().reader().tokens()?;
    Ok(tokens.iter().any(|token| token.is_valid(now)))
}

fn is(token: &Token, text: &str) -> bool {
    let given = Sha256Digest::of(text.as_bytes());
    token.hash.as_bytes().ct_eq(given.as_bytes()).into()
}

/// The caller that this token identifies.
#[must_use]
pub fn caller(token: &Token) -> Caller {
    let name = token.principal.id.clone();
    match token.principal.kind {
        Kind::User => Caller::User(name),
        _ => Caller::Agent {
            name,
            on_behalf_of: token.on_behalf_of.clone(),
        },
    }
}
