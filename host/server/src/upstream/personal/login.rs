//! A user logs in: the authorization code grant with PKCE (RFC 6749, section 4.1; RFC 7636), by the user's own browser
//! and a redirect to this machine (RFC 8252).

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tollgate::{
    config::AuthorizationServer,
    upstream::{BoxFuture, IssuedLogin, LoginAnswer, LoginError, LoginRequest, UserLogins},
};
use tollgate_ledger::LoginTerms;
use url::Url;
use zeroize::Zeroizing;

use super::PersonalServer;
use crate::upstream::oauth::{
    Authority, OauthClient, OauthError, is_confidential, issued, random_text, s256,
};

/// How long a user may take.
const VALID: Duration = Duration::from_secs(600);
/// Logins of one user that have begun; the oldest gives way.
const MAX_PENDING: usize = 4;
/// Codes of errors of authorization endpoints (RFC 6749, section 4.1.2.1).
const ERRORS: &[&str] = &[
    "access_denied",
    "consent_required",
    "interaction_required",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "login_required",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_response_type",
];

/// Logins that have begun, by their state.
#[derive(Debug, Default)]
pub(super) struct PendingLogins(HashMap<String, PendingLogin>);

struct PendingLogin {
    user: String,
    verifier: Zeroizing<String>,
    redirect: String,
    authority: Arc<Authority>,
    since: Instant,
}

impl std::fmt::Debug for PendingLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PendingLogin")
    }
}

impl PendingLogin {
    fn is_valid(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < VALID
    }
}

impl PendingLogins {
    fn add(&mut self, state: &str, pending: PendingLogin) {
        let now = pending.since;
        self.0.retain(|_, known| known.is_valid(now));
        let of_user = self
            .0
            .iter()
            .filter(|(_, known)| known.user == pending.user);
        let mut of_user: Vec<(Instant, String)> = of_user
            .map(|(state, known)| (known.since, state.clone()))
            .collect();
        of_user.sort();
        let surplus = (of_user.len() + 1).saturating_sub(MAX_PENDING);
        for (_, oldest) in of_user.into_iter().take(surplus) {
            self.0.remove(&oldest);
        }
        self.0.insert(state.to_owned(), pending);
    }

    /// The login with this state, if this user has begun it. It counts once.
    fn take(&mut self, user: &str, state: &str, now: Instant) -> Option<PendingLogin> {
        let known = self.0.get(state)?;
        if known.user != user || !known.is_valid(now) {
            return None;
        }
        self.0.remove(state)
    }
}

impl UserLogins for PersonalServer {
    fn begin<'a>(
        &'a self,
        user: &'a str,
        redirect: &'a Url,
    ) -> BoxFuture<'a, Result<LoginRequest, LoginError>> {
        Box::pin(self.begin_login(user, redirect))
    }

    fn complete<'a>(
        &'a self,
        user: &'a str,
        answer: LoginAnswer,
    ) -> BoxFuture<'a, Result<IssuedLogin, LoginError>> {
        Box::pin(self.complete_login(user, answer))
    }
}

impl PersonalServer {
    fn failed(&self, error: &OauthError) -> LoginError {
        LoginError::Failed(format!(
            "the login to `{0}` failed ([upstream.{0}.oauth]): {1}",
            self.client.upstream, error.why
        ))
    }

    fn rejected(&self, why: &str) -> LoginError {
        LoginError::Rejected(format!(
            "the answer does not count: {why}; begin again with `tollgate upstream login {}`",
            self.client.upstream
        ))
    }

    async fn begin_login(&self, user: &str, redirect: &Url) -> Result<LoginRequest, LoginError> {
        let authority = self.client.authorities.current().await;
        let authority = authority.map_err(|error| self.failed(&error))?;
        let discovers = self.client.config.server == AuthorizationServer::Discovered;
        check_names_itself(&authority, discovers).map_err(|error| self.failed(&error))?;
        let none = || self.failed(&OauthError::new("the operating system gives no randomness"));
        let state = random_text().ok_or_else(none)?;
        let verifier = Zeroizing::new(random_text().ok_or_else(none)?);
        let request = AuthorizationRequest {
            client: &self.client,
            authority: &authority,
            redirect,
            state: &state,
            challenge: &s256(&verifier),
        };
        let url = request.url().map_err(|error| self.failed(&error))?;
        let issuer = authority.issuer.clone();
        let pending = PendingLogin {
            user: user.into(),
            verifier,
            redirect: redirect.to_string(),
            authority,
            since: Instant::now(),
        };
        let mut begun = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        begun.add(&state, pending);
        Ok(LoginRequest {
            state,
            url,
            issuer,
            lasts_seconds: VALID.as_secs(),
        })
    }

    async fn complete_login(
        &self,
        user: &str,
        answer: LoginAnswer,
    ) -> Result<IssuedLogin, LoginError> {
        let pending = {
            let mut begun = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            begun.take(user, &answer.state, Instant::now())
        };
        let pending = pending.ok_or_else(|| {
            self.rejected("it belongs to no login that you have begun in the last ten minutes")
        })?;
        let authority = &pending.authority;
        check_issuer(authority, answer.iss.as_deref()).map_err(|why| self.rejected(why))?;
        if let Some(error) = &answer.error {
            let known = ERRORS.iter().find(|known| **known == error.as_str());
            let code = known.copied().unwrap_or("an error that is not known");
            return Err(self.failed(&OauthError::new(format!(
                "the authorization server does not permit it: {code}"
            ))));
        }
        let code = answer.code.map(Zeroizing::new);
        let code = code
            .filter(|code| !code.is_empty() && code.bytes().all(|b| (b' '..=b'~').contains(&b)));
        let code = code.ok_or_else(|| self.rejected("it holds no code"))?;
        let store = self.logins.get();
        let store = store.ok_or_else(|| self.rejected("the gate is about to stop"))?;
        let exchanged =
            self.client
                .exchange_code(authority, &code, &pending.verifier, &pending.redirect);
        let tokens = exchanged.await.map_err(|error| self.failed(&error))?;
        let terms = LoginTerms {
            issuer: authority.issuer.clone(),
            resource: authority.resource.clone(),
            scopes: self.client.scopes(),
            expires: None,
            renewable: false,
        };
        issued(&tokens, &terms, None, store.now()).map_err(|error| self.failed(&error))
    }
}

/// Checks that an answer of another authorization server would be noticed (RFC 9700, section 4.4). If the upstream server
/// names the authorization server (`discovers`), that may send the browser on to another one, whose code it would get with
/// the verifier. One that the operator names is trusted not to.
fn check_names_itself(authority: &Authority, discovers: bool) -> Result<(), OauthError> {
    if !discovers || authority.has_iss {
        return Ok(());
    }
    Err(OauthError::new(format!(
        "the upstream server names the authorization server {}, whose answers do not say from whom they are (RFC 9207); \
         if it is the one that you expect, name it: `issuer`",
        tollgate::text::printable(&authority.issuer, 200)
    )))
}

/// Whether the answer comes from the server that was asked (RFC 9207, section 2.4).
fn check_issuer(authority: &Authority, iss: Option<&str>) -> Result<(), &'static str> {
    match iss {
        Some(iss) if authority.has_issuer && iss == authority.issuer => Ok(()),
        Some(_) if authority.has_issuer => Err("another authorization server gave it"),
        Some(_) => {
            Err("it names its issuer, and none is configured to compare it with: write `issuer`")
        }
        None if authority.has_iss => Err("it does not name its issuer"),
        None => Ok(()),
    }
}

/// A request of the authorization code grant.
struct AuthorizationRequest<'a> {
    client: &'a OauthClient,
    authority: &'a Authority,
    redirect: &'a Url,
    state: &'a str,
    challenge: &'a str,
}

impl AuthorizationRequest<'_> {
    /// Where the user's browser goes.
    fn url(&self) -> Result<Url, OauthError> {
        let Self {
            client, authority, ..
        } = self;
        let endpoint = authority.authorization.as_ref();
        let endpoint = endpoint.ok_or_else(|| {
            OauthError::new(
                "the authorization server names no authorization endpoint; write `authorization_url` and `token_url`",
            )
        })?;
        if !is_confidential(endpoint) {
            return Err(OauthError::new(
                "the authorization endpoint is not encrypted: it takes https",
            ));
        }
        if authority.has_s256 == Some(false) {
            return Err(OauthError::new(
                "the authorization server does not say that it supports PKCE with S256 \
                 (`code_challenge_methods_supported`), without which a code could be stolen",
            ));
        }
        let scopes = client.scopes();
        let redirect = self.redirect.as_str();
        let parameters = [
            ("response_type", "code"),
            ("client_id", client.config.client_id.as_str()),
            ("redirect_uri", redirect),
            ("state", self.state),
            ("code_challenge", self.challenge),
            ("code_challenge_method", "S256"),
            ("resource", authority.resource.as_str()),
        ];
        let mut url = endpoint.clone();
        let is_own = |name: &str| {
            ["scope", "prompt", "response_mode", "request", "request_uri"].contains(&name)
                || parameters.iter().any(|(own, _)| *own == name)
        };
        if endpoint.query_pairs().any(|(name, _)| is_own(&name)) {
            return Err(OauthError::new(
                "the authorization endpoint has parameters of the request in its URL",
            ));
        }
        let mut query = url.query_pairs_mut();
        query.extend_pairs(parameters);
        if !scopes.is_empty() {
            query.append_pair("scope", &scopes);
        }
        // OpenID Connect Core, section 11.
        if client
            .config
            .scopes
            .iter()
            .any(|scope| scope == "offline_access")
        {
            query.append_pair("prompt", "consent");
        }
        drop(query);
        Ok(url)
    }
}

#[cfg(test)]
mod tests;
