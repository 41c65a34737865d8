//! Why a request has no response.

use tollgate_egress::EgressError;

use crate::port::Denial;

/// Why there is no response. No text holds a secret, a query or an address of the host's networks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum HttpError {
    /// It is not a valid request.
    Invalid(String),
    /// It is denied, or could not be decided or recorded.
    Denied(Denial),
    /// The same, for where a redirect led.
    DeniedRedirect(Denial, String),
    /// The host has an address in a private network, and the operator does not allow that.
    Private(String),
    /// The component was granted no such secret.
    NoSuchSecret(String),
    /// The name has no address.
    Unresolved(String),
    /// There is no connection.
    Unreachable(String),
    /// The connection is not safe.
    Tls(String),
    /// The server has no valid certificate for the host.
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

impl HttpError {
    /// What the record says.
    pub(in crate::capability::http) fn description(&self) -> String {
        match self {
            Self::Invalid(how)
            | Self::Unresolved(how)
            | Self::Unreachable(how)
            | Self::Tls(how)
            | Self::Certificate(how)
            | Self::Malformed(how)
            | Self::Failed(how) => how.clone(),
            Self::Denied(_) | Self::DeniedRedirect(..) => "refused".into(),
            Self::Private(host) => not_public(host),
            Self::NoSuchSecret(name) => format!("no secret `{name}` was granted"),
            Self::Timeout => "timed out".into(),
            Self::TooLarge => "the response is too large".into(),
            Self::TooManyRedirects => "too many redirects".into(),
            Self::CallOver => "the call was over".into(),
        }
    }
}

impl From<EgressError> for HttpError {
    fn from(error: EgressError) -> Self {
        match error {
            EgressError::Invalid(how) => Self::Invalid(how),
            EgressError::Unresolved(how) => Self::Unresolved(how),
            EgressError::Unreachable(how) => Self::Unreachable(how),
            EgressError::Tls(how) => Self::Tls(how),
            EgressError::Certificate(how) => Self::Certificate(how),
            EgressError::TooLarge => Self::TooLarge,
            EgressError::Malformed(how) => Self::Malformed(how),
            EgressError::Failed(how) => Self::Failed(how),
        }
    }
}

/// Why a host in a private network is refused, and what to do about it.
pub(in crate::capability::http) fn not_public(host: &str) -> String {
    format!(
        "{host} has an address in a private network, which the operator must allow: \
         [hosts.\"{host}\"] with allow_private = true"
    )
}
