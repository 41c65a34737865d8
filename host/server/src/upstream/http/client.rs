//! Requests to one server: the gate's own credentials, its own trust, no proxy, and no redirect to another origin.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::Response;
use tollgate::{
    config::ConfigValue, egress::Network, secrets::Vault, text::printable, upstream::ConnectError,
};
use url::Url;

use super::error::{Delivery, HttpError, Refusal};
use crate::upstream::oauth::{self, AccessToken, AccessTokens, OauthError};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Redirects in a row.
const MAX_REDIRECTS: usize = 4;
/// Bytes of an answer that refuses.
const MAX_REFUSAL: usize = 64 << 10;

/// The way to one server.
#[derive(Debug, Clone)]
pub(in super::super) struct HttpClient {
    client: reqwest::Client,
    url: Url,
    /// What the operator looks at where credentials are not accepted.
    credentials: String,
    /// Where its access tokens come from, if it takes any.
    tokens: Option<Arc<AccessTokens>>,
    /// What is taken out of the server's words.
    secrets: Arc<Vault>,
}

impl HttpClient {
    /// Nothing is sent yet.
    pub(in super::super) async fn new(
        url: &Url,
        headers: &BTreeMap<String, ConfigValue>,
        secrets: &Arc<Vault>,
        network: &Network,
    ) -> Result<Self, ConnectError> {
        let mut map = HeaderMap::new();
        for (name, sent) in headers {
            let unfit = || ConnectError::new(format!("the header `{name}` cannot be sent"));
            let value = super::super::value(sent, secrets).await?;
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
            let mut value = HeaderValue::from_bytes(&value).map_err(|_| unfit())?;
            value.set_sensitive(true);
            map.insert(key, value);
        }
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((**network.tls()).clone())
            .no_proxy()
            // Followed here, where it is seen to which origin.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            // A pooled connection that the server has closed would make a request that was never sent look
            // like one that was.
            .pool_max_idle_per_host(0)
            .default_headers(map)
            .build()
            .map_err(|_| ConnectError::new("the HTTP client does not start"))?;
        Ok(Self {
            client,
            url: url.clone(),
            credentials: credentials(headers),
            tokens: None,
            secrets: Arc::clone(secrets),
        })
    }

    /// The same, with an access token on every request.
    pub(in super::super) fn with_tokens(mut self, tokens: Option<Arc<AccessTokens>>) -> Self {
        if let Some(tokens) = &tokens {
            self.credentials = tokens.advice();
        }
        self.tokens = tokens;
        self
    }

    /// The way to a server of a test, without TLS and credentials.
    #[cfg(test)]
    pub(super) fn for_tests(url: Url, secrets: Arc<Vault>) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .unwrap_or_default();
        Self {
            client,
            url,
            credentials: String::new(),
            secrets,
            tokens: None,
        }
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Send a request to `url`, which has the server's origin: once, unless the server refuses its access token.
    pub(super) async fn send(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Response, HttpError> {
        let Some(tokens) = &self.tokens else {
            return self.follow(method, url, headers, body).await;
        };
        let without = |delivery| move |error: OauthError| HttpError::new(delivery, error.why);
        let token = tokens.token().await.map_err(without(Delivery::Unsent))?;
        let own = with_token(headers, &token);
        let response = self.follow(method, url, &own, body.clone()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        // A server that refuses the credentials has done nothing (RFC 9110, section 15.5.2).
        let renewed = tokens.renew(&token).await.map_err(|error| HttpError {
            status: Some(StatusCode::UNAUTHORIZED),
            ..without(Delivery::NotTaken)(error)
        })?;
        let own = with_token(headers, &renewed);
        self.follow(method, url, &own, body).await
    }

    /// Send a request, once, and to where the server redirects it to within its origin. The answer has any status but a
    /// redirect.
    async fn follow(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Response, HttpError> {
        let mut url = url.clone();
        for hop in 0..=MAX_REDIRECTS {
            let mut request = self.client.request(method.clone(), url.clone());
            request = request.headers(headers.clone());
            if let Some(body) = &body {
                request = request.body(body.clone());
            }
            let sent = request.send().await;
            let response = sent.map_err(|error| match HttpError::of_exchange(&error) {
                // The server that redirects it has had it.
                unsent if hop > 0 && unsent.delivery == Delivery::Unsent => HttpError {
                    delivery: Delivery::NotTaken,
                    ..unsent
                },
                error => error,
            })?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            url = self.redirected(method, &url, &response)?;
        }
        let why = format!("it redirects more than {MAX_REDIRECTS} times in a row");
        Err(HttpError::new(Delivery::NotTaken, why))
    }

    /// Where a redirect leads to, if it may be followed.
    fn redirected(
        &self,
        method: &Method,
        from: &Url,
        response: &Response,
    ) -> Result<Url, HttpError> {
        let location = response.headers().get(header::LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let target = location.and_then(|location| from.join(location).ok());
        let code = response.status().as_u16();
        let said = |location| printable(&self.secrets.scrub_text(location), 300);
        let refused = |why: String| HttpError {
            said: location.map(said),
            status: Some(response.status()),
            ..HttpError::new(redirect_delivery(method, response.status()), why)
        };
        let Some(target) = target else {
            return Err(refused(format!("it redirects to nowhere (HTTP {code})")));
        };
        if target.origin() != self.url.origin() {
            // The credentials are for the origin that the operator has named.
            return Err(refused(format!(
                "it redirects to another origin (HTTP {code}), which is not sent the credentials: see where with \
                 `curl -i`, and make that its `url`, if it is right"
            )));
        }
        if has_credentials(&target) {
            return Err(refused(format!(
                "it redirects to a URL with credentials in it (HTTP {code})"
            )));
        }
        match response.status() {
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => Ok(target),
            _ => Err(refused(format!(
                "it redirects by HTTP {code}, by which the message would be lost: see where with `curl -i`, and make \
                 that its `url`"
            ))),
        }
    }

    /// Add the scopes that would have sufficed, in the server's words (RFC 6750, section 3.1).
    fn add_scopes(&self, error: &mut HttpError, headers: &HeaderMap) {
        let fields = headers.get_all(header::WWW_AUTHENTICATE).iter();
        let challenge = oauth::bearer(fields.map(HeaderValue::as_bytes)).unwrap_or_default();
        if challenge.error.as_deref() != Some("insufficient_scope") {
            return;
        }
        error.why.push_str("; the token lacks a scope");
        if let Some(scope) = challenge.scope {
            let scope = printable(&self.secrets.scrub_text(&scope), 200);
            let before = error.said.take().unwrap_or_default();
            error.said = Some(format!("scope: {scope} {before}").trim_end().to_owned());
        }
    }

    /// What an answer that refuses means. Reads its body, and gives that back.
    pub(super) async fn refusal(
        &self,
        response: Response,
        in_session: bool,
    ) -> (HttpError, String) {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = body(response, MAX_REFUSAL).await.unwrap_or_default();
        let body = String::from_utf8_lossy(&body).into_owned();
        let refusal = Refusal {
            status,
            headers: &headers,
            body: &body,
            in_session,
            credentials: &self.credentials,
            secrets: &self.secrets,
        };
        let mut error = refusal.error();
        if self.tokens.is_some() && status == StatusCode::FORBIDDEN {
            self.add_scopes(&mut error, &headers);
        }
        (error, body)
    }
}

/// These headers and the token.
fn with_token(headers: &HeaderMap, token: &AccessToken) -> HeaderMap {
    let mut own = headers.clone();
    own.insert(header::AUTHORIZATION, token.header().clone());
    own
}

/// The outcome of a request whose redirect is not followed. By 302 and its like many a server redirects
/// after it has done what was asked.
fn redirect_delivery(method: &Method, status: StatusCode) -> Delivery {
    match status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => Delivery::NotTaken,
        _ if method == Method::GET => Delivery::NotTaken,
        _ => Delivery::Unknown,
    }
}

/// Whether a URL names a user or a password, which would be sent instead of the gate's own.
pub(super) fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// The body, if it has no more than `max` bytes.
pub(super) async fn body(mut response: Response, max: usize) -> Result<Vec<u8>, HttpError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(piece)) if body.len() + piece.len() <= max => body.extend_from_slice(&piece),
            Ok(Some(_)) => {
                return Err(HttpError::unknown(format!(
                    "its answer has more than {max} bytes"
                )));
            }
            Ok(None) => return Ok(body),
            Err(_) => return Err(HttpError::unknown("the connection broke in the answer")),
        }
    }
}

/// The media type of a response, in lower case, without parameters.
pub(super) fn media_type(response: &Response) -> String {
    let value = response.headers().get(header::CONTENT_TYPE);
    let value = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (kind, _) = value.split_once(';').unwrap_or((value, ""));
    kind.trim().to_ascii_lowercase()
}

/// What the operator looks at where credentials are not accepted.
fn credentials(headers: &BTreeMap<String, ConfigValue>) -> String {
    let secrets: Vec<String> = headers
        .iter()
        .filter_map(|(header, value)| match value {
            ConfigValue::Secret { name, .. } => Some(format!(
                "the secret `{name}`, which it is sent as `{header}`"
            )),
            ConfigValue::Literal(_) => None,
        })
        .collect();
    match secrets.is_empty() {
        true => "name one with `secret = \"NAME\"` in its table".into(),
        false => format!("look at {}", secrets.join(", and at ")),
    }
}

#[cfg(test)]
mod tests;
