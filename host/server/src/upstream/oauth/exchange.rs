//! Requests to authorization servers, and for the metadata of resources.
//!
//! Each has a connection of its own to addresses that were looked up once, a limit in time and in bytes, and no
//! redirect: what is sent to an endpoint goes to this endpoint only. Encryption may be missing on loopback only. A
//! host that a server names, and not the operator, must be publicly reachable.

use std::{net::IpAddr, time::Duration};

use http::{HeaderMap, HeaderValue, Method, header};
use tollgate::egress::{EgressError, Network, Target, WireRequest, WireResponse, is_global};
use url::{Url, form_urlencoded::Serializer};
use zeroize::Zeroizing;

use super::error::OauthError;

/// Bytes of an answer.
pub(super) const MAX_ANSWER: usize = 64 << 10;
/// How long an exchange may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The client of authorization servers, for one upstream server.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    network: Network,
    /// Hosts that the operator has named, which may have any address.
    named: Vec<String>,
}

/// A form that may hold secrets.
#[derive(Default)]
pub(super) struct Form(Vec<(&'static str, Zeroizing<String>)>);

impl Form {
    pub(super) fn add(&mut self, name: &'static str, value: &str) {
        self.0.push((name, Zeroizing::new(value.to_owned())));
    }

    fn encoded(&self) -> Zeroizing<Vec<u8>> {
        // Every byte may become three; so nothing is moved, and no copy stays behind.
        let room = self
            .0
            .iter()
            .map(|(name, value)| name.len() + 3 * value.len() + 2);
        let mut form = Serializer::new(String::with_capacity(room.sum()));
        for (name, value) in &self.0 {
            form.append_pair(name, value);
        }
        Zeroizing::new(form.finish().into_bytes())
    }
}

impl Exchange {
    pub(super) fn new<'u>(network: &Network, named: impl Iterator<Item = &'u Url>) -> Self {
        let host = |url: &Url| Some(Target::parse(url.as_str()).ok()?.host().to_owned());
        Self {
            network: network.clone(),
            named: named.filter_map(host).collect(),
        }
    }

    /// A document.
    pub(super) async fn get(
        &self,
        url: &Url,
        accept: &'static str,
    ) -> Result<WireResponse, OauthError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        self.send(url, Method::GET, headers, None).await
    }

    /// A form for the token endpoint. `authorization` is the client's credential, if it goes into a header.
    pub(super) async fn post(
        &self,
        url: &Url,
        form: &Form,
        authorization: Option<HeaderValue>,
    ) -> Result<WireResponse, OauthError> {
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::ACCEPT, json);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.extend(authorization.map(|value| (header::AUTHORIZATION, value)));
        self.send(url, Method::POST, headers, Some(form.encoded()))
            .await
    }

    /// A message without credentials, to see what the server demands.
    pub(super) async fn ask(
        &self,
        url: &Url,
        message: &'static str,
    ) -> Result<WireResponse, OauthError> {
        let mut headers = HeaderMap::new();
        let both = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, both);
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        let body = Zeroizing::new(message.as_bytes().to_vec());
        self.send(url, Method::POST, headers, Some(body)).await
    }

    async fn send(
        &self,
        url: &Url,
        method: Method,
        mut headers: HeaderMap,
        body: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<WireResponse, OauthError> {
        let target = Target::parse(url.as_str()).map_err(failed)?;
        let host = HeaderValue::from_str(&target.host_field())
            .map_err(|_| OauthError::new("its URL cannot be used"))?;
        headers.insert(header::HOST, host);
        let agent = concat!("tollgate/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        let request = WireRequest {
            method,
            url: target.url().clone(),
            headers,
            body,
        };
        let exchange = async {
            let addresses = self.network.resolve(&target).await.map_err(failed)?;
            self.permit(&target, &addresses)?;
            let sent = self
                .network
                .send_within(&target, request, &addresses, MAX_ANSWER);
            sent.await.map_err(failed)
        };
        let late = |_| {
            OauthError::new(format!(
                "it does not answer within {} s",
                PATIENCE.as_secs()
            ))
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|elapsed| Err(late(elapsed)))
    }

    /// Whether the request may be sent there.
    fn permit(&self, target: &Target, addresses: &[IpAddr]) -> Result<(), OauthError> {
        let is_local = addresses.iter().all(IpAddr::is_loopback);
        if !target.is_tls() && !is_local {
            return Err(OauthError::new("its URL is not encrypted: it takes https"));
        }
        let is_named = self.named.iter().any(|host| host == target.host());
        if !is_named && !addresses.iter().copied().all(is_global) {
            return Err(OauthError::new(
                "its address is not publicly reachable; if that is right, name it: `issuer`, or `token_url`",
            ));
        }
        Ok(())
    }
}

/// Whether a browser may be sent to this URL, or a token: it is encrypted, or on loopback.
pub(in super::super) fn is_confidential(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        },
        _ => false,
    }
}

fn failed(error: EgressError) -> OauthError {
    OauthError::new(match error {
        EgressError::TooLarge => format!("its answer has more than {MAX_ANSWER} bytes"),
        EgressError::Unresolved(_) => "its name has no address".into(),
        EgressError::Unreachable(_) => "no connection to it comes about".into(),
        EgressError::Tls(_) | EgressError::Certificate(_) => {
            "its certificate is not valid, or not trusted: see `trust` under [network]".into()
        }
        EgressError::Malformed(_) => "its answer is not HTTP, or broke off".into(),
        EgressError::Invalid(_) | EgressError::Failed(_) => "its URL cannot be used".into(),
    })
}

#[cfg(test)]
mod tests;
