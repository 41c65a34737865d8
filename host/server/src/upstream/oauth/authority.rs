//! The authorization server of an upstream server: the configured one, or the one that the server names.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tollgate::{
    config::{AuthorizationServer, UpstreamOauth},
    egress::WireResponse,
};
use url::Url;

use super::{
    challenge,
    error::OauthError,
    exchange::{Exchange, is_confidential},
    metadata::{self, ResourceMetadata, is_resource_of, resource_locations, server_locations},
};

/// How long metadata counts.
const VALID: Duration = Duration::from_secs(3600);
/// The most servers of stored logins that are remembered.
const MAX_FORMER: usize = 8;
const JSON: &str = "application/json";
/// A request that has no effect, and that a server answers with its challenge.
const PING: &str = r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#;

/// An authorization server, and the resource for which it issues tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Authority {
    /// Its issuer; the token endpoint, if no issuer is known.
    pub(in super::super) issuer: String,
    /// Whether the issuer is known.
    pub(in super::super) has_issuer: bool,
    pub(in super::super) token: Url,
    pub(in super::super) authorization: Option<Url>,
    /// How clients may authenticate; absent: it does not say.
    pub(in super::super) authentication: Option<Vec<String>>,
    /// Whether it supports PKCE with S256; absent: not known.
    pub(in super::super) has_s256: Option<bool>,
    /// Whether its answers name the issuer.
    pub(in super::super) has_iss: bool,
    pub(in super::super) resource: String,
}

/// Finds the authorization server, and remembers it for a while.
#[derive(Debug)]
pub(in super::super) struct Authorities {
    /// The upstream server's URL.
    url: Url,
    config: UpstreamOauth,
    exchange: Exchange,
    found: tokio::sync::Mutex<Option<(Instant, Arc<Authority>)>>,
    /// Servers of stored logins, which new logins do not use; the latest last.
    former: tokio::sync::Mutex<Vec<(Instant, Arc<Authority>)>>,
}

impl Authorities {
    pub(super) fn new(url: &Url, config: &UpstreamOauth, exchange: Exchange) -> Self {
        Self {
            url: url.clone(),
            config: config.clone(),
            exchange,
            found: tokio::sync::Mutex::default(),
            former: tokio::sync::Mutex::default(),
        }
    }

    /// The authorization server for new tokens.
    pub(in super::super) async fn current(&self) -> Result<Arc<Authority>, OauthError> {
        let mut found = self.found.lock().await;
        if let Some((since, authority)) = &*found
            && since.elapsed() < VALID
        {
            return Ok(Arc::clone(authority));
        }
        let authority = Arc::new(self.find().await?);
        *found = Some((Instant::now(), Arc::clone(&authority)));
        Ok(authority)
    }

    /// The authorization server that has issued tokens before: the upstream server may name another one by now, which
    /// is not sent them.
    pub(super) async fn of_issuer(
        &self,
        issuer: &str,
        resource: &str,
    ) -> Result<Arc<Authority>, OauthError> {
        if self.config.server != AuthorizationServer::Discovered {
            return self.current().await;
        }
        let is_meant = |(since, authority): &(Instant, Arc<Authority>)| {
            since.elapsed() < VALID && authority.issuer == issuer && authority.resource == resource
        };
        if let Some((_, authority)) = self.found.lock().await.as_ref().filter(|f| is_meant(f)) {
            return Ok(Arc::clone(authority));
        }
        // Apart from the one for new logins: the upstream server may have named this one long ago.
        let mut former = self.former.lock().await;
        if let Some((_, authority)) = former.iter().find(|found| is_meant(found)) {
            return Ok(Arc::clone(authority));
        }
        let authority = Arc::new(self.described(issuer, resource.to_owned()).await?);
        former.retain(|(since, known)| since.elapsed() < VALID && known.issuer != issuer);
        if former.len() >= MAX_FORMER {
            former.remove(0);
        }
        former.push((Instant::now(), Arc::clone(&authority)));
        Ok(authority)
    }

    /// Look again next time: an endpoint may have moved.
    pub(super) async fn forget(&self) {
        *self.found.lock().await = None;
        self.former.lock().await.clear();
    }

    /// Whether tokens of this issuer for this resource are those that the configuration means.
    pub(super) fn fits(&self, issuer: &str, resource: &str) -> bool {
        let is_issuer = match &self.config.server {
            AuthorizationServer::Discovered => true,
            AuthorizationServer::Issuer(configured) => issuer == configured,
            AuthorizationServer::Endpoints {
                issuer: Some(configured),
                ..
            } => issuer == configured,
            AuthorizationServer::Endpoints {
                token,
                issuer: None,
                ..
            } => issuer == token.as_str(),
        };
        let is_resource = match (&self.config.resource, &self.config.server) {
            (Some(configured), _) => resource == configured,
            (None, AuthorizationServer::Discovered) => is_resource_of(resource, &self.url),
            (None, _) => resource == own_resource(&self.url),
        };
        is_issuer && is_resource
    }

    async fn find(&self) -> Result<Authority, OauthError> {
        let resource = || {
            let configured = self.config.resource.clone();
            configured.unwrap_or_else(|| own_resource(&self.url))
        };
        match &self.config.server {
            AuthorizationServer::Discovered => {
                let ResourceMetadata { resource, issuer } = self.resource().await?;
                self.described(&issuer, resource).await
            }
            AuthorizationServer::Issuer(issuer) => self.described(issuer, resource()).await,
            AuthorizationServer::Endpoints {
                token,
                authorization,
                issuer,
            } => Ok(Authority {
                issuer: issuer.clone().unwrap_or_else(|| token.to_string()),
                has_issuer: issuer.is_some(),
                token: token.clone(),
                authorization: authorization.clone(),
                authentication: None,
                has_s256: None,
                has_iss: false,
                resource: resource(),
            }),
        }
    }

    /// What the upstream server says of itself: where the standard puts it, or where its challenge says that it is.
    async fn resource(&self) -> Result<ResourceMetadata, OauthError> {
        let mut last = "it has no metadata (RFC 9728)".to_owned();
        for location in resource_locations(&self.url) {
            match self.resource_at(&location).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) => last = error.why,
            }
        }
        match self.challenged().await {
            Ok(Some(location)) => match self.resource_at(&location).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) => last = error.why,
            },
            Ok(None) => {}
            Err(error) => last = error.why,
        }
        Err(OauthError::new(format!(
            "it does not say which authorization server it trusts: {last}; name that server: `issuer`"
        )))
    }

    async fn resource_at(&self, location: &Url) -> Result<Option<ResourceMetadata>, OauthError> {
        let response = self.exchange.get(location, JSON).await?;
        if response.status != 200 {
            return Ok(None);
        }
        let expected = self.config.resource.as_deref();
        let read = metadata::resource_metadata(&response.body, &self.url, expected);
        read.map(Some).map_err(OauthError::new)
    }

    /// Where the server's challenge says that its metadata is: only at its own origin.
    async fn challenged(&self) -> Result<Option<Url>, OauthError> {
        let response = self.exchange.ask(&self.url, PING).await?;
        let location = challenge::bearer(challenges(&response))
            .and_then(|challenge| challenge.resource_metadata)
            .and_then(|location| Url::parse(&location).ok());
        match location {
            Some(location) if location.origin() == self.url.origin() => Ok(Some(location)),
            Some(_) => Err(OauthError::new(
                "its challenge names metadata at another origin",
            )),
            None => Ok(None),
        }
    }

    /// What an issuer says of itself.
    async fn described(&self, issuer: &str, resource: String) -> Result<Authority, OauthError> {
        let at = |error: OauthError| OauthError {
            why: format!(
                "the authorization server {}: {}",
                tollgate::text::printable(issuer, 200),
                error.why
            ),
            ..error
        };
        let described = async {
            let url = Url::parse(issuer).map_err(|_| OauthError::new("it is not a URL"))?;
            if !is_confidential(&url) {
                return Err(OauthError::new("its URL is not encrypted: it takes https"));
            }
            let mut last = OauthError::new(
                "it has no metadata (RFC 8414); write `token_url` (and `authorization_url`) yourself",
            );
            for location in server_locations(&url) {
                match self.exchange.get(&location, JSON).await {
                    Ok(response) if response.status == 200 => {
                        return metadata::server_metadata(&response.body, issuer)
                            .map_err(OauthError::new);
                    }
                    Ok(_) => {}
                    Err(error) => last = error,
                }
            }
            Err(last)
        };
        let metadata = described.await.map_err(at)?;
        Ok(Authority {
            issuer: issuer.to_owned(),
            has_issuer: true,
            token: metadata.token,
            authorization: metadata.authorization,
            authentication: metadata.authentication,
            has_s256: Some(metadata.has_s256),
            has_iss: metadata.has_iss,
            resource,
        })
    }
}

/// The fields with challenges.
fn challenges(response: &WireResponse) -> impl Iterator<Item = &[u8]> {
    let fields = response.headers.iter();
    let fields = fields.filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"));
    fields.map(|(_, value)| value.as_slice())
}

/// What a server is called as a resource, if neither it nor the operator says so: its URL, without the query
/// (RFC 8707, section 2), and without the slash that stands for no path.
fn own_resource(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    url.set_query(None);
    match url.path() {
        "/" => url.as_str().trim_end_matches('/').to_owned(),
        _ => url.into(),
    }
}

#[cfg(test)]
mod tests;
