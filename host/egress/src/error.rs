use std::path::PathBuf;

/// Why a request has no response. No text holds a secret, a query or an address of a private network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The request cannot be sent.
    #[error("{0}")]
    Invalid(String),
    /// The name has no address.
    #[error("{0}")]
    Unresolved(String),
    /// There is no connection.
    #[error("{0}")]
    Unreachable(String),
    /// The connection is not safe.
    #[error("{0}")]
    Tls(String),
    /// The server has no valid certificate for the host.
    #[error("{0}")]
    Certificate(String),
    /// The response is too large.
    #[error("the response is too large")]
    TooLarge,
    /// The response is not understood.
    #[error("{0}")]
    Malformed(String),
    /// The host failed.
    #[error("{0}")]
    Failed(String),
}

/// Why no request can be sent at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Certificates that cannot be trusted.
    #[error(
        "the certificates in {} cannot be trusted: {reason}; correct `trust` under [network]: it names PEM files",
        path.display()
    )]
    Trust {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The TLS library does not start.
    #[error("TLS is not available: {reason}")]
    Tls {
        /// What the library said.
        reason: String,
    },
}
