//! Why there is no access token. Texts contain no token, code or secret, and no words of a server.

/// Why there is no access token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(in super::super) struct OauthError {
    /// What is wrong, and what to do.
    pub(in super::super) why: String,
    pub(super) kind: OauthErrorKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OauthErrorKind {
    /// The user has to log in.
    NoLogin,
    /// The authorization server does not take the code or the refresh token.
    InvalidGrant,
    /// Anything else.
    Other,
}

impl OauthError {
    pub(in super::super) fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            kind: OauthErrorKind::Other,
        }
    }

    pub(super) fn no_login(why: String) -> Self {
        Self {
            why,
            kind: OauthErrorKind::NoLogin,
        }
    }
}
