//! A request as a guest asks for it, what comes of it, and why nothing does.

use std::{collections::BTreeSet, time::Duration};

use hyper::{
    Method,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use zeroize::Zeroizing;

use super::{
    MAX_BODY, MAX_CREDENTIALS, MAX_REDIRECTS,
    credential::{Credential, Wire},
    decode, headers,
    target::Target,
};
use crate::enforce::{Outgoing, Refusal};

/// What a server is told about who asks, where the guest says nothing.
const USER_AGENT: &str = concat!("tollgate/", env!("CARGO_PKG_VERSION"));

/// A request as a guest asks for it: nothing of it is trusted.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct Request {
    pub(in crate::sandbox) method: String,
    pub(in crate::sandbox) url: String,
    pub(in crate::sandbox) headers: Vec<(String, String)>,
    pub(in crate::sandbox) body: Option<Vec<u8>>,
    pub(in crate::sandbox) credentials: Vec<Credential>,
    /// 0 returns a redirect as it is.
    pub(in crate::sandbox) redirects: u8,
    pub(in crate::sandbox) timeout: Option<Duration>,
}

/// What came back, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) struct Response {
    pub(in crate::sandbox) status: u16,
    /// The URL that answered.
    pub(in crate::sandbox) url: String,
    pub(in crate::sandbox) headers: Vec<(String, String)>,
    pub(in crate::sandbox) body: Vec<u8>,
}

/// Why there is no response. No text holds a secret, a query or an address of the host's networks.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) enum Fault {
    /// The request is none.
    Invalid(String),
    /// It is denied, or could not be decided or recorded.
    Refused(Box<Refusal>),
    /// The same, for where a redirect led.
    RefusedRedirect(Box<Refusal>, String),
    /// The host has an address of somebody's own network, and the operator did not say that it may.
    Private(String),
    /// The component was granted no such secret.
    NoSuchSecret(String),
    /// The name has no address.
    Unresolved(String),
    /// There is no connection.
    Unreachable(String),
    /// The connection is not safe.
    Tls(String),
    /// Whoever answered is not proven to be the host.
    Certificate(String),
    /// Time is up.
    Timeout,
    /// The response is too large.
    TooLarge,
    /// One redirect too many.
    TooManyRedirects,
    /// The response is not understood.
    Malformed(String),
    /// The host failed.
    Failed(String),
    /// The call was over before it was done.
    CallOver,
}

impl Fault {
    /// What the record says.
    pub(super) fn description(&self) -> String {
        match self {
            Self::Invalid(how)
            | Self::Unresolved(how)
            | Self::Unreachable(how)
            | Self::Tls(how)
            | Self::Certificate(how)
            | Self::Malformed(how)
            | Self::Failed(how) => how.clone(),
            Self::Refused(_) | Self::RefusedRedirect(..) => "refused".into(),
            Self::Private(host) => not_public(host),
            Self::NoSuchSecret(name) => format!("no secret `{name}` was granted"),
            Self::Timeout => "timed out".into(),
            Self::TooLarge => "the response is too large".into(),
            Self::TooManyRedirects => "too many redirects".into(),
            Self::CallOver => "the call was over".into(),
        }
    }
}

/// Why a host in a private network is refused, and what to do about it.
pub(super) fn not_public(host: &str) -> String {
    format!(
        "{host} has an address in a private network, which the operator must allow: \
         [hosts.\"{host}\"] with allow_private = true"
    )
}

/// One request on the way: the first, or one that a redirect led to.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) target: Target,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
    pub(super) credentials: Vec<Credential>,
    /// How many redirects led here.
    pub(super) redirects: u64,
    /// Whether one of them left the first request's origin.
    pub(super) is_elsewhere: bool,
}

impl Hop {
    /// The first: what a guest asks for, if it is a request at all.
    pub(super) fn first(request: &Request, granted: &BTreeSet<String>) -> Result<Self, Fault> {
        let invalid = |how: &str| Err(Fault::Invalid(how.into()));
        let target = Target::parse(&request.url)?;
        let is_legal = (1..=32).contains(&request.method.len())
            && request
                .method
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b == b'-');
        let method = match Method::from_bytes(request.method.as_bytes()) {
            Ok(method) if is_legal && method != Method::CONNECT && method != Method::TRACE => {
                method
            }
            _ => return invalid("the method is none that is sent; write one such as GET or POST"),
        };
        if request.redirects > MAX_REDIRECTS {
            return invalid("no more than 10 redirects are followed");
        }
        if request.credentials.len() > MAX_CREDENTIALS {
            return invalid("there are more than 8 credentials");
        }
        if request
            .body
            .as_ref()
            .is_some_and(|body| body.len() > MAX_BODY)
        {
            return invalid("the body is larger than 8 MiB");
        }
        let headers = headers::of_guest(&request.headers)?;
        for credential in &request.credentials {
            if !granted.contains(&credential.secret) {
                return Err(Fault::NoSuchSecret(crate::text::printable(
                    &credential.secret,
                    80,
                )));
            }
            credential.place.check(&headers, request.body.as_deref())?;
        }
        Ok(Self {
            target,
            method,
            headers,
            body: request.body.clone(),
            credentials: request.credentials.clone(),
            redirects: 0,
            is_elsewhere: false,
        })
    }

    /// What an approver would see of it, and what an approval of it is bound to.
    pub(super) fn outgoing(&self) -> Outgoing {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        let secret = |credential: &Credential| {
            (credential.secret.clone(), format!("{:?}", credential.place))
        };
        Outgoing {
            method: self.method.to_string(),
            url: self.target.url().to_string(),
            headers: self.headers.iter().map(header).collect(),
            body: self.body.clone(),
            secrets: self.credentials.iter().map(secret).collect(),
        }
    }

    /// What goes on the wire, but for secrets.
    pub(super) fn wire(&self, trace: Option<&str>) -> Result<Wire, Fault> {
        let mut headers = self.headers.clone();
        let value = |text: &str| {
            HeaderValue::from_str(text)
                .map_err(|_| Fault::Failed("a header field is not valid".into()))
        };
        headers.insert(header::HOST, value(&self.target.host_field())?);
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static(decode::ACCEPTED),
        );
        headers
            .entry(header::USER_AGENT)
            .or_insert(HeaderValue::from_static(USER_AGENT));
        headers
            .entry(header::ACCEPT)
            .or_insert(HeaderValue::from_static("*/*"));
        if let Some(trace) = trace {
            headers.insert("traceparent", value(trace)?);
        }
        let body = self.body.clone().map(Zeroizing::new);
        Ok(Wire {
            url: self.target.url().clone(),
            headers,
            body,
        })
    }
}
