//! A page that a person is asked to open.

use url::{Host, Url};

use super::ElicitationError;

/// The most bytes of a URL.
const MAX_URL: usize = 4 << 10;

/// A page over HTTPS, or on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    url: Url,
    host: String,
}

impl Page {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`ElicitationError`]: it is not a URL of a page that a person can be sent to.
    pub(super) fn parse(text: &str) -> Result<Self, ElicitationError> {
        if text.len() > MAX_URL {
            let problem = format!("its URL is longer than {MAX_URL} bytes");
            return Err(ElicitationError(problem));
        }
        let url =
            Url::parse(text).map_err(|_| ElicitationError::new("its URL is not an absolute URL"))?;
        let Some(host) = url.host() else {
            return Err(ElicitationError::new("its URL has no host"));
        };
        let is_loopback = match host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
            let problem = "its URL is neither https nor on this machine";
            return Err(ElicitationError::new(problem));
        }
        // A name before the host reads like the host.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ElicitationError::new("its URL names a user"));
        }
        let host = match host {
            Host::Ipv6(address) => address.to_string(),
            other => other.to_string(),
        };
        Ok(Self { url, host })
    }

    /// The URL in ASCII.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Its host, in lower case and in ASCII; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}
