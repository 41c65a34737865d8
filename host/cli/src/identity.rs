//! Who is at the command line: the operating system's user, as the configuration names them.
//!
//! Never an argument: `--as USER` counts only with that user's token.

use std::{fmt, io, path::Path};

use nix::unistd::{Uid as UserId, User};
use serde::{Deserialize, Serialize};
use tollgate::config::Config;
use tollgate_model::entity::{Kind, Uid};

use crate::{error::Failure, exit_code::Exit, output::Output};

/// Somebody who says that they are another user, with that user's token.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// The user.
    pub(crate) user: String,
    /// The token; nothing shows it.
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
    /// The claim of `user`, with the token in `file`, or asked for on the terminal.
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

/// What the operating system calls the user with this id: the name, or the number where there is none.
pub(crate) fn login(uid: u32) -> Result<String, Failure> {
    let user = User::from_uid(UserId::from_raw(uid)).map_err(|e| {
        Failure::plain(format!(
            "the operating system does not say who user {uid} is: {}",
            io::Error::from(e)
        ))
    })?;
    Ok(user.map_or_else(|| uid.to_string(), |user| user.name))
}

/// The id under which this process runs.
pub(crate) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The configured user who has this account on the machine.
pub(crate) fn of_login(config: &Config, login: &str) -> Result<Uid, Failure> {
    let mut users = config
        .users
        .iter()
        .filter(|(_, user)| user.login.as_deref() == Some(login));
    match (users.next(), users.next()) {
        (Some((name, _)), None) => Ok(Uid::new(Kind::User, name)),
        (None, _) => Err(Failure::new(
            Exit::Denied,
            format!("{}: no user has the login `{login}`, so you cannot be identified", config.file.display()),
        )
        .help(format!(
            "add these lines, with the roles that you hold:\n\n[users.{}]\nlogin = \"{login}\"\nroles = [\"operator\"]",
            user_name(login)
        ))),
        (Some((one, _)), Some((other, _))) => Err(Failure::plain(format!(
            "{}: the users `{one}` and `{other}` have the same login `{login}`",
            config.file.display()
        ))
        .help("remove `login` from one of them")),
    }
}

/// `login` as a name that the configuration accepts.
pub(crate) fn user_name(login: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(Path::new("/x/tollgate.toml"), text).unwrap()
    }

    #[test]
    fn a_login_is_one_user() {
        let two = "[users.alice]\nlogin = \"al\"\n[users.bob]\n";
        assert_eq!(
            of_login(&config(two), "al").unwrap(),
            Uid::new(Kind::User, "alice")
        );
        let missing = of_login(&config(two), "eve").unwrap_err();
        assert_eq!(missing.exit, Exit::Denied);
        assert!(
            missing
                .help
                .unwrap()
                .contains("[users.eve]\nlogin = \"eve\"")
        );
        let same = "[users.alice]\nlogin = \"al\"\n[users.bob]\nlogin = \"al\"\n";
        assert!(
            of_login(&config(same), "al")
                .unwrap_err()
                .message
                .contains("alice")
        );
    }

    #[test]
    fn this_process_has_a_login() {
        assert!(!login(own_uid()).unwrap().is_empty());
    }

    #[test]
    fn odd_logins_become_names() {
        assert_eq!(user_name("a b"), "a_b");
        assert_eq!(user_name("a.b"), "\"a.b\"");
    }
}
