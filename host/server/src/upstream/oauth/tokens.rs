//! Access tokens: obtained before they are needed, renewed before they expire and once after they were refused.
//!
//! One renewal runs at a time for all who wait, and continues if they leave: a refresh token may count only once.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tollgate::{
    ids::Clock,
    secrets::Vault,
    upstream::{IssuedLogin, LoginStore},
};
use tollgate_ledger::{LedgerError, Login, LoginTerms, LoginUpdate, SealedLogin};
use tollgate_model::time::{Timestamp, micros};
use zeroize::Zeroizing;

use super::{
    answer::TokenAnswer,
    client::OauthClient,
    error::{OauthError, OauthErrorKind},
};

/// How long before its end a token is renewed, at most; at most a quarter of its life.
const EARLY: Duration = Duration::from_secs(30);
/// How long a failure counts for those who ask again.
const FAILED: Duration = Duration::from_secs(2);
/// The name by which issued tokens are removed from what a server says.
const NAME: &str = "access token";

/// The store of users' logins, once the gate has opened it.
#[derive(Debug, Default)]
pub(in super::super) struct LoginSlot(Mutex<Option<LoginStore>>);

impl LoginSlot {
    pub(in super::super) fn fill(&self, logins: LoginStore) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(logins);
    }

    /// The gate's time; before it is open, that of the system.
    fn now(&self) -> Timestamp {
        self.get()
            .map_or_else(|| Clock::system().now(), |store| store.now())
    }

    pub(in super::super) fn get(&self) -> Option<LoginStore> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A token as it is sent.
pub(in super::super) struct AccessToken {
    header: HeaderValue,
    renewal: Renewal,
    /// The version of the login that it belongs to; 0 for the gate's own.
    version: i64,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken")
    }
}

/// When a token is to be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renewal {
    /// When it is refused: its end is not known.
    Refused,
    /// From this time on.
    At(Timestamp),
}

impl Renewal {
    /// Of a token that was issued at `issued` and expires at `expires`.
    fn of(issued: Timestamp, expires: Option<Timestamp>) -> Self {
        let Some(expires) = expires else {
            return Self::Refused;
        };
        let early = (expires.since(issued) / 4).min(micros(EARLY));
        let early = i64::try_from(early).unwrap_or(0);
        Self::At(Timestamp(expires.0.saturating_sub(early)))
    }

    fn is_due(self, now: Timestamp) -> bool {
        match self {
            Self::Refused => false,
            Self::At(at) => now >= at,
        }
    }
}

impl AccessToken {
    fn new(text: &str, renewal: Renewal, version: i64) -> Result<Self, OauthError> {
        let value = Zeroizing::new(format!("Bearer {text}"));
        let mut header = HeaderValue::from_str(&value)
            .map_err(|_| OauthError::new("its token cannot be sent"))?;
        header.set_sensitive(true);
        Ok(Self {
            header,
            renewal,
            version,
        })
    }

    /// The value of `Authorization`.
    pub(in super::super) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

/// Whose rights the tokens carry.
#[derive(Debug)]
enum Holder {
    /// The gate itself.
    Gate,
    /// A user, by a login in the store.
    User(String),
}

/// The token in memory, or the last failure to get one.
#[derive(Debug, Default)]
struct CachedToken {
    token: Option<Arc<AccessToken>>,
    failed: Option<(Instant, OauthError)>,
}

/// The access tokens for one upstream server and one holder.
#[derive(Debug)]
pub(in super::super) struct AccessTokens {
    client: Arc<OauthClient>,
    holder: Holder,
    logins: Arc<LoginSlot>,
    /// Where tokens become known, to be removed from what the server says.
    secrets: Arc<Vault>,
    cache: Arc<tokio::sync::Mutex<CachedToken>>,
}

/// The tokens of a login, as they are sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTokens {
    access: String,
    refresh: Option<String>,
}

impl Drop for StoredTokens {
    fn drop(&mut self) {
        drop(Zeroizing::new(std::mem::take(&mut self.access)));
        drop(self.refresh.take().map(Zeroizing::new));
    }
}

/// What an answer of the token endpoint is as a login. `before` holds what the answer leaves out.
pub(in super::super) fn issued(
    answer: &TokenAnswer,
    terms: &LoginTerms,
    refresh_before: Option<&str>,
    now: Timestamp,
) -> Result<IssuedLogin, OauthError> {
    let expires = answer.life.map(|life| now.after(life));
    let refresh = answer.refresh.as_ref().map(|token| token.as_str());
    let tokens = StoredTokens {
        access: answer.access.to_string(),
        // RFC 6749, section 6: without a new one, the old one stays.
        refresh: refresh.or(refresh_before).map(str::to_owned),
    };
    let written = serde_json::to_vec(&tokens).map(Zeroizing::new);
    Ok(IssuedLogin {
        terms: LoginTerms {
            expires,
            renewable: tokens.refresh.is_some(),
            scopes: answer
                .scopes
                .clone()
                .unwrap_or_else(|| terms.scopes.clone()),
            ..terms.clone()
        },
        tokens: written.map_err(|_| OauthError::new("its tokens cannot be stored"))?,
    })
}

impl AccessTokens {
    /// The gate's own.
    pub(in super::super) fn of_gate(
        client: Arc<OauthClient>,
        logins: &Arc<LoginSlot>,
        secrets: &Arc<Vault>,
    ) -> Arc<Self> {
        Arc::new(Self {
            client,
            holder: Holder::Gate,
            logins: Arc::clone(logins),
            secrets: Arc::clone(secrets),
            cache: Arc::default(),
        })
    }

    /// Those of a user.
    pub(in super::super) fn of_user(
        client: &Arc<OauthClient>,
        user: &str,
        logins: &Arc<LoginSlot>,
        secrets: &Arc<Vault>,
    ) -> Arc<Self> {
        Arc::new(Self {
            client: Arc::clone(client),
            holder: Holder::User(user.into()),
            logins: Arc::clone(logins),
            secrets: Arc::clone(secrets),
            cache: Arc::default(),
        })
    }

    /// A token that is valid for a while.
    pub(in super::super) async fn token(self: &Arc<Self>) -> Result<Arc<AccessToken>, OauthError> {
        self.obtain(None).await
    }

    /// A token instead of one that the server has refused.
    pub(in super::super) async fn renew(
        self: &Arc<Self>,
        refused: &Arc<AccessToken>,
    ) -> Result<Arc<AccessToken>, OauthError> {
        self.obtain(Some(refused)).await
    }

    /// Why there is no token, as far as that is known without asking anyone.
    pub(in super::super) fn obstacle(&self) -> Option<String> {
        match &self.holder {
            Holder::Gate => None,
            Holder::User(name) => self.login(name).err().map(|error| error.why),
        }
    }

    /// What to look at where the server does not accept a token.
    pub(in super::super) fn advice(&self) -> String {
        let upstream = &self.client.upstream;
        let table = format!("`scopes` and `resource` under [upstream.{upstream}.oauth]");
        match &self.holder {
            Holder::Gate => format!("look at {table}"),
            Holder::User(name) => format!(
                "`{name}` logs in again with `tollgate upstream login {upstream}`; if that does not help, look at {table}"
            ),
        }
    }

    async fn obtain(
        self: &Arc<Self>,
        refused: Option<&Arc<AccessToken>>,
    ) -> Result<Arc<AccessToken>, OauthError> {
        let mut cache = Arc::clone(&self.cache).lock_owned().await;
        match self.usable(&cache, refused) {
            Ok(Some(token)) => return Ok(token),
            Ok(None) => {}
            Err(error) => {
                cache.token = None;
                return Err(error);
            }
        }
        if let Some((since, error)) = &cache.failed
            && since.elapsed() < FAILED
        {
            return Err(error.clone());
        }
        let (this, refused) = (Arc::clone(self), refused.cloned());
        let renewal = tokio::spawn(async move {
            let renewed = this.renewed(refused.as_deref()).await;
            match &renewed {
                Ok(token) => {
                    cache.token = Some(Arc::clone(token));
                    cache.failed = None;
                }
                Err(error) if error.kind == OauthErrorKind::NoLogin => cache.token = None,
                Err(error) => cache.failed = Some((Instant::now(), error.clone())),
            }
            renewed
        });
        let ended = |_| OauthError::new("the renewal of its token was interrupted");
        let renewed = renewal.await.map_err(ended)?;
        renewed.map_err(|error| match error.kind {
            OauthErrorKind::NoLogin => error,
            _ => OauthError {
                why: format!(
                    "there is no access token ([upstream.{}.oauth]): {}",
                    self.client.upstream, error.why
                ),
                ..error
            },
        })
    }

    /// The token in memory, if it still counts and is not the refused one.
    fn usable(
        &self,
        cache: &CachedToken,
        refused: Option<&Arc<AccessToken>>,
    ) -> Result<Option<Arc<AccessToken>>, OauthError> {
        let version = match &self.holder {
            Holder::Gate => 0,
            // The user may have logged out, or in again.
            Holder::User(name) => self.login(name)?.1.login.version,
        };
        let counts = |token: &&Arc<AccessToken>| {
            let is_refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, token));
            !is_refused && version == token.version && !token.renewal.is_due(self.logins.now())
        };
        Ok(cache.token.as_ref().filter(counts).map(Arc::clone))
    }

    async fn renewed(&self, refused: Option<&AccessToken>) -> Result<Arc<AccessToken>, OauthError> {
        let token = match &self.holder {
            Holder::Gate => self.own().await?,
            Holder::User(name) => self.of_login(name, refused).await?,
        };
        Ok(Arc::new(token))
    }

    async fn own(&self) -> Result<AccessToken, OauthError> {
        let began = self.logins.now();
        let answer = self.client.client_credentials().await?;
        self.know(&answer.access)?;
        let expires = answer.life.map(|life| began.after(life));
        AccessToken::new(&answer.access, Renewal::of(began, expires), 0)
    }

    /// The token of a user's login: the stored one, or one for its refresh token.
    async fn of_login(
        &self,
        user: &str,
        refused: Option<&AccessToken>,
    ) -> Result<AccessToken, OauthError> {
        let (store, sealed) = self.login(user)?;
        let login = &sealed.login;
        let opened = store.open(&sealed).map_err(unreadable)?;
        let tokens: StoredTokens = serde_json::from_slice(&opened)
            .map_err(|_| self.ended(user, "its tokens cannot be read"))?;
        let renewal = renewal_of(login);
        let is_refused = refused.is_some_and(|refused| refused.version == login.version);
        if !renewal.is_due(store.now()) && !is_refused {
            self.know(&tokens.access)?;
            return AccessToken::new(&tokens.access, renewal, login.version);
        }
        let Some(refresh) = &tokens.refresh else {
            return Err(self.ended(user, "it has expired, and cannot be renewed"));
        };
        let LoginTerms {
            issuer, resource, ..
        } = &login.terms;
        let authority = self.client.authorities.of_issuer(issuer, resource).await?;
        let answer = match self.client.refresh(&authority, resource, refresh).await {
            Ok(answer) => answer,
            Err(error) if error.kind == OauthErrorKind::InvalidGrant => {
                let removed = store.remove(user, &self.client.upstream, Some(login.version));
                removed.map_err(unreadable)?;
                return Err(self.ended(user, "the authorization server does not renew it any more"));
            }
            Err(error) => return Err(error),
        };
        let now = store.now();
        let issued = issued(&answer, &login.terms, Some(refresh), now)?;
        match store.renew(login, &issued).map_err(unreadable)? {
            LoginUpdate::Done => {}
            LoginUpdate::Gone => return Err(self.ended(user, "it was removed")),
        }
        let (_, sealed) = self.login(user)?;
        self.know(&answer.access)?;
        AccessToken::new(
            &answer.access,
            renewal_of(&sealed.login),
            sealed.login.version,
        )
    }

    /// The login of a user, if it is one that the configuration means.
    fn login(&self, user: &str) -> Result<(LoginStore, SealedLogin), OauthError> {
        let upstream = &self.client.upstream;
        let store = self.logins.get().ok_or_else(|| {
            OauthError::no_login(format!(
                "users' logins to the upstream server `{upstream}` can only be used once the gate is open"
            ))
        })?;
        let found = store.find(user, upstream).map_err(unreadable)?;
        let fits = |sealed: &SealedLogin| {
            let terms = &sealed.login.terms;
            self.client.authorities.fits(&terms.issuer, &terms.resource)
        };
        match found {
            Some(sealed) if fits(&sealed) => Ok((store, sealed)),
            Some(_) => Err(self.ended(
                user,
                "it is for another authorization server or resource than those that are configured now",
            )),
            None => Err(OauthError::no_login(format!(
                "the upstream server `{upstream}` acts with the rights of its user, and `{user}` has not consented to \
                 that; `{user}` does so with `tollgate upstream login {upstream}`, which no agent can do"
            ))),
        }
    }

    fn ended(&self, user: &str, why: &str) -> OauthError {
        let upstream = &self.client.upstream;
        OauthError::no_login(format!(
            "the login of `{user}` to the upstream server `{upstream}` does not count: {why}; `{user}` logs in again \
             with `tollgate upstream login {upstream}`"
        ))
    }

    /// Remember a token, to remove it from what the server says.
    fn know(&self, token: &str) -> Result<(), OauthError> {
        let known = self.secrets.issue(NAME, token.as_bytes());
        known.map_err(|_| OauthError::new("its token cannot be used"))
    }
}

/// When the token of a login is to be renewed.
fn renewal_of(login: &Login) -> Renewal {
    Renewal::of(login.renewed, login.terms.expires)
}

fn unreadable(error: LedgerError) -> OauthError {
    OauthError::new(format!("users' logins cannot be read: {error}"))
}

#[cfg(test)]
mod tests;
