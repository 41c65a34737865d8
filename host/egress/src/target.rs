//! The destination of a request: a URL in the one form that is decided and sent.
//!
//! The parser of the URL standard normalises `0x7f.1`, `①.example`, `EXAMPLE.com` and `%2e%2e`. This module
//! does the rest: it refuses user names and removes a final dot and unnecessary escapes. Nothing here
//! resolves names.

use std::net::IpAddr;

use url::{Host, Url};

use crate::EgressError;

/// The most bytes of a URL.
const MAX_URL: usize = 8 << 10;
/// The most bytes of a host name (RFC 1035, section 2.3.4).
const MAX_HOST: usize = 253;

/// A normalised URL, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    host: String,
    /// The host, if it is an address.
    address: Option<IpAddr>,
    port: u16,
}

impl Target {
    /// Parse an absolute URL.
    ///
    /// # Errors
    /// [`EgressError::Invalid`] if it is not a URL for HTTP.
    pub fn parse(url: &str) -> Result<Self, EgressError> {
        if url.len() > MAX_URL {
            return Err(invalid("the URL is longer than 8 KiB"));
        }
        Self::of(
            Url::parse(url)
                .map_err(|e| invalid(&format!("the URL is not absolute or not valid: {e}")))?,
        )
    }

    /// The target of a redirect with this `location`.
    ///
    /// # Errors
    /// [`EgressError::Malformed`] if it is not a URL for HTTP.
    pub fn join(&self, location: &str) -> Result<Self, EgressError> {
        if location.len() > MAX_URL {
            return Err(EgressError::Malformed(
                "it redirects to a URL longer than 8 KiB".into(),
            ));
        }
        let not_valid = || EgressError::Malformed("it redirects to a URL that is not valid".into());
        let mut url = self.url.join(location).map_err(|_| not_valid())?;
        if !url.username().is_empty() || url.password().is_some() {
            // A mistake or a trick of the server; it is never sent.
            url.set_username("")
                .and_then(|()| url.set_password(None))
                .map_err(|()| not_valid())?;
        }
        Self::of(url).map_err(|_| {
            EgressError::Malformed("it redirects to a URL that is not for HTTP".into())
        })
    }

    fn of(mut url: Url) -> Result<Self, EgressError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("the URL's scheme is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid(
                "the URL holds a user name or password; use a credential",
            ));
        }
        url.set_fragment(None);
        let (host, address) = match url.host() {
            Some(Host::Ipv4(address)) => (address.to_string(), Some(address.into())),
            Some(Host::Ipv6(address)) => {
                let address = crate::address::canonical(address.into());
                (address.to_string(), Some(address))
            }
            Some(Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name).to_owned();
                check_name(&name)?;
                (name, None)
            }
            None => return Err(invalid("the URL names no host")),
        };
        let written = match address {
            Some(IpAddr::V6(_)) => format!("[{host}]"),
            _ => host.clone(),
        };
        url.set_host(Some(&written))
            .map_err(|_| invalid("the URL's host is not valid"))?;
        let port = match url.port_or_known_default() {
            Some(port) if port != 0 => port,
            _ => return Err(invalid("the URL's port is not valid")),
        };
        let path = unescaped(url.path());
        if path != url.path() {
            url.set_path(&path);
        }
        Ok(Self {
            url,
            host,
            address,
            port,
        })
    }

    /// The host: a name in lower case and ASCII without a final dot, or an address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host, if it is an address.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The port, even if the URL omits it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.scheme() == "https"
    }

    /// The path, in its only spelling.
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The URL with its query.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The URL without its query, for records: a query may contain secrets.
    #[must_use]
    pub fn redacted(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.to_string()
    }

    /// The field `host`; it has the port unless that is the scheme's default.
    #[must_use]
    pub fn host_field(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Whether both have the same origin (RFC 6454): scheme, host and port.
    #[must_use]
    pub fn is_same_origin(&self, other: &Self) -> bool {
        (self.scheme(), &self.host, self.port) == (other.scheme(), &other.host, other.port)
    }
}

/// The name of a host as decisions see it: lower case, ASCII, without a final dot; or an address in its
/// canonical form. `None` for anything else.
#[must_use]
pub fn host_name(text: &str) -> Option<String> {
    let url = match text.parse::<std::net::Ipv6Addr>() {
        Ok(_) => format!("https://[{text}]/"),
        Err(_) => format!("https://{text}/"),
    };
    let target = Target::parse(&url).ok()?;
    let bare = target.path() == "/" && target.port() == 443 && target.url().query().is_none();
    let is_plain = bare && !text.contains(['/', '?', '#', '\\', ':', '@']);
    (is_plain || target.address().is_some_and(|a| a.is_ipv6())).then(|| target.host().to_owned())
}

fn invalid(how: &str) -> EgressError {
    EgressError::Invalid(how.into())
}

fn check_name(name: &str) -> Result<(), EgressError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    if name.len() <= MAX_HOST && name.split('.').all(label) {
        return Ok(());
    }
    Err(invalid("the URL's host is not a name that can be resolved"))
}

/// Escapes only what must be escaped (RFC 3986, section 6.2.2), so that one path has one spelling. The
/// parser has already resolved escaped `.` segments.
fn unescaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let digits = after
            .get(..2)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) => {
                if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'.') {
                    out.push(char::from(byte));
                } else {
                    out.push_str(&format!("%{byte:02X}"));
                }
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push_str("%25");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
