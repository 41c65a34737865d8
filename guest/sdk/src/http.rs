//! HTTP requests, sent by the host.
//!
//! ```
//! use tollgate_guest::{ToolError, http};
//!
//! fn stars(repository: &str) -> Result<String, ToolError> {
//!     let response = http::get(&format!("https://api.github.com/repos/{repository}"))
//!         .header("accept", "application/vnd.github+json")
//!         .bearer("github")
//!         .send()?;
//!     Ok(response.ok()?.text()?.to_owned())
//! }
//! # use tollgate_guest::testing;
//! # let web = testing::web();
//! # let _secret = testing::secret("github");
//! # web.answer("GET", "https://api.github.com/repos/a/b", 200, "5");
//! # assert_eq!(stars("a/b").unwrap(), "5");
//! ```
//!
//! Policy decides each request, each redirect and each secret, so any of them may be refused: pass the
//! error on with `?`, and the agent reads the host's reason. Responses arrive decoded and whole.

use core::fmt::{self, Display, Formatter};
use core::time::Duration;

use crate::bindings::tollgate::adapter::http as wit;
#[cfg(not(target_family = "wasm"))]
use crate::testing::http as host;
#[cfg(target_family = "wasm")]
use wit as host;

pub use crate::bindings::tollgate::adapter::types::Denial;
pub use wit::{Credential, Error as ErrorKind, Header, Place};

/// The default number of redirects to follow.
const REDIRECTS: u8 = 5;
/// The most bytes of a URL in an error.
const MAX_SHOWN: usize = 200;

/// A request under construction.
#[derive(Clone, Debug)]
#[must_use = "it is not sent until `send` is called"]
pub struct Request(wit::Request);

/// A `GET` of a URL.
pub fn get(url: &str) -> Request {
    request("GET", url)
}

/// A `POST` to a URL; [`Request::body`] or [`Request::json`] sets the body.
pub fn post(url: &str) -> Request {
    request("POST", url)
}

/// A request with any method, in upper case.
pub fn request(method: &str, url: &str) -> Request {
    Request(wit::Request {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        credentials: Vec::new(),
        redirects: REDIRECTS,
        timeout: None,
    })
}

impl Request {
    /// Adds a header field. The host refuses fields that it sets itself, such as `host` and `connection`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.0.headers.push(Header { name, value });
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = Some(body.into());
        self
    }

    /// Sets the body to JSON, and its content type.
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.header("content-type", "application/json")
            .body(value.to_string())
    }

    /// Has the host attach a secret as `authorization: Bearer <secret>`.
    pub fn bearer(self, secret: &str) -> Self {
        self.credential(secret, Place::Bearer)
    }

    /// Has the host attach a secret at a given place.
    pub fn credential(mut self, secret: &str, place: Place) -> Self {
        let secret = secret.to_owned();
        self.0.credentials.push(Credential { secret, place });
        self
    }

    /// How many redirects to follow, at most 10; 0 returns a redirect as it is. The default is 5.
    pub fn redirects(mut self, most: u8) -> Self {
        self.0.redirects = most;
        self
    }

    /// The time limit, including redirects; the default is the rest of the call's time.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.0.timeout = Some(u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Sends it and waits for the response. A status of 400 or more is a response, not an error; see
    /// [`Response::ok`].
    ///
    /// # Errors
    /// If it is refused, or there is no response.
    pub fn send(self) -> Result<Response, Error> {
        let (method, url) = (self.0.method.clone(), without_query(&self.0.url));
        match host::fetch(&self.0) {
            Ok(response) => Ok(Response { method, response }),
            Err(kind) => Err(Error { method, url, kind }),
        }
    }
}

/// A response.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    method: String,
    response: wit::Response,
}

impl Response {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.response.status
    }

    /// The URL that answered, after redirects.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.response.url
    }

    /// The first header field of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.response.headers.iter();
        fields
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.as_str())
    }

    /// All header fields, in their order.
    #[must_use]
    pub fn headers(&self) -> &[Header] {
        &self.response.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.response.body
    }

    /// The body, by value.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.response.body
    }

    /// The response, if its status is below 400.
    ///
    /// # Errors
    /// With the status, for the agent.
    pub fn ok(self) -> Result<Self, Error> {
        let status = self.status();
        if status < 400 {
            return Ok(self);
        }
        Err(self.error(ErrorKind::Failed(format!("the server answered {status}"))))
    }

    /// The body as text.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        core::str::from_utf8(&self.response.body)
            .map_err(|_| self.error(ErrorKind::Malformed("it is not text in UTF-8".to_owned())))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// If it is not JSON, or not of this type.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.response.body).map_err(|e| {
            self.error(ErrorKind::Malformed(format!(
                "it is not the JSON that was expected: {e}"
            )))
        })
    }

    fn error(&self, kind: ErrorKind) -> Error {
        let (method, url) = (self.method.clone(), without_query(self.url()));
        Error { method, url, kind }
    }
}

/// Why a request has no response, or not the expected one.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    method: String,
    url: String,
    kind: ErrorKind,
}

impl Error {
    /// The kind of failure, for code that handles some of them.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { method, url, kind } = self;
        write!(f, "cannot {method} {url}: ")?;
        match kind {
            ErrorKind::Denied(denial) => {
                write!(f, "{} (decision {})", denial.reason, denial.decision)
            }
            ErrorKind::NoSuchSecret(name) => {
                write!(f, "the operator granted this tool no secret `{name}`")
            }
            ErrorKind::Timeout => f.write_str("it took too long"),
            ErrorKind::TooLarge => f.write_str("the response is larger than the host allows"),
            ErrorKind::TooManyRedirects => f.write_str("it redirects too often"),
            ErrorKind::InvalidRequest(how)
            | ErrorKind::Unresolved(how)
            | ErrorKind::Unreachable(how)
            | ErrorKind::Tls(how)
            | ErrorKind::Malformed(how)
            | ErrorKind::Failed(how) => f.write_str(how),
        }
    }
}

impl core::error::Error for Error {}

/// A query may contain secrets, so messages do not show it.
fn without_query(url: &str) -> String {
    let shown = url.split(['?', '#']).next().unwrap_or_default();
    shown.chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests;
