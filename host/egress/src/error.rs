use std::path::PathBuf;

/// Why a request has no response. Texts contain no secret, no query and no private address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The request cannot be sent.
    #[error("{0}")]
    Invalid(String),
    /// The name has no address.
    #[error("{0}")]
    Unresolved(String),
    /// The connection failed.
    #[error("{0}")]
    Unreachable(String),
    /// The connection is not safe.
    #[error("{0}")]
    Tls(String),
    /// The server's certificate is not valid for the host.
    #[error("{0}")]
    Certificate(String),
    /// The response is too large.
    #[error("the response is too large")]
    TooLarge,
    /// The response cannot be understood.
    #[error("{0}")]
    Malformed(String),
    /// An error of the host itself.
    #[error("{0}")]
    Failed(String),
}

/// Why the client cannot be created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Certificates that cannot be used.
    #[error(
        "the certificates in {} cannot be trusted: {reason}; correct `trust` under [network]: it names PEM files",
        path.display()
    )]
    Trust {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The TLS library cannot be initialised.
    #[error("TLS is not available: {reason}")]
    Tls {
        /// The library's error.
        reason: String,
    },
}
