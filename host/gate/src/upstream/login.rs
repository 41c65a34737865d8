//! Users' logins to upstream servers that each user reaches with their own rights.
//!
//! The protocol with the authorization server is code of another crate. Here is what the gate keeps: tokens, sealed in
//! the store. Only the person logs in; that is decided and recorded, see `gate/upstream_logins.rs`.

use std::fmt;

use tollgate_ledger::{Ledger, LedgerError, Login, LoginKey, LoginTerms, LoginUpdate, SealedLogin};
use tollgate_model::time::Timestamp;
use url::Url;
use zeroize::Zeroizing;

use super::BoxFuture;
use crate::ids::Clock;

/// The logins of this gate's users, in its store.
#[derive(Clone)]
pub struct LoginStore {
    ledger: Ledger,
    clock: Clock,
    tenant: String,
}

impl fmt::Debug for LoginStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginStore")
    }
}

impl LoginStore {
    pub(crate) fn new(ledger: &Ledger, clock: &Clock, tenant: &str) -> Self {
        Self {
            ledger: ledger.clone(),
            clock: clock.clone(),
            tenant: tenant.into(),
        }
    }

    /// The current time, as the gate has it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ledger.now(self.clock.now())
    }

    fn key(&self, user: &str, upstream: &str) -> LoginKey {
        LoginKey {
            tenant: self.tenant.clone(),
            user: user.into(),
            upstream: upstream.into(),
        }
    }

    /// The login of a user to a server.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn find(&self, user: &str, upstream: &str) -> Result<Option<SealedLogin>, LedgerError> {
        let key = self.key(user, upstream);
        self.ledger.reader().upstream_login(&key)
    }

    /// The tokens of a login.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] if it was altered.
    pub fn open(&self, sealed: &SealedLogin) -> Result<Zeroizing<Vec<u8>>, LedgerError> {
        self.ledger.open_login(sealed)
    }

    /// Replaces the tokens of a login, if it is still the one that was read.
    ///
    /// # Errors
    /// [`LedgerError`]; then the earlier ones stay.
    pub fn renew(&self, before: &Login, issued: &IssuedLogin) -> Result<LoginUpdate, LedgerError> {
        let now = self.now();
        self.ledger
            .renew_login(before, &issued.terms, &issued.tokens, now)
    }

    /// Stores the login of a user to a server in place of an earlier one.
    ///
    /// # Errors
    /// [`LedgerError`]; then the earlier one stays.
    pub(crate) fn store(
        &self,
        user: &str,
        upstream: &str,
        issued: &IssuedLogin,
    ) -> Result<(), LedgerError> {
        let key = self.key(user, upstream);
        self.ledger
            .store_login(&key, &issued.terms, &issued.tokens, self.now())
    }

    /// Removes the login of a user to a server; with a `version`, only if it has that one.
    ///
    /// # Errors
    /// [`LedgerError`]; then it is still there.
    pub fn remove(
        &self,
        user: &str,
        upstream: &str,
        version: Option<i64>,
    ) -> Result<LoginUpdate, LedgerError> {
        let key = self.key(user, upstream);
        self.ledger.remove_login(&key, version)
    }
}

/// Logs users in to one server.
pub trait UserLogins: Send + Sync + fmt::Debug {
    /// Begins a login: where the user consents, and how that is recognised. Nothing is stored.
    fn begin<'a>(
        &'a self,
        user: &'a str,
        redirect: &'a Url,
    ) -> BoxFuture<'a, Result<LoginRequest, LoginError>>;

    /// Exchanges the authorization server's answer for tokens. An answer counts once, for the user who began.
    fn complete<'a>(
        &'a self,
        user: &'a str,
        answer: LoginAnswer,
    ) -> BoxFuture<'a, Result<IssuedLogin, LoginError>>;
}

/// Where a user consents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRequest {
    /// What the answer names; unpredictable.
    pub state: String,
    /// The page of the authorization server.
    pub url: Url,
    /// The authorization server.
    pub issuer: String,
    /// How many seconds the answer may take.
    pub lasts_seconds: u64,
}

/// The parameters with which the authorization server redirects the user (RFC 6749, section 4.1.2, and RFC 9207).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LoginAnswer {
    /// The state of the request.
    pub state: String,
    /// The authorization code.
    pub code: Option<String>,
    /// The issuer.
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

impl fmt::Debug for LoginAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginAnswer")
    }
}

/// A login as it is stored.
pub struct IssuedLogin {
    /// What is known of it.
    pub terms: LoginTerms,
    /// The tokens, as the code that obtained them writes them.
    pub tokens: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for IssuedLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedLogin")
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

/// Why a user is not logged in. Texts contain no token, code or secret.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LoginError {
    /// The answer does not belong to a login that the user has begun.
    #[error("{0}")]
    Rejected(String),
    /// The server or its authorization server does not do its part.
    #[error("{0}")]
    Failed(String),
}
