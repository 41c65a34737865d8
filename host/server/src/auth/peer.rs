//! Authentication on the owner's Unix socket, by the peer credentials of the connection.
//!
//! Only the operating system's user who owns the gate's process is accepted. The `login` of `[users]` maps it to
//! a configured user. To act as another user, a request names that user in a header and has the user's token.

use std::{io, path::PathBuf};

use http::HeaderMap;
use nix::unistd::{Uid as UserId, User};
use tollgate::config::Config;
use tollgate_model::entity::{Kind, Uid};

use super::AuthError;

/// The header that names the user whose token is sent. The token must be of this user.
pub const USER_HEADER: &str = "tollgate-user";

/// The credentials of the process at the other end of a Unix socket. An extension of each request that arrives
/// there; requests over TCP do not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    /// The user id.
    pub uid: u32,
}

impl PeerCredentials {
    /// The credentials of this process.
    #[must_use]
    pub fn own() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
        }
    }

    /// Checks that the peer is the owner.
    ///
    /// # Errors
    /// [`PeerError::OtherUser`] for every other user id.
    pub fn check(self, owner: Self) -> Result<(), PeerError> {
        match self == owner {
            true => Ok(()),
            false => Err(PeerError::OtherUser { uid: self.uid }),
        }
    }
}

/// The peer of the hook socket: an extension of each request that arrives there. It is never taken for the owner,
/// not even where it has the owner's user id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookPeer(pub PeerCredentials);

/// Why the peer of a Unix socket is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The process belongs to another user.
    #[error(
        "user {uid} does not own this gate, so its socket is closed to you; call over HTTP with a token"
    )]
    OtherUser {
        /// The user id.
        uid: u32,
    },
    /// The account database cannot be read.
    #[error("the operating system does not say who user {uid} is: {reason}")]
    System {
        /// The user id.
        uid: u32,
        /// The error of the operating system.
        reason: String,
    },
    /// The configuration has no user with this login.
    #[error("{}: no user has the login `{login}`, so you cannot be identified", file.display())]
    NoLogin {
        /// The configuration file.
        file: PathBuf,
        /// The login.
        login: String,
    },
    /// The configuration has several users with this login.
    #[error("{}: the users `{first}` and `{second}` have the same login `{login}`", file.display())]
    SharedLogin {
        /// The configuration file.
        file: PathBuf,
        /// One of them.
        first: String,
        /// Another.
        second: String,
        /// The login.
        login: String,
    },
    /// No agent of the configuration has this login.
    #[error(
        "no agent of this gate has the login `{login}`, so this account has no calls decided here"
    )]
    NoAgent {
        /// The login.
        login: String,
    },
    /// The token does not belong to the named user.
    #[error("this is not the token of `{user}`")]
    OtherToken {
        /// The user that the header names.
        user: String,
    },
}

impl PeerError {
    /// Advice for the user.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoLogin { login, .. } => Some(format!(
                "add these lines, with the roles that you hold:\n\n[users.{}]\nlogin = \"{login}\"\nroles = [\"operator\"]",
                user_name(login)
            )),
            Self::NoAgent { login } => Some(format!(
                "the operator names the agent that runs there: login = \"{login}\" under [agents.NAME]"
            )),
            Self::SharedLogin { .. } => Some("remove `login` from one of them".into()),
            Self::OtherToken { user } => Some(format!(
                "an operator makes a new one with `tollgate user token {user}`"
            )),
            Self::OtherUser { .. } | Self::System { .. } => None,
        }
    }
}

/// The login name of a user id; the number if it has none.
///
/// # Errors
/// [`PeerError::System`].
pub fn login(uid: u32) -> Result<String, PeerError> {
    let user = User::from_uid(UserId::from_raw(uid)).map_err(|e| PeerError::System {
        uid,
        reason: io::Error::from(e).to_string(),
    })?;
    Ok(user.map_or_else(|| uid.to_string(), |user| user.name))
}

/// The configured user who has this account on the machine.
///
/// # Errors
/// [`PeerError::NoLogin`], [`PeerError::SharedLogin`].
pub fn user_of_login(config: &Config, login: &str) -> Result<Uid, PeerError> {
    let mut users = config
        .users
        .iter()
        .filter(|(_, user)| user.login.as_deref() == Some(login));
    match (users.next(), users.next()) {
        (Some((name, _)), None) => Ok(Uid::new(Kind::User, name)),
        (None, _) => Err(PeerError::NoLogin {
            file: config.file.clone(),
            login: login.into(),
        }),
        (Some((first, _)), Some((second, _))) => Err(PeerError::SharedLogin {
            file: config.file.clone(),
            first: first.clone(),
            second: second.clone(),
            login: login.into(),
        }),
    }
}

/// The configured agent that has this account on the machine.
///
/// # Errors
/// [`PeerError::NoAgent`].
pub fn agent_of_login(config: &Config, login: &str) -> Result<String, PeerError> {
    let mut agents = config.agents.iter();
    let found = agents.find(|(_, agent)| agent.login.as_deref() == Some(login));
    found
        .map(|(name, _)| name.clone())
        .ok_or_else(|| PeerError::NoAgent {
            login: login.into(),
        })
}

/// `login` as a key of the table `users`.
#[must_use]
pub fn user_name(login: &str) -> String {
    let name: String = login
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                c
            } else {
                '_'
            }
        })
        .take(64)
        .collect();
    if name.contains('.') {
        format!("\"{name}\"")
    } else if name.is_empty() {
        "me".into()
    } else {
        name
    }
}

/// The user that the header names.
pub(super) fn named_user(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    let mut given = headers.get_all(USER_HEADER).iter();
    let Some(value) = given.next() else {
        return Ok(None);
    };
    if given.next().is_some() {
        return Err(AuthError::Malformed(
            "the header Tollgate-User occurs twice",
        ));
    }
    let name = value
        .to_str()
        .map_err(|_| AuthError::Malformed("the header Tollgate-User is not ASCII text"))?;
    Ok(Some(name))
}

#[cfg(test)]
mod tests;
