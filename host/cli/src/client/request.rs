//! Requests of the REST API: method, path and JSON body, and properties that matter for retries.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use serde::Serialize;
use serde_json::{Value, json};
use tollgate_model::canonical::Sha256Digest;
use tollgate_server::auth::peer::{PeerError, USER_HEADER};

use crate::{error::Failure, identity::Claim};

/// A request of the REST API.
#[derive(Debug, Clone)]
pub(crate) struct ApiRequest {
    method: Method,
    path: String,
    body: Option<Value>,
    kind: Kind,
}

/// The kind of a request.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Plain,
    /// A call of a tool, which may have an effect, and the time to wait for an approval.
    Call(Duration),
    /// The definitions of upstream servers to accept. The gate may not open without them.
    Acceptance(Vec<(String, Sha256Digest)>),
}

impl ApiRequest {
    /// A request that reads.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, None)
    }

    /// A request that changes something. `Value::Null` means no body.
    pub(crate) fn post(path: impl Into<String>, body: Value) -> Self {
        Self::new(
            Method::POST,
            path,
            Some(body).filter(|body| !body.is_null()),
        )
    }

    /// A request that removes something.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, None)
    }

    /// A call of a tool that waits for an approval for at most `wait`.
    pub(crate) fn call(body: Value, wait: Duration) -> Self {
        Self {
            kind: Kind::Call(wait),
            ..Self::post("/v1/calls", body)
        }
        .waiting(wait)
    }

    /// Accepts the definitions of upstream servers, each with the digest that was shown.
    pub(crate) fn accept_upstreams(offers: Vec<(String, Sha256Digest)>) -> Self {
        let listed = offers.iter();
        let listed = listed.map(|(name, digest)| json!({ "name": name, "digest": digest }));
        let body = json!({ "offers": listed.collect::<Vec<_>>() });
        Self {
            kind: Kind::Acceptance(offers),
            ..Self::post("/v1/upstreams/accept", body)
        }
    }

    fn new(method: Method, path: impl Into<String>, body: Option<Value>) -> Self {
        Self {
            method,
            path: path.into(),
            body,
            kind: Kind::Plain,
        }
    }

    /// How long the gate may hold the request.
    pub(super) fn wait(&self) -> Duration {
        match self.kind {
            Kind::Call(wait) => wait,
            _ => Duration::ZERO,
        }
    }

    /// The same request with another time to wait.
    pub(super) fn waiting(mut self, wait: Duration) -> Self {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        if let Some(Value::Object(body)) = &mut self.body {
            body.insert("wait_ms".into(), millis.into());
        }
        self
    }

    /// Whether it may have had an effect if the connection breaks.
    pub(super) fn has_effects(&self) -> bool {
        matches!(self.kind, Kind::Call(_))
    }

    /// The definitions to accept, if it is such a request.
    pub(super) fn offers(&self) -> Option<&[(String, Sha256Digest)]> {
        match &self.kind {
            Kind::Acceptance(offers) => Some(offers),
            _ => None,
        }
    }

    /// The HTTP request, as the process's user or as the user of `claim`.
    ///
    /// # Errors
    /// The claim cannot be written in a header.
    pub(super) fn to_http<B: From<Vec<u8>>>(
        &self,
        claim: Option<&Claim>,
    ) -> Result<axum::http::Request<B>, Failure> {
        let mut request = axum::http::Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::HOST, "localhost");
        for (name, value) in credentials(claim)? {
            request = request.header(name, value);
        }
        let body = match &self.body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                body.to_string().into_bytes()
            }
            None => Vec::new(),
        };
        request
            .body(B::from(body))
            .map_err(|e| Failure::plain(format!("{}: {e}", self.path)))
    }
}

/// The headers of another user's token; none for the process's user.
pub(super) fn credentials(
    claim: Option<&Claim>,
) -> Result<Vec<(HeaderName, HeaderValue)>, Failure> {
    let Some(Claim { user, token }) = claim else {
        return Ok(Vec::new());
    };
    let other = || PeerError::OtherToken { user: user.clone() };
    let name = HeaderValue::from_str(user).map_err(|_| other())?;
    let mut token = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| other())?;
    token.set_sensitive(true);
    Ok(vec![
        (HeaderName::from_static(USER_HEADER), name),
        (header::AUTHORIZATION, token),
    ])
}

/// A name as one segment of a path (RFC 3986, section 3.3).
pub(crate) fn segment(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A value as JSON, for a body.
pub(crate) fn value<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
