//! The user at the command line: the operating system's user, mapped by the configuration, or `--as USER` with that
//! user's token.

use std::{fmt, path::Path};

use tollgate_server::auth::peer::PeerCredentials;

use crate::{error::Failure, output::Output};

pub(crate) use tollgate_server::auth::peer::{login, user_name, user_of_login as of_login};

/// `--as USER`: a user to act as, with that user's token.
#[derive(Clone)]
pub(crate) struct Claim {
    /// The user.
    pub(crate) user: String,
    /// The token; it is never printed.
    pub(crate) token: String,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Claim {
    /// The claim of `user`, with the token from `file` or from a prompt on the terminal.
    pub(crate) fn read(user: &str, file: Option<&Path>, out: &Output) -> Result<Self, Failure> {
        let token = match file {
            Some(file) => std::fs::read_to_string(file).map_err(|e| {
                Failure::plain(format!("{}: the token cannot be read: {e}", file.display()))
                    .help("name the file that `tollgate user token` wrote")
            })?,
            None => out.secret(&format!("token of {user}: "))?.ok_or_else(|| {
                Failure::usage("there is no terminal to ask for the token on")
                    .help("put it into a file and name that with --token-file FILE")
            })?,
        };
        Ok(Self {
            user: user.into(),
            token: token.trim().into(),
        })
    }
}

/// The id under which this process runs.
pub(crate) fn own_uid() -> u32 {
    PeerCredentials::own().uid
}
