//! A guest's request, its response, and its errors.

use std::{collections::BTreeSet, time::Duration};

use hyper::{
    Method,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use tollgate_egress::{ACCEPTED_CODINGS, Target, WireRequest, WireResponse, header_text};
use tollgate_model::text::printable;
use zeroize::Zeroizing;

use super::{
    Credential, HttpError, MAX_BODY, MAX_CREDENTIALS, MAX_REDIRECTS, OutboundRequest, headers,
};

/// The field `user-agent`, unless the guest sets one.
const USER_AGENT: &str = concat!("tollgate/", env!("CARGO_PKG_VERSION"));

/// A request as a guest passes it: untrusted.
#[derive(Debug, Clone)]
pub(crate) struct FetchRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) credentials: Vec<Credential>,
    /// 0 returns a redirect as it is.
    pub(crate) redirects: u8,
    pub(crate) timeout: Option<Duration>,
}

/// The response, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchResponse {
    pub(crate) status: u16,
    /// The URL that answered.
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// One request on the way: the first, or one that a redirect led to.
#[derive(Debug, Clone)]
pub(in crate::capability::http) struct RequestHop {
    pub(in crate::capability::http) target: Target,
    pub(in crate::capability::http) method: Method,
    pub(in crate::capability::http) headers: HeaderMap,
    pub(in crate::capability::http) body: Option<Vec<u8>>,
    pub(in crate::capability::http) credentials: Vec<Credential>,
    /// How many redirects led here.
    pub(in crate::capability::http) redirects: u64,
    /// Whether one of them left the first request's origin.
    pub(in crate::capability::http) is_elsewhere: bool,
}

impl RequestHop {
    /// The first request, if the guest's input is valid.
    pub(in crate::capability::http) fn first(
        request: &FetchRequest,
        granted: &BTreeSet<String>,
    ) -> Result<Self, HttpError> {
        let invalid = |how: &str| Err(HttpError::Invalid(how.into()));
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
            _ => return invalid("the method cannot be sent; write one such as GET or POST"),
        };
        if request.redirects > MAX_REDIRECTS {
            return invalid(&format!("at most {MAX_REDIRECTS} redirects are followed"));
        }
        if request.credentials.len() > MAX_CREDENTIALS {
            return invalid(&format!(
                "there are more than {MAX_CREDENTIALS} credentials"
            ));
        }
        if request
            .body
            .as_ref()
            .is_some_and(|body| body.len() > MAX_BODY)
        {
            return invalid(&format!("the body is larger than {} MiB", MAX_BODY >> 20));
        }
        let headers = headers::parse_guest_headers(&request.headers)?;
        for credential in &request.credentials {
            if !granted.contains(&credential.secret) {
                return Err(HttpError::NoSuchSecret(printable(&credential.secret, 80)));
            }
            credential
                .placement
                .check(&headers, request.body.as_deref())?;
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

    /// The text that an approver sees and that an approval is bound to.
    pub(in crate::capability::http) fn outgoing(&self) -> OutboundRequest {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        let secret = |credential: &Credential| {
            (
                credential.secret.clone(),
                format!("{:?}", credential.placement),
            )
        };
        OutboundRequest {
            method: self.method.to_string(),
            url: self.target.url().to_string(),
            headers: self.headers.iter().map(header).collect(),
            body: self.body.clone(),
            secrets: self.credentials.iter().map(secret).collect(),
        }
    }

    /// The request for the wire, without secrets.
    pub(in crate::capability::http) fn wire(
        &self,
        trace: Option<&str>,
    ) -> Result<WireRequest, HttpError> {
        let mut headers = self.headers.clone();
        let value = |text: &str| {
            HeaderValue::from_str(text)
                .map_err(|_| HttpError::Failed("a header field is not valid".into()))
        };
        headers.insert(header::HOST, value(&self.target.host_field())?);
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static(ACCEPTED_CODINGS),
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
        Ok(WireRequest {
            method: self.method.clone(),
            url: self.target.url().clone(),
            headers,
            body,
        })
    }

    /// The response as the guest gets it.
    pub(in crate::capability::http) fn response(&self, response: WireResponse) -> FetchResponse {
        let header = |(name, value)| (name, header_text(value));
        FetchResponse {
            status: response.status,
            url: self.target.url().to_string(),
            headers: response.headers.into_iter().map(header).collect(),
            body: response.body,
        }
    }
}
