//! `tollgate user`: tokens by which users name themselves at another's command line.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Subcommand;

use super::{Context, unexpected};
use crate::{
    exit::Exit,
    failure::Failure,
    operation::{Operation, Reply},
    show::paint::{Tone, paint},
};

const TOKEN: &str = "\
Examples:
  $ tollgate user token bob --out bob.token
  $ tollgate approvals approve apr-0a1b2c3d4e5f6071 --as bob --token-file bob.token
  $ tollgate user token bob --revoke

A new token takes the place of an earlier one. Only its hash is kept, so it is shown this once.
With --json: {user, token} or {user, file} or {user, revoked}.";

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make a user's token.
    #[command(after_help = TOKEN)]
    Token {
        /// The user, as tollgate.toml names them.
        name: String,
        /// Write it to this new file, which only you can read, instead of showing it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Make the user's token worthless.
        #[arg(long, conflicts_with = "out")]
        revoke: bool,
    },
}

/// Run `tollgate user`.
pub(crate) async fn run(command: User, cx: &Context<'_>) -> Result<Exit, Failure> {
    let User::Token { name, out, revoke } = command;
    if revoke {
        cx.execute(Operation::RevokeToken { user: name.clone() })
            .await?;
        let value = serde_json::json!({ "user": name, "revoked": true });
        cx.out.show(&value, || {
            format!("{} {name} has no token any more", paint("✓", Tone::Good))
        })?;
        return Ok(Exit::Ok);
    }
    // Before there is a token that would have nowhere to go.
    let mut file = out.as_deref().map(create).transpose()?;
    let made = cx
        .execute(Operation::MakeToken { user: name.clone() })
        .await;
    let token = match made {
        Ok(Reply::Token(token)) => token,
        other => {
            if let Some(path) = &out {
                let _ = fs::remove_file(path);
            }
            return Err(other.map_or_else(|failure| failure, |reply| unexpected(&reply)));
        }
    };
    match (&mut file, &out) {
        (Some(file), Some(path)) => {
            file.write_all(format!("{token}\n").as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(|e| {
                    Failure::plain(format!("{}: {e}; make another token", path.display()))
                })?;
            let value = serde_json::json!({ "user": name, "file": path });
            cx.out.show(&value, || {
                format!(
                    "{} the token of {name} is in {}",
                    paint("✓", Tone::Good),
                    path.display()
                )
            })?;
        }
        _ => {
            cx.out
                .show(&serde_json::json!({ "user": name, "token": token }), || {
                    token.clone()
                })?;
            cx.out
                .remark("it is shown this once; keep it where only they can read it");
        }
    }
    Ok(Exit::Ok)
}

fn create(path: &Path) -> Result<fs::File, Failure> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| {
            Failure::plain(format!(
                "{}: the token cannot be written there: {e}",
                path.display()
            ))
            .help("name a file that does not exist yet, in a directory that you can write")
        })
}
