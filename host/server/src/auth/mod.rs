//! Authentication over HTTP: OAuth 2.1 access tokens, the gate's own tokens, and on Unix sockets the credentials of
//! the peer. Claims of clients about themselves are ignored.
//!
//! Nothing here decides what a caller may do. No error and no log line shows a token.

pub(crate) mod concurrency;
mod layer;
mod metadata;
mod oauth;
pub mod peer;
mod rate;
mod signature;
pub mod token;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use http::HeaderMap;
use tollgate::{gate::Gate, identity::Caller};
use tollgate_ledger::{LedgerError, Token};
use tollgate_model::{
    entity::{Kind, Uid},
    ids::TokenId,
    time::Timestamp,
};

pub use self::{
    layer::protect,
    metadata::router as metadata,
    rate::{Rate, RateExceeded},
};
use self::{
    oauth::Oauth,
    peer::{HookPeer, PeerCredentials, PeerError},
};

/// The longest accepted credential, in bytes.
const MAX_CREDENTIAL: usize = 16 << 10;

/// The authenticated caller: an extension of every request behind [`protect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedCaller {
    /// The caller.
    pub caller: Caller,
    /// The caller's tenant.
    pub tenant: String,
    /// The token of the gate by which the caller is known; absent for other credentials.
    pub token: Option<TokenId>,
    /// Users other than the caller who made the token of the gate by which the caller is known; all of them
    /// if that is not known. Empty for other credentials.
    pub token_makers: BTreeSet<String>,
    /// When that token becomes worthless.
    pub token_expires: Option<Timestamp>,
}

impl AuthenticatedCaller {
    /// A caller without a token of the gate.
    fn new(caller: Caller, tenant: String) -> Self {
        Self {
            caller,
            tenant,
            token: None,
            token_makers: BTreeSet::new(),
            token_expires: None,
        }
    }

    /// The caller with this token. `users` are those of the configuration.
    fn of_token(token: Token, users: impl Iterator<Item = String>, tenant: String) -> Self {
        Self {
            caller: token::caller(&token),
            tenant,
            token: Some(token.id),
            token_makers: token.makers.unwrap_or_else(|| users.collect()),
            token_expires: token.expires,
        }
    }

    /// The caller if it is a user, not an agent. Only users administer.
    #[must_use]
    pub fn user(&self) -> Option<Uid> {
        match &self.caller {
            Caller::User(name) => Some(Uid::new(Kind::User, name)),
            _ => None,
        }
    }
}

/// Why a request is not authenticated. The texts are for the caller and never contain the credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// There is no credential.
    #[error("there is no credential; send `Authorization: Bearer TOKEN`")]
    Missing,
    /// The credential does not have the form of RFC 6750.
    #[error("the credential is malformed: {0}")]
    Malformed(&'static str),
    /// The token is not valid.
    #[error("the token is not accepted: {0}")]
    Invalid(String),
    /// The token is valid and lacks a scope.
    #[error("the token lacks the scope {0}")]
    Scope(String),
    /// The token is valid, but names no agent or user of the configuration.
    #[error("{0}")]
    Unknown(String),
    /// The peer of the owner's socket is not let in.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The credential cannot be checked now.
    #[error("credentials cannot be checked now: {0}; try again later")]
    Unavailable(String),
}

impl From<LedgerError> for AuthError {
    fn from(error: LedgerError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Whether callers at this address of a listener must have credentials: everywhere but on loopback.
#[must_use]
pub fn required_for(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

/// Checks credentials. Cheap to clone.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    gate: Gate,
    /// Whether only this machine reaches the listener.
    local: bool,
    /// The identity of callers without credentials.
    anonymous: Option<Caller>,
    /// How callers reach the routes.
    door: Door,
    oauth: Mutex<Option<Arc<Oauth>>>,
    rate: Arc<Rate>,
}

/// How callers reach the routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Over TCP, where connections have no peer credentials.
    Network,
    /// Over the owner's socket, as this peer.
    Owner(PeerCredentials),
    /// Over the hook socket.
    Hook,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth")
    }
}

impl Auth {
    /// Authentication for a listener at `address`, by the current configuration of the gate. Requests are
    /// counted in `rate`. On loopback a caller without credentials is `anonymous`, unless callers are
    /// expected to have credentials or to come from other machines: that is if there is `[serve.oauth]`,
    /// `hosts`, or a token of an agent.
    #[must_use]
    pub fn new(
        gate: &Gate,
        address: SocketAddr,
        anonymous: Option<Caller>,
        rate: Arc<Rate>,
    ) -> Self {
        Self(Arc::new(Inner {
            gate: gate.clone(),
            local: !required_for(address),
            anonymous: anonymous.filter(|_| !required_for(address)),
            door: Door::Network,
            oauth: Mutex::default(),
            rate,
        }))
    }

    /// Authentication for the owner's socket. Only peers with the user id of this process are accepted.
    #[must_use]
    pub fn of_owner(gate: &Gate, rate: Arc<Rate>) -> Self {
        Self::of_door(gate, rate, Door::Owner(PeerCredentials::own()))
    }

    /// Authentication for the hook socket: the account of the peer is that of an agent.
    #[must_use]
    pub fn of_hook(gate: &Gate, rate: Arc<Rate>) -> Self {
        Self::of_door(gate, rate, Door::Hook)
    }

    fn of_door(gate: &Gate, rate: Arc<Rate>, door: Door) -> Self {
        Self(Arc::new(Inner {
            gate: gate.clone(),
            local: true,
            anonymous: None,
            door,
            oauth: Mutex::default(),
            rate,
        }))
    }

    /// Whether only this machine reaches the listener.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0.local
    }

    /// The response to a request that is not authenticated.
    pub(crate) fn refuse(&self, error: &AuthError) -> axum::response::Response {
        layer::refused(self, error)
    }

    /// The caller of a request with these headers.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
    ) -> Result<AuthenticatedCaller, AuthError> {
        if self.0.door == Door::Hook {
            return Err(AuthError::Missing);
        }
        let gate = &self.0.gate;
        let tenant = gate.ruleset().config.gate.tenant.clone();
        let Some(given) = bearer(headers)? else {
            let caller = self.anonymous()?.ok_or(AuthError::Missing)?;
            return Ok(AuthenticatedCaller::new(caller, tenant));
        };
        let authenticated = if given.starts_with(token::PREFIX) {
            match token::find(gate, given)? {
                Some(token) => {
                    let ruleset = gate.ruleset();
                    let users = ruleset.config.users.keys().cloned();
                    AuthenticatedCaller::of_token(token, users, tenant)
                }
                None => {
                    let problem = "it is unknown here, was revoked, or has expired";
                    return Err(AuthError::Invalid(problem.into()));
                }
            }
        } else {
            match self.oauth() {
                Some(oauth) => AuthenticatedCaller::new(oauth.caller(gate, given).await?, tenant),
                None => {
                    let problem = "it is none of this gate's own, and no issuer is configured";
                    return Err(AuthError::Invalid(problem.into()));
                }
            }
        };
        self.known(&authenticated.caller)?;
        Ok(authenticated)
    }

    /// The caller of a request with these headers from this peer: the user with the peer's login, or the user
    /// that a header names, with that user's token.
    ///
    /// # Errors
    /// [`AuthError`]; for every peer but the owner, and for a listener that has no peers.
    pub async fn authenticate_peer(
        &self,
        peer: PeerCredentials,
        headers: &HeaderMap,
    ) -> Result<AuthenticatedCaller, AuthError> {
        let Door::Owner(owner) = self.0.door else {
            return Err(AuthError::Missing);
        };
        peer.check(owner)?;
        if let Some(user) = peer::named_user(headers)? {
            let named = self.authenticate(headers).await;
            return match named {
                Ok(named) if named.caller == Caller::User(user.into()) => Ok(named),
                Err(error @ AuthError::Unavailable(_)) => Err(error),
                // The same text for a wrong user and a wrong token, so that neither can be probed.
                Ok(_) | Err(_) => Err(PeerError::OtherToken { user: user.into() }.into()),
            };
        }
        if headers.contains_key(http::header::AUTHORIZATION) {
            return self.authenticate(headers).await;
        }
        let ruleset = self.0.gate.ruleset();
        let user = peer::user_of_login(&ruleset.config, &peer::login(peer.uid)?)?;
        let tenant = ruleset.config.gate.tenant.clone();
        Ok(AuthenticatedCaller::new(Caller::User(user.id), tenant))
    }

    /// The caller of a request from this peer of the hook socket: the agent with the peer's login. Nothing in the
    /// request says who calls.
    ///
    /// # Errors
    /// [`AuthError`]; for a login of no agent, and for other listeners.
    pub fn authenticate_hook(
        &self,
        HookPeer(peer): HookPeer,
        headers: &HeaderMap,
    ) -> Result<AuthenticatedCaller, AuthError> {
        if self.0.door != Door::Hook {
            return Err(AuthError::Missing);
        }
        let names_caller = [http::header::AUTHORIZATION.as_str(), peer::USER_HEADER];
        if names_caller.iter().any(|name| headers.contains_key(*name)) {
            return Err(AuthError::Malformed(
                "the hook socket takes none, because the account says who calls",
            ));
        }
        let ruleset = self.0.gate.ruleset();
        let agent = peer::agent_of_login(&ruleset.config, &peer::login(peer.uid)?)?;
        let caller = Caller::Agent {
            name: agent,
            on_behalf_of: None,
        };
        let tenant = ruleset.config.gate.tenant.clone();
        Ok(AuthenticatedCaller::new(caller, tenant))
    }

    /// The identity of a caller without credentials, by the current configuration.
    fn anonymous(&self) -> Result<Option<Caller>, LedgerError> {
        let Inner {
            gate, anonymous, ..
        } = &*self.0;
        let Some(caller) = anonymous else {
            return Ok(None);
        };
        let ruleset = gate.ruleset();
        let serve = &ruleset.config.serve;
        // Behind a proxy on this machine, requests of other machines look like local ones.
        if serve.oauth.is_some() || !serve.hosts.is_empty() {
            return Ok(None);
        }
        // An expired token counts as well, so that expiry alone never opens the gate to anonymous callers.
        let tokens = gate.ledger().reader().tokens()?;
        let of_agents = tokens
            .iter()
            .any(|token| token.principal.kind == Kind::Agent);
        Ok((!of_agents).then(|| caller.clone()))
    }

    /// Checks that the configuration still has the principal of the credential.
    fn known(&self, caller: &Caller) -> Result<(), AuthError> {
        let ruleset = self.0.gate.ruleset();
        let config = &ruleset.config;
        let (kind, name, known) = match caller {
            Caller::User(name) => ("user", name, config.users.contains_key(name)),
            Caller::Agent {
                on_behalf_of: Some(user),
                ..
            } if !config.users.contains_key(user) => ("user", user, false),
            Caller::Agent { name, .. } | Caller::Spoken { agent: name, .. } => {
                ("agent", name, config.agents.contains_key(name))
            }
        };
        if known {
            return Ok(());
        }
        let name = tollgate::text::printable(name, 80);
        Err(AuthError::Unknown(format!(
            "there is no {kind} `{name}` in this gate's configuration"
        )))
    }

    /// The resource server of the current configuration.
    fn oauth(&self) -> Option<Arc<Oauth>> {
        let ruleset = self.0.gate.ruleset();
        let config = ruleset.config.serve.oauth.as_ref()?;
        let mut held = self.0.oauth.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some(oauth) if oauth.is_of(config) => Some(Arc::clone(oauth)),
            _ => {
                let oauth = Arc::new(Oauth::new(config.clone()));
                *held = Some(Arc::clone(&oauth));
                Some(oauth)
            }
        }
    }

    /// Counts a request that may add a record to the ledger.
    ///
    /// # Errors
    /// [`RateExceeded`] if the caller exceeds its rate. Nothing was recorded.
    pub fn admit(&self, caller: &Caller) -> Result<(), RateExceeded> {
        self.0.rate.count(&self.0.gate, caller)
    }

    /// As [`Auth::admit`], for a request that costs the ledger as much as `requests`.
    ///
    /// # Errors
    /// [`RateExceeded`].
    pub fn admit_many(&self, caller: &Caller, requests: usize) -> Result<(), RateExceeded> {
        self.0.rate.count_many(&self.0.gate, caller, requests)
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }
}

/// The bearer token of a request (RFC 6750, section 2.1): never from its body or its URL.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    let mut given = headers.get_all(http::header::AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        return Ok(None);
    };
    if given.next().is_some() {
        return Err(AuthError::Malformed("there are two of them"));
    }
    let text = value
        .to_str()
        .map_err(|_| AuthError::Malformed("it is not ASCII text"))?;
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => return Err(AuthError::Malformed("it must begin with `Bearer `")),
    };
    // RFC 6750's b64token.
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    if token.is_empty() || !token.bytes().all(legal) {
        return Err(AuthError::Malformed(
            "a token has letters, digits and -._~+/=",
        ));
    }
    if token.len() > MAX_CREDENTIAL {
        return Err(AuthError::Malformed("it is longer than any token"));
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests;
